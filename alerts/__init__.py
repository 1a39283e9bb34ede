"""What an alert means: compiled from the spec, evaluated over scrapes, and gathered into incidents.

Nothing here knows a backend. Generators compile alerts for one; replay and the demo evaluate them as they are.
"""

from alerts.alert_ir import AlertRule, Series, compile_alerts
from alerts.evaluator import Episode, Evaluator

__all__ = ["AlertRule", "Episode", "Evaluator", "Series", "compile_alerts"]
