"""What a backend cannot express is said when the spec is checked, unless the alert skips it with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from alerts import AlertRule
from alerts.alert_ir import compile_alerts
from alerts.backends import CannotExpressError
from alerts.checks.backends import AlertsCompile
from alerts.expression import OverTime, Quantity, Scaled, Share, walk
from alerts.techniques.ratio.model import Ratio
from alerts.text import Parts
from generators.backends import BACKENDS
from generators.prometheus.annotations import annotations_of, template
from generators.prometheus.promql import value
from spec import Spec, load_spec
from spec.errors import dotted


class Plain:
    """A backend without division."""

    name: ClassVar[str] = "plain"

    def compile(self, rule: AlertRule) -> str:
        """Nothing but a name."""
        if any(isinstance(node, Share) for node in walk(rule.expression)):
            raise CannotExpressError("a share")
        return rule.name

    def annotation(self, rule: AlertRule, parts: Parts) -> str:
        """Nothing."""
        return ""


def overlaid(folder: Path, skip: str) -> Spec:
    (folder / "own.yaml").write_text(f"alerts: {{LLMProviderFailing: {{skip: {skip}}}}}")
    return load_spec(folder / "own.yaml")


def divided(spec: Spec) -> set[str]:
    return {f"alerts.{name}" for name, alert in spec.alerts.items() if isinstance(alert.when, Ratio)}


def said(spec: Spec) -> list[tuple[str, str]]:
    return [(dotted(issue.path), issue.text) for issue in AlertsCompile((*BACKENDS, Plain())).check(spec)]


def test_an_alert_that_a_backend_cannot_express_is_named() -> None:
    found = dict(said(load_spec()))
    assert set(found) == divided(load_spec())
    assert found["alerts.LLMProviderFailing"].startswith("plain cannot express it: a share.")


def test_it_may_be_skipped_with_a_reason(tmp_path: Path) -> None:
    found = {path for path, _ in said(overlaid(tmp_path, "{plain: it cannot divide}"))}
    assert found == divided(load_spec()) - {"alerts.LLMProviderFailing"} != set()


@pytest.mark.parametrize(
    ("skip", "words"),
    [("{plain: ' '}", "found no reason, expected why"), ("{promtheus: it rests}", "found 'promtheus', expected a b")],
)
def test_a_skip_without_a_reason_or_of_nobody_is_refused(tmp_path: Path, skip: str, words: str) -> None:
    assert any(path.startswith("alerts.LLMProviderFailing.skip.") and text.startswith(words)
               for path, text in said(overlaid(tmp_path, skip)))  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_every_shipped_alert_and_every_text_of_it_compiles(backend: object) -> None:
    spec = load_spec()
    (known,) = (one for one in BACKENDS if one is backend)
    for rule in compile_alerts(spec):
        assert known.compile(rule)
        assert all(known.annotation(rule, parts) for parts in annotations_of(spec, rule).values())


def test_prometheus_says_what_it_cannot_express() -> None:
    """A statistic of what is recorded seldom or not at all would be one of other samples than are meant."""
    rule = compile_alerts(load_spec())[0]
    seldom = Quantity("rare", rule.series, 300.0)
    for vector in (OverTime("mean", seldom, 600.0), OverTime("mean", Scaled(2.0, rule.series), 600.0)):
        with pytest.raises(CannotExpressError, match="mean over time"):
            value(rule, vector)
    assert value(rule, OverTime("mean", rule.series, 600.0))


def test_a_part_that_nobody_knows_is_refused() -> None:
    class Odd:
        def text(self, firing: object) -> str:
            return "odd"

    with pytest.raises(CannotExpressError, match="a Odd in an annotation"):
        template((Odd(),))
