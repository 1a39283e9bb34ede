"""Routes, receivers and the templates of their messages for Alertmanager."""
