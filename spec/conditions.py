"""The techniques that a condition can name. They build on the spec, so they are found when it is first read."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Final, Union

from spec.model import Condition

PROVIDER: Final = "alerts.techniques"
"""The package whose `CONDITIONS` are the entry types of all techniques."""


@cache
def conditions() -> tuple[type[Condition], ...]:
    """The entry type of each technique, by name."""
    return tuple(importlib.import_module(PROVIDER).CONDITIONS)


@cache
def any_condition() -> Any:
    """The type of an entry of any technique."""
    return Union[conditions()]  # noqa: UP007 - made of a tuple
