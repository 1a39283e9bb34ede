"""Recorded logs through the exporter's own pipeline in simulated time; the alerts are evaluated with no server."""

from replay.log_reader import LogError
from replay.run import Outcome, replay, replay_engine

__all__ = ["LogError", "Outcome", "replay", "replay_engine"]
