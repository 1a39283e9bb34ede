"""Attempts and alerts as lines of a terminal: columns that fit its width, and nothing that could steer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alerts import AlertInstance
from replay.report import dollars, filled
from replay.tail.watch import Attempt
from runtime.text import cut, printable, width_of
from spec import Spec, names

_GAP: Final = "  "
_UNKNOWN: Final = "-"
_KEY: Final = "key:"
_KEY_SHOWN: Final = 17  # characters of a key that has no alias
_COLORS: Final[Mapping[str, str]] = {
    "critical": "1;37;41",
    "high": "1;31",
    "medium": "33",
    "low": "36",
    "failed": "31",
    "blocked": "33",
    "detected": "35",
    "over": "32",
    "head": "2",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: from `least` to `most` characters wide. Where there is no room, the highest `rank` goes first."""

    title: str
    least: int
    most: int
    rank: int
    right: bool = False


COLUMNS: Final = (
    Column("time", 8, 8, 0),
    Column("outcome", 15, 19, 1),
    Column("tenant", 10, 16, 6),
    Column("account", 14, 18, 2),
    Column("model", 11, 22, 4),
    Column("operation", 9, 11, 9),
    Column("in", 6, 7, 5, right=True),
    Column("out", 6, 7, 5, right=True),
    Column("cost", 9, 9, 8, right=True),
    Column("took", 6, 7, 7, right=True),
    Column("guardrail", 9, 11, 3),
)
"""All columns but the last one, `detections`, which takes what is left."""
DETECTIONS: Final = Column("detections", 16, 24, 0)
"""Most names of rules fit into the greater width, so it has that before other columns have more than they need."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit, each with its width; the detections get what is left."""

    columns: tuple[tuple[Column, int], ...]

    @staticmethod
    def of(width: int) -> Layout:
        """The layout for a terminal of `width` characters; 0: there is none, so nothing is cut."""
        if not width:
            return Layout(tuple((column, column.most) for column in COLUMNS))
        columns = list(COLUMNS)

        def spare() -> int:
            taken = sum(column.least + len(_GAP) for column in columns)
            return width - taken - DETECTIONS.least

        while spare() < 0 and len(columns) > 1:
            last = max(column.rank for column in columns)
            columns = [column for column in columns if column.rank != last]
        left, sizes = max(spare() - (DETECTIONS.most - DETECTIONS.least), 0), [column.least for column in columns]
        for place in sorted(range(len(columns)), key=lambda place: -columns[place].rank):
            more = min(columns[place].most - sizes[place], left)
            sizes[place] += more
            left -= more
        return Layout(tuple(zip(columns, sizes, strict=True)))


