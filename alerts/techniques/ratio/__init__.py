"""One signal's share of another."""

from alerts.rule import Technique
from alerts.techniques.ratio.cases import EXAMPLES
from alerts.techniques.ratio.checks import RatiosAreSound
from alerts.techniques.ratio.criterion import compile_ratio
from alerts.techniques.ratio.model import Ratio

TECHNIQUE = Technique(Ratio, compile_ratio, (RatiosAreSound(),), EXAMPLES)
