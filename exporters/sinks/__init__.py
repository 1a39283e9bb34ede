"""What is kept of events: sinks, each on a lane of its own, so that none of them ever holds up the metrics."""

from exporters.sinks.jsonl import Content, JsonLines
from exporters.sinks.lane import Acknowledged, Lane
from exporters.sinks.sink import Place, Sink

__all__ = ["Acknowledged", "Content", "JsonLines", "Lane", "Place", "Sink"]
