"""Rules for Prometheus, the unit tests that promtool runs over them, and the language of both."""
