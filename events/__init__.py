"""What happened: the event batch, the bounds of its numbers, and the gateways that make it of their logs."""
