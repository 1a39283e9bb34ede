"""Techniques of alerts. Each is a folder here, and nothing outside of it knows of it: whatever is found is known.

A folder exports `TECHNIQUE`. By custom it has `model` (what the technique asks for in `when`), `checks` (what it
refuses), `criterion` (the compiled form, lowered to an expression), `evaluation` (the reference meaning), `words` (what
a person reads) and `cases` (example courses).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from alerts.rule import Criterion, Technique
from spec.checks.base import Check
from spec.model import Alert, Condition, Spec


def _found() -> Mapping[str, Technique]:
    folders = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return {name: importlib.import_module(f"{__name__}.{name}").TECHNIQUE for name in folders}


TECHNIQUES: Final[Mapping[str, Technique]] = _found()
"""Every technique, by its name in `when`."""

CONDITIONS: Final[tuple[type[Condition], ...]] = tuple(technique.condition for technique in TECHNIQUES.values())
"""What each asks for in `when`."""

CHECKS: Final[tuple[Check, ...]] = tuple(check for technique in TECHNIQUES.values() for check in technique.checks)
"""What the techniques refuse."""

_COMPILERS: Final = {technique.condition: technique.compile for technique in TECHNIQUES.values()}


def criterion_of(spec: Spec, alert: Alert) -> Criterion:
    """What the technique of an alert makes of its condition."""
    return _COMPILERS[type(alert.when)](spec, alert)
