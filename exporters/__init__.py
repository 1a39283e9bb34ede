"""Gateway logs to events, detections, signals and `/metrics`."""
