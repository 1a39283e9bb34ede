"""Ids of public frameworks, against the pinned lists in ``spec/frameworks/``."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import ClassVar, Final

import msgspec

from spec.checks.base import Gravity, Issue
from spec.errors import Path, nearest
from spec.model import Spec

_FOLDER: Final = FilePath(__file__).parent.parent / "frameworks"


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pinned list: ids to names, of one edition."""

    framework: str
    edition: str
    source: str
    licence: str
    ids: dict[str, str]


@functools.cache
def framework(name: str) -> Framework:
    """The pinned list ``atlas``, ``attack``, ``owasp_llm`` or ``owasp_agentic``."""
    return msgspec.json.decode((_FOLDER / f"{name}.json").read_bytes(), type=Framework)


class FrameworkIdsExist:
    """ATLAS, ATT&CK and OWASP ids exist in the pinned edition, and the edition is the one that the metadata names."""

    id: ClassVar[str] = "TOC002"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Ids that are unknown, or of another edition."""
        stated = {
            "atlas": spec.metadata.atlas,
            "attack": spec.metadata.attack,
            "owasp_llm": spec.metadata.owasp_llm,
            "owasp_agentic": spec.metadata.owasp_agentic,
        }
        for name, edition in stated.items():
            pinned = framework(name)
            if edition != pinned.edition:
                text = f"found edition {edition!r}, expected {pinned.edition!r}, the edition of the pinned list"
                yield Issue(f"{pinned.framework}: {text}", ("metadata", name))
        for name, alert in spec.alerts.items():
            yield from _listed(alert.atlas, ("atlas",), ("alerts", name, "atlas"))
            yield from _listed(alert.attack, ("attack",), ("alerts", name, "attack"))
            yield from _listed(alert.owasp, ("owasp_llm", "owasp_agentic"), ("alerts", name, "owasp"))


def _listed(ids: tuple[str, ...], lists: tuple[str, ...], path: Path) -> Iterator[Issue]:
    known = {number for name in lists for number in framework(name).ids}
    titles = " or ".join(f"{framework(name).framework} {framework(name).edition}" for name in lists)
    for index, number in enumerate(ids):
        if number not in known:
            yield Issue(f"found {number!r}, expected an id of {titles}{nearest(number, known)}", (*path, index))
