"""Panels by the layer that they show. Dashboards choose from them; `PANELS` are those of the overview."""
