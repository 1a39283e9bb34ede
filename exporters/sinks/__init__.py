"""What is kept of events: sinks, each on a lane of its own, so that none of them ever holds up the metrics."""

from exporters.sinks.jsonl import JsonLines
from exporters.sinks.lane import Acknowledged, Lane
from exporters.sinks.sink import Place, Sink

__all__ = ["Acknowledged", "JsonLines", "Lane", "Place", "Sink"]
