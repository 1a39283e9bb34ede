"""What an alert means: compiled from the spec, evaluated over scrapes, and gathered into incidents.

Nothing here knows a backend. Generators compile alerts for one; replay and the demo evaluate them as they are.
"""

from alerts.alert_ir import compile_alerts
from alerts.evaluator import Evaluator
from alerts.expression import Series
from alerts.rule import AlertRule
from alerts.watch import AlertInstance

__all__ = ["AlertInstance", "AlertRule", "Evaluator", "Series", "compile_alerts"]
