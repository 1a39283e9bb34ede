"""Example cases of alerts as unit tests of rules, for `promtool test rules`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from alerts import AlertRule
from alerts.cases import Case, Clock, Course, Feed, Member
from alerts.text import Firing, filled, text
from generators.prometheus.annotations import annotations_of
from generators.prometheus.promql import duration, selector
from spec import Spec

Test = dict[str, Any]
Checks = Mapping[str, Sequence[tuple[float, Sequence[Any]]]]
"""For each alert, times and what has to fire then."""
_JOB: Final = ("job", "tocsin")


def unit_test(spec: Spec, clock: Clock, case: Case) -> Test:
    """A case as a unit test."""
    checks = [(time, [expected_alert(spec, case.rule, member) for member in firing]) for time, firing in case.checks]
    return made(clock, case.name, inputs_of(case), {case.rule.name: checks})


def made(clock: Clock, name: str, inputs: list[dict[str, str]], checks: Checks) -> Test:
    """A unit test."""
    alerts = [
        {"eval_time": duration(time), "alertname": alert, "exp_alerts": list(expected)}
        for alert, times in checks.items()
        for time, expected in times
    ]
    return {"name": name, "interval": duration(clock.scrape), "input_series": inputs, "alert_rule_test": alerts}


def inputs_of(case: Case) -> list[dict[str, str]]:
    """The series of a case."""
    return [input_of(feed) for feed in case.feeds]


def input_of(feed: Feed) -> dict[str, str]:
    """A series of an instance."""
    identity = dict([_JOB, ("instance", feed.instance), *feed.labels.items(), *feed.series.matchers])
    return {"series": selector(feed.series.metric, identity.items()), "values": notation(feed.course)}


def notation(course: Course) -> str:
    """A course as promtool writes it: stretches in one word each, and the end of the series."""
    return " ".join([*_words(course), *(["stale"] if course.marked else [])])


def _words(course: Course) -> Iterator[str]:
    begun = False
    for stretch in course.stretches:
        more = stretch.count - 1
        if stretch.value is None:
            if not begun:
                yield f"_x{stretch.count}"
                continue
            yield "stale"
            if more:
                yield f"_x{more}"
            continue
        begun = True
        yield f"{stretch.value:.15g}" + (f"{stretch.slope:+.12g}x{more}" if more else "")


def expected_alert(spec: Spec, rule: AlertRule, member: Member) -> dict[str, Any]:
    """The alert of a member as promtool has to find it."""
    firing = Firing(member.labels, member.compared, member.answered, quantities=member.quantities)
    labels = {**member.labels, **rule.static_labels, "incident_key": text(filled(rule.incident_key), firing)}
    notes = {name: text(parts, firing) for name, parts in annotations_of(spec, rule).items()}
    return {"exp_labels": labels, "exp_annotations": notes}
