"""The demo: a recorded attack among ordinary traffic, through the real exporter, to the page that somebody gets."""
