"""The backends that alerts are compiled for."""

from __future__ import annotations

from typing import Final

from alerts.backends import Backend
from generators.prometheus.backend import Prometheus

BACKENDS: Final[tuple[Backend, ...]] = (Prometheus(),)
"""Every backend; each alert has to compile on each, or skip it with a reason."""
