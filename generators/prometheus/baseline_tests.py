"""Unit tests of alerts that are worked out at steps of their own, for `promtool test rules`.

In a file of their own, with a sample and an evaluation at each step: they take a day of its time.
"""

from __future__ import annotations

from typing import Final

import yaml

from alerts.cases import Clock
from generators.files import header
from generators.prometheus import rule_file
from generators.prometheus.promql import duration
from generators.prometheus.unit_tests import unit_test
from generators.yaml_text import yaml_text
from spec import Spec

PATH: Final = "alert_rules/tocsin-baseline.tests.yaml"


def generate(spec: Spec) -> dict[str, str]:
    """The test file; it names the rule file beside it. Without such alerts there is one too, which tests nothing."""
    step = float(spec.settings.baseline_step)
    clock = Clock(step, step)
    rules = [rule for rule in rule_file.alert_rules(spec) if rule.criterion.steps]
    text = rule_file.generate(spec)[rule_file.PATH]
    document = {
        "rule_files": [rule_file.PATH.rpartition("/")[2]],
        "evaluation_interval": duration(step),
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": [unit_test(spec, clock, case) for rule in rules for case in rule.criterion.cases(rule, clock)],
    }
    return {PATH: header() + yaml_text(document)}
