"""One hit of a detection is enough: a threshold of 1."""

from alerts.rule import Technique
from alerts.techniques.rule.model import Rule
from alerts.techniques.threshold.criterion import compile_threshold

TECHNIQUE = Technique(Rule, compile_threshold, (), ({"when": {"technique": "rule", "signal": "canary_hits"}},))
