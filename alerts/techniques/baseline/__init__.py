"""The signal is far above its own history."""

from alerts.rule import Technique
from alerts.techniques.baseline.cases import EXAMPLES
from alerts.techniques.baseline.checks import BaselinesAreSound
from alerts.techniques.baseline.criterion import compile_baseline
from alerts.techniques.baseline.model import Baseline

TECHNIQUE = Technique(Baseline, compile_baseline, (BaselinesAreSound(),), EXAMPLES)
