"""What a backend has to be able to do with an alert."""

from __future__ import annotations

from typing import ClassVar, Protocol

from alerts.rule import AlertRule
from alerts.text import Parts
from runtime.errors import TocsinError


class CannotExpressError(TocsinError):
    """A backend has no words for an alert; the text says for what of it."""


class Backend(Protocol):
    """Compiles alerts for a system that evaluates them."""

    name: ClassVar[str]
    """The word in an alert's `skip`."""

    def compile(self, rule: AlertRule) -> str:
        """When the alert is true, in the backend's language.

        Raises:
            CannotExpressError: the language cannot say it.
        """
        ...

    def annotation(self, rule: AlertRule, parts: Parts) -> str:
        """A text of a page, with what the backend fills in itself.

        Raises:
            CannotExpressError: the backend cannot fill in a part of it.
        """
        ...
