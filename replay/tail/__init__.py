"""A gateway's log as it grows, for people: attempts as they come, and alerts as they would fire."""
