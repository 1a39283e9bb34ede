"""The signal is on its way over a limit."""

from alerts.rule import Technique
from alerts.techniques.trend.cases import EXAMPLES
from alerts.techniques.trend.checks import TrendsAreSound
from alerts.techniques.trend.criterion import compile_trend
from alerts.techniques.trend.model import Trend

TECHNIQUE = Technique(Trend, compile_trend, (TrendsAreSound(),), EXAMPLES)
