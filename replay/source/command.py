"""The command: what a log is, what of it can be used, and what to change, for a person or a program."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from alerts.blind import Blind, blind_alerts, blind_signals, ungrouped
from events.fields import BY_COLUMN, FIELDS
from events.gateways.timestamps import rfc3339
from replay.source.check import Reading, odd_times, readings
from runtime.text import printable
from spec import Spec, load_spec

_WIDEST: Final = 110
_BAR: Final = 10
_MOST_DETAILS: Final = 3
_RIVAL: Final = 0.05
"""The fit from which on another gateway is worth mentioning."""


def run(path: Path, *, name: str | None, mapping: Path | None, form: Literal["text", "json"]) -> int:
    """Check and print; the exit status: 0 something was read, 1 nothing was.

    Raises:
        TocsinError: the log, the gateway or the mapping cannot be used.
    """
    spec = load_spec()
    found = readings(path, name=name, mapping=mapping)
    best = found[0]
    if form == "json":
        print(json.dumps(as_data(path, spec, found), indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDEST
        for line in as_lines(path, spec, found, tried=not (name or mapping)):
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            print(textwrap.fill(line, max(width, 60), subsequent_indent=indent, break_on_hyphens=False) or "")
    return 0 if best.coverage.records else 1


def as_data(path: Path, spec: Spec, found: list[Reading]) -> dict[str, Any]:
    """The findings as plain data; shares go from 0 to 1."""
    best = found[0]
    read = best.coverage
    blind = blind_signals(spec, read) if read.records else []
    alerts = blind_alerts(spec, blind)
    return {
        "file": str(path),
        "gateway": best.gateway if read.records else None,
        "tried": [
            {
                "gateway": each.gateway,
                "attempts": each.coverage.records,
                "lines": each.coverage.lines,
                "fit": round(each.fit, 3),
            }
            for each in found
        ],
        "attempts": read.records,
        "other_lines": read.others,
        "rejected": dict(read.rejects),
        "first": rfc3339(read.first) if read.records else None,
        "last": rfc3339(read.last) if read.records else None,
        "times_look_wrong": odd_times(read),
        "cut": best.cut,
        "fields": [
            {
                "field": each.column,
                "mapped": each.column in read.mapped,
                "share": round(read.share(each.column), 4),
            }
            for each in FIELDS
        ],
        "left_out": dict(best.left_out),
        "signals_that_never_work": [
            {"signal": each.signal, "reason": each.reason, "fields": each.fields} for each in blind
        ],
        "alerts_that_never_fire": [{"alert": alert, "signal": signal} for alert, signal in alerts.items()],
        "signals_without_groups": ungrouped(spec, read) if read.records else {},
        "changes": [{"field": column, "advice": advice} for column, advice, _alerts in _changes(spec, best, blind)],
    }


def as_lines(path: Path, spec: Spec, found: list[Reading], *, tried: bool) -> Iterator[str]:
    """The findings in lines, which may be longer than a screen is wide."""
    best = found[0]
    read = best.coverage
    if not read.records:
        yield from _nothing_read(path, found, tried=tried)
        return
    yield f"{printable(str(path))}: {best.gateway}, {read.records} of {read.lines} lines read{_besides(best)}"
    yield f"Times: {rfc3339(read.first)[:19]}Z to {rfc3339(read.last)[:19]}Z"
    if odd_times(read):
        yield "These times look wrong. Check `format` of `start` and `end`: unix_s, unix_ms, unix_us or unix_ns?"
    if read.rejects:
        yield "Not read: " + ", ".join(f"{count} {reason}" for reason, count in read.rejects.most_common())
        for detail, count in best.details.most_common(_MOST_DETAILS):
            yield f"    {count} x {printable(detail)}"
    if tried and (rivals := [each for each in found[1:] if each.fit >= _RIVAL]):
        names = ", ".join(f"{each.gateway} ({each.fit:.0%})" for each in rivals)
        yield f"Others that fit, but less ({best.fit:.0%}): {names}. To choose one: --gateway NAME"
    yield ""
    yield "Fields"
    for each in FIELDS:
        share = read.share(each.column)
        bar = "#" * round(share * _BAR)
        yield f"  {each.title:<20} {_percent(share):>5}  {bar:<{_BAR}} {_note(best, each.column)}".rstrip()
    if best.left_out:
        values = ", ".join(f"{name} ({count})" for name, count in best.left_out.most_common())
        yield f"Values of a wrong type or an impossible size were left out: {printable(values)}"
    yield ""
    yield from _consequences(spec, best)


def _besides(best: Reading) -> str:
    read = best.coverage
    others = f", {read.others} other lines left out by `only`" if read.others else ""
    return others + (" (the beginning of the file)" if best.cut else "")


def _nothing_read(path: Path, found: list[Reading], *, tried: bool) -> Iterator[str]:
    yield f"{printable(str(path))}: no line could be read{' by any gateway' if tried else ''}"
    for reading in found:
        why = ", ".join(f"{count} {detail}" for detail, count in reading.details.most_common(_MOST_DETAILS))
        if not why:
            why = (
                f"{reading.coverage.others} lines, none of them an attempt"
                if reading.coverage.others
                else "the file has no line"
            )
        yield f"  {reading.gateway}: {printable(why)}"
    yield "Is it the log of a gateway of your own? Write a mapping (docs/gateways/generic.md) and add --mapping FILE."


def _percent(share: float) -> str:
    return "-" if not share else (f"{share:.0%}" if share >= 0.01 else "<1%")


def _note(best: Reading, column: str) -> str:
    read = best.coverage
    if column not in read.mapped:
        return "not in the mapping" if best.by_mapping else "not in this log"
    if column in best.seen and read.share(column):
        words = [f"{word} {count}" for word, count in best.seen[column].most_common(4)]
        return ", ".join(words)
    return "" if read.share(column) else "in no line of this sample"


def _consequences(spec: Spec, best: Reading) -> Iterator[str]:
    read = best.coverage
    blind = blind_signals(spec, read)
    alerts = blind_alerts(spec, blind)
    for column, names in ungrouped(spec, read).items():
        title = BY_COLUMN[column].title
        yield f"Without {title}, these signals count all requests as one {title} `unknown`: {', '.join(names)}"
    if not blind:
        yield "Every signal and alert can work with this log."
        return
    yield f"Alerts that can never fire on this log: {len(alerts)} of {len(spec.alerts)}"
    reasons = {each.signal: each.reason for each in blind}
    by_reason: dict[str, list[str]] = {}
    for alert, signal in alerts.items():
        by_reason.setdefault(reasons[signal], []).append(alert)
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        yield f"  {reason}: {', '.join(sorted(names))}"
    feeding = set(alerts.values())
    if rest := [each for each in blind if each.signal not in feeding]:
        yield "Signals without an alert of their own that stay empty: " + ", ".join(each.signal for each in rest)
    changes = list(_changes(spec, best, blind))
    if changes:
        yield ""
        yield "What to change, most useful first"
    for column, advice, count in changes:
        unseen = column in read.mapped and best.by_mapping and not read.share(column)
        where = " (the mapping has a path, and no line had a value there)" if unseen else ""
        yield f"  {BY_COLUMN[column].title}: {advice}{where}. {count} alert{' needs' if count == 1 else 's need'} it."


def _changes(spec: Spec, best: Reading, blind: list[Blind]) -> Iterator[tuple[str, str, int]]:
    """Field, what to do, and in how many alerts it is missing."""
    alerts = blind_alerts(spec, blind)
    missing = {each.signal: each.fields for each in blind}
    counts: dict[str, int] = {}
    for signal in alerts.values():
        for column in missing[signal]:
            counts[column] = counts.get(column, 0) + 1
    for column, count in sorted(counts.items(), key=lambda item: -item[1]):
        yield column, BY_COLUMN[column].advice, count
