"""The signal compares with a value."""

from alerts.rule import Technique
from alerts.techniques.threshold.cases import EXAMPLES
from alerts.techniques.threshold.checks import ThresholdsPositive
from alerts.techniques.threshold.criterion import compile_threshold
from alerts.techniques.threshold.model import Threshold

TECHNIQUE = Technique(Threshold, compile_threshold, (ThresholdsPositive(),), EXAMPLES)
