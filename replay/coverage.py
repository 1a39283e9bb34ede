"""What was looked at of a log and what was not: in a few lines for a person, complete for a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alerts.blind import Unable
from events.coverage import CONTENT, LITTLE, Coverage, Rejected
from events.fields import BY_COLUMN
from runtime.text import printable, wrapped

MOST_REJECTED: Final = 4
"""Kinds of rejected records that a person is shown; JSON has all of them."""
MOST_UNREAD: Final = 6
"""Kinds of content that is not understood, that a person is shown."""
MOST_NAMED: Final = 3
"""Alerts that a person is shown of one reason."""
_OF_THE_LOG: Final = ("nothing_read", "not_scanned", "field", "gateway")
"""Reasons that lie in the log, or in how it is read."""
_LABEL: Final = 11  # columns of the words at the left
_CHECK: Final = "`tocsin source check` shows which gateway or mapping fits"
ADVICE: Final = {
    "not_json": f"it is not one JSON object a line; {_CHECK}",
    "not_an_object": f"it is JSON, but no object; {_CHECK}",
    "missing_field": f"it is no record of this gateway, or not a whole one; {_CHECK}",
    "wrong_type": f"a field has an unusual type; {_CHECK}",
    "invalid_value": f"a field has an impossible value; {_CHECK}",
    "invalid_utf8": "the text is not UTF-8; convert the file, or look for what damaged it",
    "incomplete": "its end is missing: the writer crashed, or the parts of a long line lie elsewhere",
    "too_long": "the line is too long; let the gateway shorten what it logs",
    "too_deep": "it is nested too deeply to be a record",
    "quarantined": "reading it failed, which is a fault of Tocsin; please report it",
}
"""What to do about rejected records, by reason."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A log's coverage, the alerts that it could not have raised, and how many alerts there are."""

    coverage: Coverage
    unable: tuple[Unable, ...]
    alerts: int

    @property
    def able(self) -> int:
        """Alerts that could have fired."""
        return self.alerts - len(self.unable)


def silence(covered: Covered, nothing: str) -> str:
    """What it means that nothing happened, where `nothing` says so alone: ``No alert fires``."""
    found, quiet = covered.coverage, f"{nothing[0].lower()}{nothing[1:]}"
    if not found.lines:
        return f"No record was found, so this proves nothing: {quiet}."
    if not found.records + found.duplicates:
        return f"None of {records(found.lines)} could be read, so this proves nothing: {quiet}."
    could = f"{covered.able} of {covered.alerts} alerts could have fired"
    if found.scanned:
        gone = [
            f"no {side} in {found.without(side):,} of {found.due(side):,}"
            for side in CONTENT
            if found.lacking(side) >= LITTLE
        ]
        could += f", and there was {' and '.join(gone)}" if gone else ""
    if found.read < LITTLE:
        read = f"{found.records + found.duplicates:,} of {records(found.lines)} could be read"
        return f"{nothing}, which proves little: only {read}; {could}."
    return f"{nothing}; {could}."


# ------------------------------------------------------------------------------------------------ text
def lines(covered: Covered, *, width: int = 0, color: bool = False, title: str = "Coverage") -> Iterator[str]:
    """The coverage in a few lines below a title. `width` in characters, 0: as wide as it gets."""
    yield f"\x1b[1m{title}\x1b[0m" if color else title
    for label, text in rows(covered):
        first, *others = wrapped(text, max(20, width - _LABEL - 2) if width else 0)
        yield f"  {label:<{_LABEL}}{first}"
        yield from (" " * (_LABEL + 2) + other for other in others)


