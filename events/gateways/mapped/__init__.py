"""Gateways that are a mapping: YAML says where the fields of their JSON log are, and one adapter reads them all."""

from __future__ import annotations

from events.gateways.mapped.adapter import MappedGateway
from events.gateways.mapped.model import Mapping, load_mapping

__all__ = ["MappedGateway", "Mapping", "load_mapping"]
