"""Identities, and what comes along with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from spec.checks.base import Gravity, Issue
from spec.errors import Path, nearest
from spec.model import Field, Spec
from spec.vocabulary import IDENTITIES, STREAM_DIMENSIONS

SOURCE_FACTS: Final = ("trusted",)
"""Companions that are a fact of the source, and no dimension of events."""


class IdentitiesMakeSense:
    """An identity is a column of events, has a heading and no closed set; its companion is another, bounded field."""

    id: ClassVar[str] = "TOC045"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Keys of a field that contradict each other, or that nothing stands behind."""
        places: dict[int, str] = {}
        for name, field in spec.fields.items():
            path: Path = ("fields", name)
            if field.filter < 0:
                yield Issue(f"found {field.filter}, expected a place from 1 on, or 0 for none", (*path, "filter"))
            elif field.filter and (other := places.setdefault(field.filter, name)) != name:
                yield Issue(f"found {field.filter}, which is the place of {other}, expected another", (*path, "filter"))
            if field.unbounded:
                yield from _identity(name, field, path)
            else:
                yield from _bounded(name, field, path)
            if field.companion:
                yield from _companion(spec, name, field.companion, (*path, "companion"))
            if field.title.strip() != field.title or not field.title.isprintable():
                yield Issue(f"found {field.title!r}, expected a heading of one line", (*path, "title"))


def _identity(name: str, field: Field, path: Path) -> Iterator[Issue]:
    if name not in IDENTITIES:
        text = f"found an unknown identity, expected one of {', '.join(IDENTITIES)}"
        yield Issue(text + nearest(name, IDENTITIES), (*path, "unbounded"))
    if field.values or field.cap:
        found = "values" if field.values else "cap"
        yield Issue(f"found `{found}`, expected `top` or nothing: unbounded values are not listed", path)
    if not field.title:
        yield Issue("found no title, expected one such as Account", (*path, "title"))
    if field.merge != "max":
        text = "found 'sum', expected 'max': each exporter counts a whole member, and a sum would count it twice"
        yield Issue(text, (*path, "merge"))


def _bounded(name: str, field: Field, path: Path) -> Iterator[Issue]:
    if name in IDENTITIES:
        yield Issue("found false, expected true: it says who sent a request", (*path, "unbounded"))
    if field.top:
        yield Issue("found `top`, expected `unbounded: true` beside it, or `cap`", (*path, "top"))
    for key in ("companion", "pseudonym", "caller", "client_chosen"):
        if getattr(field, key):
            yield Issue(f"found `{key}`, expected it only beside `unbounded: true`", (*path, key))


def _companion(spec: Spec, name: str, companion: str, path: Path) -> Iterator[Issue]:
    field = spec.fields.get(companion)
    known = [*STREAM_DIMENSIONS["events"], *SOURCE_FACTS]
    if companion == name:
        yield Issue(f"found {companion!r}, expected another field", path)
    elif field is None:
        yield Issue(f"found {companion!r}, expected a field{nearest(companion, spec.fields)}", path)
    elif field.unbounded or not (field.cap > 0 or field.values):
        yield Issue(f"found {companion!r}, expected a field with `cap` or `values`", path)
    elif companion not in known:
        yield Issue(f"found {companion!r}, expected a column of attempts: {', '.join(known)}", path)