def rows(covered: Covered) -> Iterator[tuple[str, str]]:
    """What stands at the left, and the words beside it."""
    found = covered.coverage
    yield "records", _read(found)
    worst = sorted(found.rejected.values(), key=lambda entry: -entry.count)
    for entry in worst[:MOST_REJECTED]:
        yield "rejected", _rejected(entry)
    if len(worst) > MOST_REJECTED:
        yield "", f"and {len(worst) - MOST_REJECTED} more kinds; --format json has all of them"
    if found.unwrapped:
        removed = ", ".join(f"{name} {count:,}" for name, count in found.unwrapped.most_common())
        yield "wrappers", f"removed: {removed}"
    if found.late:
        yield (
            "order",
            f"{found.late:,} of {found.records:,} stand far behind newer ones, so alerts about their time are missing. "
            "Sort the log by time.",
        )
    if found.records:
        yield "content", _content(found)
        if found.unread:
            parts = ", ".join(
                f"{side} of {kind} {count:,}" for (side, kind), count in found.unread.most_common(MOST_UNREAD)
            )
            yield "", f"words in no place that Tocsin knows, which no rule read: {printable(parts)}"
        if found.skipped:
            parts = ", ".join(f"{channel} {count:,}" for channel, count in found.skipped.most_common())
            yield "", f"characters beyond the budget of an attempt, which no rule read: {parts}"
        missing = [
            f"{BY_COLUMN[column].title} in {_percent(part)}"
            for column, part in sorted(found.missing().items(), key=lambda item: -item[1])
        ]
        yield "fields", f"missing: {', '.join(missing)}" if missing else "all fields that alerts need are there"
    yield "alerts", f"{covered.able} of {covered.alerts} could have fired"
    for reason, names in _by_reason(covered.unable):
        more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield "", f"{len(names)} not: {reason} ({', '.join(names[:MOST_NAMED])}{more})"


def _read(found: Coverage) -> str:
    parts = [f"{found.records:,} read"]
    if found.duplicates:
        parts.append(f"{found.duplicates:,} more were repeated")
    if found.others:
        parts.append(f"{found.others:,} are no attempts")
    rejected = found.rejects.total()
    share = f" ({_percent(rejected / found.lines)})" if rejected else ""
    parts.append(f"{rejected:,} rejected{share}")
    return ", ".join(parts)


def _rejected(entry: Rejected) -> str:
    text = f"{entry.count:,} {entry.reason}"
    if entry.file:
        text += f", first in {printable(entry.file)}" + (f" line {entry.line:,}" if entry.line else "")
    if entry.detail:
        text += f": {printable(entry.detail)}"
    if entry.looks:
        text += f"; it looks like {entry.looks}"
    advice = entry.hint.rstrip(".") or ADVICE.get(entry.reason)
    return f"{text}. {advice[0].upper()}{advice[1:]}." if advice else f"{text}."


def _content(found: Coverage) -> str:
    if not found.scanned:
        return "not scanned (--no-content)"
    parts = []
    for side in CONTENT:
        without, due = found.without(side), found.due(side)
        if not due:
            parts.append(f"no {side} was due")
        elif not without:
            parts.append(f"every {side} was there ({due:,})")
        else:
            parts.append(f"no {side} in {without:,} of {due:,} ({_percent(without / due)})")
    return "; ".join(parts)


def _by_reason(unable: Sequence[Unable]) -> list[tuple[str, list[str]]]:
    """The alerts by reason: first what the log could have, as somebody can change that."""
    found: dict[str, list[str]] = {}
    own: set[str] = set()
    for each in unable:
        found.setdefault(each.reason, []).append(each.alert)
        own |= {each.reason} if each.why in _OF_THE_LOG else set()
    return sorted(found.items(), key=lambda item: (item[0] not in own, -len(item[1])))


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "less than 1 %"
    return f"{min(99.0, share * 100) if share < 1 else 100:.0f} %"


def records(count: int) -> str:
    """So many records, in words."""
    return "1 record" if count == 1 else f"{count:,} records"


# ------------------------------------------------------------------------------------------------ JSON
def as_data(covered: Covered) -> dict[str, Any]:
    """Everything as plain data; shares go from 0 to 1."""
    found = covered.coverage
    return {
        "records": {
            "read": found.records,
            "repeated": found.duplicates,
            "no_attempts": found.others,
            "late": found.late,
            "rejected": found.rejects.total(),
        },
        "rejected": [
            {
                "reason": entry.reason,
                "count": entry.count,
                "file": entry.file or None,
                "first_line": entry.line or None,
                "detail": entry.detail,
                "looks_like": entry.looks or None,
                "advice": entry.hint or ADVICE.get(entry.reason, ""),
            }
            for entry in found.rejected.values()
        ],
        "wrappers": dict(found.unwrapped),
        "content": {
            "scanned": found.scanned,
            **{f"without_{side}": found.without(side) for side in CONTENT},
            **{f"{side}s_due": found.due(side) for side in CONTENT},
            "not_understood": [
                {"side": side, "call_type": kind, "count": count} for (side, kind), count in found.unread.items()
            ],
            "characters_skipped": dict(found.skipped),
        },
        "fields_missing": {column: round(part, 4) for column, part in found.missing().items()},
        "alerts": covered.alerts,
        "alerts_that_could_not_fire": [
            {"alert": each.alert, "why": each.why, "reason": each.reason} for each in covered.unable
        ],
    }
