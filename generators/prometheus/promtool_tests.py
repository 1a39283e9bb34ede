"""Unit tests of the rules, for `promtool test rules`.

For every alert but those that are worked out at steps of their own, which take days, the example cases of its
technique. What is expected is worked out from the alert, not from its expression. The oldest instant of a range, which
belongs to it only before Prometheus 3, is kept clear of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from alerts import AlertRule, Series
from alerts.cases import INSTANCES, Case, Clock, steady
from generators.files import header
from generators.prometheus import rule_file
from generators.prometheus.promql import duration
from generators.prometheus.unit_tests import Test, expected_alert, input_of, inputs_of, made, unit_test
from generators.yaml_text import yaml_text
from spec import Spec

PATH: Final = "alert_rules/tocsin.tests.yaml"


def generate(spec: Spec) -> dict[str, str]:
    """The test file; it names the rule file beside it."""
    clock = Clock(float(spec.settings.scrape_interval), float(spec.settings.evaluation_interval))
    rules = [rule for rule in rule_file.alert_rules(spec) if not rule.criterion.steps]
    tests = [
        *_watchdog(spec, clock),
        *(unit_test(spec, clock, case) for rule in rules for case in rule.criterion.cases(rule, clock)),
        *chain.from_iterable(_latched(spec, clock, batch) for batch in _batches(rules, clock)),
    ]
    document = {
        "rule_files": [rule_file.PATH.rpartition("/")[2]],
        "evaluation_interval": duration(clock.evaluation),
        "tests": tests,
    }
    return {PATH: header() + yaml_text(document)}


def _watchdog(spec: Spec, clock: Clock) -> Iterator[Test]:
    always = {
        "exp_labels": rule_file.watchdog_labels(spec),
        "exp_annotations": rule_file.watchdog_annotations(spec),
    }
    needs_a_target = rule_file.heartbeat(spec) != "vector(1)"
    ups = [rule.series for rule in rule_file.alert_rules(spec) if rule.series.metric == "up"]
    inputs = [input_of(steady(series, {}, INSTANCES[0], 0.0, clock, clock.slack)) for series in ups[:1]]
    name = f"{rule_file.WATCHDOG} fires, even while the target is down"
    yield made(clock, name, inputs, {rule_file.WATCHDOG: [(clock.slack, [always])]})
    if needs_a_target:
        other = Series("up", (("job", "other"),), (), "max")
        inputs = [input_of(steady(other, {}, INSTANCES[0], 1.0, clock, clock.slack))]
        name = f"{rule_file.WATCHDOG} stops when there is no target"
        yield made(clock, name, inputs, {rule_file.WATCHDOG: [(clock.slack, [])]})


# ---------------------------------------------------------------------------------------------------------- latches
def _batches(rules: Sequence[AlertRule], clock: Clock) -> Iterator[list[Case]]:
    """The ends of long look-backs: those of equal length together, as long as they read different series."""
    batches: list[list[Case]] = []
    for case in filter(None, (rule.criterion.latch(rule, clock) for rule in rules)):
        for batch in batches:
            equal = batch[0].rule.lookback == case.rule.lookback
            if equal and all(other.rule.series != case.rule.series for other in batch):
                batch.append(case)
                break
        else:
            batches.append([case])
    yield from batches


def _latched(spec: Spec, clock: Clock, batch: Sequence[Case]) -> Iterator[Test]:
    inputs = list(chain.from_iterable(inputs_of(case) for case in batch))
    checks: dict[str, list[tuple[float, list[Any]]]] = {}
    for case in batch:
        for place, (time, members) in enumerate(case.checks):
            times = checks.setdefault(case.rule.name, [])
            if place == len(times):
                times.append((time, []))
            times[place][1].extend(expected_alert(spec, case.rule, member) for member in members)
    yield made(clock, f"latched for {duration(batch[0].rule.lookback)}, then over", inputs, checks)
