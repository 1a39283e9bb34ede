"""What a check is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from spec.errors import Path, Place, brief, dotted
from spec.model import Spec

Gravity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that a check does not like: what, where in the spec and, when known, where in a file."""

    text: str
    path: Path = ()
    check: str = ""
    severity: Gravity = "error"
    place: Place | None = None

    def __str__(self) -> str:
        parts = (str(self.place or ""), f"{self.severity} {self.check}".strip(), dotted(self.path), brief(self.text))
        return ": ".join(part for part in parts if part)


class Check(Protocol):
    """One rule. Its docstring is its line in the documentation."""

    id: ClassVar[str]
    severity: ClassVar[Gravity]

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Every violation, without `check`, `severity` and `place`: the caller knows them."""
        ...