class Lines:
    """Makes lines. A `width` is in characters; 0: there is no terminal, so nothing is cut."""

    def __init__(self, spec: Spec, *, color: bool) -> None:
        self._spec = spec
        self._color = color
        self._day = ""
        self._layout = Layout.of(0)
        self._width = -1

    def attempt(self, attempt: Attempt, width: int) -> Iterator[str]:
        """One line; a heading before the first one, after a change of the width and at the start of a day."""
        yield from self._heading(attempt.time, width)
        cells = _cells(attempt)
        rules = " ".join(dict.fromkeys(detection.rule for detection in attempt.detections))
        look = next((kind for kind in ("blocked", "failed") if kind in kind_of(attempt)), "")
        parts = [
            (
                _fitted(cells[column.title], size, right=column.right, limited=bool(width)),
                look if column.title == "outcome" else "",
            )
            for column, size in self._layout.columns
        ]
        yield self._line([*parts, (printable(rules), "detected")], width)

    def _heading(self, time: float, width: int) -> Iterator[str]:
        day = f"{_utc(time):%Y-%m-%d} UTC"
        if (day, width) == (self._day, self._width):
            return
        self._day, self._width, self._layout = day, width, Layout.of(width)
        yield self._line([(day, "head")], width)
        titles = [_fitted(column.title, size, right=column.right) for column, size in self._layout.columns]
        yield self._line([(title, "head") for title in [*titles, DETECTIONS.title]], width)

    def alert(self, instance: AlertInstance, width: int) -> Iterator[str]:
        """An alert that began, or that is over."""
        rule, severity = instance.rule, instance.rule.alert.severity
        labels = [(f"{name}={printable(value)}", "") for name, value in instance.labels.items()]
        if instance.resolved_at is not None:
            time = f"{_utc(instance.resolved_at):%H:%M:%S}"
            yield self._line([(time, ""), ("OVER", "over"), (rule.name, ""), *labels], width)
            return
        time, word = f"{_utc(instance.fired_at):%H:%M:%S}", f"ALERT {severity}"
        yield self._line([(time, ""), (word, severity), (rule.name, ""), *labels], width)
        notified = f"; to {', '.join(rule.channels) or 'nobody'}"
        page = self._spec.settings.runbook_base_url + names.runbook_page(rule.name)
        for text in (filled(rule.alert.summary, instance) + notified, page):
            yield self._line([(" " * 8, ""), (text, "")], width)

    def _line(self, parts: Sequence[tuple[str, str]], width: int) -> str:
        """Texts side by side, each in its look; what is beyond the width is left out."""
        out, left = [], width
        for text, look in parts:
            if width:
                if left <= 0:
                    break
                text = cut(text, left)
                left -= width_of(text) + len(_GAP)
            out.append(f"\x1b[{_COLORS[look]}m{text}\x1b[0m" if self._color and look and text.strip() else text)
        return _GAP.join(out).rstrip()


def _cells(attempt: Attempt) -> dict[str, str]:
    words, numbers = attempt.words, attempt.numbers
    verdict = words["verdict"]
    return {
        "time": f"{_utc(attempt.time):%H:%M:%S}",
        "outcome": outcome_of(attempt),
        "tenant": words["tenant"] or _UNKNOWN,
        "account": _account(attempt),
        "model": words["model"] or _UNKNOWN,
        "operation": words["operation"] or _UNKNOWN,
        "in": _count(numbers.get("input_tokens")),
        "out": _count(numbers.get("output_tokens")),
        "cost": _UNKNOWN if (cost := numbers.get("cost_usd")) is None else dollars(cost),
        "took": _seconds(numbers.get("duration")),
        "guardrail": _UNKNOWN if verdict in (None, "none") else str(verdict),
    }


def _account(attempt: Attempt) -> str:
    """What an account is called. Only a key: by its alias, as no table has room for a hash."""
    name = attempt.name or _UNKNOWN
    if not (name.startswith(_KEY) and name == attempt.words["actor"]):
        return name
    return str(attempt.describe().get("llm.key.alias") or cut(name, _KEY_SHOWN))


def kind_of(attempt: Attempt) -> frozenset[str]:
    """Which of ``blocked``, ``failed`` and ``detected`` an attempt is."""
    true = {
        "blocked": attempt.words["verdict"] == "block",
        "failed": attempt.words["outcome"] == "failure",
        "detected": bool(attempt.detections),
    }
    return frozenset(kind for kind, holds in true.items() if holds)


def outcome_of(attempt: Attempt) -> str:
    """What became of an attempt, in one word."""
    if attempt.words["outcome"] == "success":
        return "ok"
    error = attempt.words["error_class"]
    return "failed" if error in (None, "none", "other") else str(error)


def _fitted(text: str, size: int, *, right: bool, limited: bool = False) -> str:
    """The text at its side of a cell; one that is too long is cut where that is asked for."""
    text = cut(printable(text), size) if limited else printable(text)
    padding = " " * max(0, size - width_of(text))
    return padding + text if right else text + padding


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _count(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.0f}" if value < 1e6 else f"{value / 1e6:.1f}M" if value < 1e9 else f"{value:.1e}"


def _seconds(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.2f}s" if value < 10 else f"{value:.1f}s" if value < 1000 else f"{value:.0f}s"
