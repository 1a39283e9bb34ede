"""What a replay found: as text for a person, as JSON for a program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from alerts import AlertInstance, AlertRule
from alerts.incidents import storm_of
from alerts.wording import readable
from events.gateways.timestamps import rfc3339
from replay import coverage
from replay.run import Outcome
from runtime.text import printable, wrapped
from spec import Spec, names

COLORS: Final = {"critical": "1;37;41", "high": "1;31", "medium": "33", "low": "36"}
LEAST_WIDTH: Final = 60
_INDENT: Final = "    "


def as_data(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain data; times are RFC 3339 in UTC."""
    return {
        **({"quarantined": len(outcome.faults)} if outcome.faults else {}),
        "events": outcome.events,
        "rejected": outcome.rejected,
        "blocked": outcome.blocked,
        "alerts": [
            {
                "alert": instance.rule.name,
                "severity": instance.rule.alert.severity,
                "labels": instance.labels,
                "fired_at": rfc3339(instance.fired_at),
                "resolved_at": None if instance.resolved_at is None else rfc3339(instance.resolved_at),
            }
            for instance in outcome.instances
        ],
        "coverage": coverage.as_data(outcome.covered),
    }


def as_json(outcome: Outcome) -> str:
    """The outcome as JSON text."""
    return json.dumps(as_data(outcome), indent=2)


def as_text(outcome: Outcome, spec: Spec, *, width: int = 0, color: bool = False) -> str:
    """A timeline of what fired, a table of it, and what was looked at. `width` in characters, 0: as wide as it gets."""
    return "\n".join(_text(outcome, spec, max(width, LEAST_WIDTH) if width else 0, color))


def _text(outcome: Outcome, spec: Spec, width: int, color: bool) -> Iterator[str]:
    counts = f"{outcome.events:,} attempts, {outcome.blocked:,} blocked, {coverage.records(outcome.rejected)} rejected"
    span = "" if outcome.start is None or outcome.end is None else f"; {_at(outcome.start)} to {_at(outcome.end)}"
    yield from wrapped(counts + span, width)
    if outcome.faults:
        first = outcome.faults[0]
        what = f"{len(outcome.faults):,} faults while reading, first in step {first.step} with {first.error}"
        yield from wrapped(f"{what} at {first.place}. Such records are left out; please report this.", width)
    if outcome.instances:
        yield ""
        for instance in outcome.instances:
            yield from _entry(instance, outcome.instances, spec, width, color)
        yield ""
        yield from _table(outcome.instances, width)
    else:
        yield from wrapped(coverage.silence(outcome.covered, "No alert fires"), width)
    yield ""
    yield from coverage.lines(outcome.covered, width=width, color=color)


def _entry(
    instance: AlertInstance, instances: Sequence[AlertInstance], spec: Spec, width: int, color: bool
) -> Iterator[str]:
    rule = instance.rule
    severity = rule.alert.severity
    word = f"\x1b[{COLORS[severity]}m{severity}\x1b[0m" if color else severity
    who = "".join(f"  {label}={printable(value)}" for label, value in instance.labels.items())
    head = f"{_at(instance.fired_at)}  {severity:<8}  {rule.name}"
    fits = not width or len(head) + len(who) <= width
    yield head.replace(severity, word, 1) + (who if fits else "")
    if not fits:
        yield from wrapped(who.strip(), width, _INDENT)
    yield from wrapped(filled(rule.alert.summary, instance), width, _INDENT)
    end = "still firing at the end" if instance.resolved_at is None else f"until {_at(instance.resolved_at)}"
    facts = [f"worst value {readable(instance.value)}, alert at {condition(rule)}"]
    facts += [_answered(instance)] if instance.answered is not None else []
    yield from wrapped("; ".join([*facts, f"to {_notified(instance, instances)}", end]), width, _INDENT)
    yield f"{_INDENT}{spec.settings.runbook_base_url}{names.runbook_page(rule.name)}"


def condition(rule: AlertRule) -> str:
    """What a rule compares with, for a person: ``>= 3``."""
    besides = rule.criterion.besides
    return f"{rule.op} {readable(rule.value)}" + (f" and {besides}" if besides else "")


def _answered(instance: AlertInstance) -> str:
    if not instance.answered:
        return "none answered by the model: blocked, refused or failed"
    return f"up to {readable(instance.answered)} answered by the model"


def _notified(instance: AlertInstance, instances: Sequence[AlertInstance]) -> str:
    """Who is notified first. While a storm is up, it speaks for the single alerts of its kind."""
    if storm_of(instance, instances) is not None:
        return f"nobody: {names.STORM} covers it"
    return ", ".join(instance.rule.channels) or "nobody"


def _table(instances: Sequence[AlertInstance], width: int) -> Iterator[str]:
    rows = [("alert", "severity", "times", "first", "last", "notified")]
    kinds: dict[tuple[str, str], list[AlertInstance]] = {}
    for instance in instances:
        kinds.setdefault((instance.rule.name, instance.rule.family), []).append(instance)
    for (name, family), members in sorted(kinds.items(), key=lambda kind: _rank(kind[1][0])):
        rule, times = members[0].rule, [member.fired_at for member in members]
        shown = name if name == family else f"{name} ({family})"
        first, last = _at(min(times)), _at(max(times))
        rows.append((shown, rule.alert.severity, str(len(members)), first, last, ", ".join(rule.channels)))
    sizes = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    roomy = not width or sum(sizes) + 2 * (len(sizes) - 1) <= width
    for row in rows if roomy else rows[1:]:
        cells = [f"{row[place]:>{size}}" if place == 2 else f"{row[place]:<{size}}" for place, size in enumerate(sizes)]
        if roomy:
            yield "  ".join(cells).rstrip()
        else:
            yield "  ".join(cells[:3])
            yield from wrapped(f"{row[3]} to {row[4]}; to {row[5]}", width, _INDENT)


def _rank(instance: AlertInstance) -> tuple[int, float]:
    severities = list(COLORS)
    return severities.index(instance.rule.alert.severity), instance.fired_at


def filled(pattern: str, instance: AlertInstance) -> str:
    """A summary with its labels filled in, in one pass: a label that looks like a placeholder is none."""
    return re.sub(r"\{([^{}]*)\}", lambda match: printable(instance.labels.get(match[1], "")), pattern)


def dollars(value: float) -> str:
    """An amount of money as a person writes it: ``$0.000054``, ``$1.2500``, ``$310.00``."""
    if 0 < value < 0.01:
        return f"${value:.6f}"
    return f"${value:.4f}" if value < 10 else f"${value:.2f}" if value < 1e5 else f"${value:.1e}"


def _at(seconds: float) -> str:
    """Whole seconds: ``2026-11-23T08:27:05Z``."""
    return f"{rfc3339(seconds)[:19]}Z"
