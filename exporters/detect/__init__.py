"""What an event shows: content rules over texts give detections."""

from exporters.detect.detector import Detector
from exporters.detect.load import load_rules
from exporters.detect.model import Rule
from exporters.detect.scanner import Scanner

__all__ = ["Detector", "Rule", "Scanner", "load_rules"]
