"""The dashboards as data: the overview, and one for each category of signals."""
