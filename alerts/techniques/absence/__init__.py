"""A heartbeat is missing or stands still."""

from alerts.rule import Technique
from alerts.techniques.absence.cases import EXAMPLES
from alerts.techniques.absence.checks import AbsenceIsOfHeartbeats
from alerts.techniques.absence.criterion import compile_absence
from alerts.techniques.absence.model import Absence

TECHNIQUE = Technique(Absence, compile_absence, (AbsenceIsOfHeartbeats(),), EXAMPLES)
