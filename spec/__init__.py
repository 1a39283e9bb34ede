"""The severity spec: what is measured, when it matters, how much, and who is notified.

The YAML beside this file is the one source; everything else in the bundle follows from it.
"""

from spec.catalogue import MetricInfo, catalogue
from spec.errors import SpecError
from spec.load import load_spec
from spec.model import Spec
from spec.yaml_source import read_typed

__all__ = [
    "MetricInfo",
    "Spec",
    "SpecError",
    "catalogue",
    "load_spec",
    "read_typed",
]
