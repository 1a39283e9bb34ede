"""The catalogue has every metric once, and names follow the conventions."""

from __future__ import annotations

import pytest

from alerts import compile_alerts
from spec import MetricInfo, catalogue, load_spec, names
from spec.model import Spec


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


def test_one_of_each_kind(shipped: Spec) -> None:
    metrics = {metric.name: metric for metric in catalogue(shipped)}
    assert metrics["llm_cost_usd_total"] == MetricInfo(
        name="llm_cost_usd_total",
        type="counter",
        help="Cost in US dollars as computed by the gateway.",
        labels=("gateway", "tenant", "model"),
        unit="usd",
        category="volumetric",
        layer="application",
        source="family",
    )
    assert metrics["llm_jailbreak_hits"] == MetricInfo(
        name="llm_jailbreak_hits",
        type="gauge",
        help="Jailbreak attempts in prompts. Over the last 10m.",
        labels=("actor", "tenant"),
        unit="",
        category="content",
        layer="model",
        source="signal",
    )
    assert metrics["llm_jailbreak_hits_answered"].source == "answered"
    assert metrics["llm_jailbreak_hits_answered"].labels == ("actor", "tenant")
    assert metrics["llm_refused_keys"].labels == ("source_range", "trusted")
    assert metrics["llm_violating_actors"].labels == ()
    assert metrics["llm_violating_groups"].source == "health"
    assert metrics["tocsin_feed_lag_seconds"].unit == "seconds"
    assert metrics["up"].source == "external"
    assert "llm_feed_lag" not in metrics
    assert "llm_spend_by_actor_answered" not in metrics


def test_histograms_expand_to_their_series(shipped: Spec) -> None:
    metrics = {metric.name: metric for metric in catalogue(shipped, expand_histograms=True)}
    assert "llm_request_duration_seconds" not in metrics
    assert metrics["llm_request_duration_seconds_bucket"].labels == ("gateway", "model", "provider", "le")
    assert metrics["llm_request_duration_seconds_sum"].labels == ("gateway", "model", "provider")
    assert metrics["llm_request_duration_seconds_count"].type == "counter"
    histograms = [metric for metric in catalogue(shipped) if metric.type == "histogram"]
    assert len(metrics) == len(catalogue(shipped)) + 2 * len(histograms)


def test_every_series_of_an_alert_is_in_the_catalogue(shipped: Spec) -> None:
    metrics = {metric.name: metric for metric in catalogue(shipped)}
    for rule in compile_alerts(shipped):
        for series in (read.series for read in rule.criterion.readings):
            assert set(series.labels) | {label for label, _ in series.matchers} <= set(metrics[series.metric].labels)
        assert not rule.answered or metrics[rule.answered].labels == rule.labels


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("LLMPromptInjectionRepeated", "llm_prompt_injection_repeated"),
        ("TocsinDown", "tocsin_down"),
        ("LLMAlertStorm", "llm_alert_storm"),
        ("up", "up"),
        ("job_a-b", "job_a_b"),
    ],
)
def test_snake_case(name: str, snake: str) -> None:
    assert names.snake_case(name) == snake


@pytest.mark.parametrize("name", ["LLMSpendBurst", "TocsinDown", "LLMOwasp10"])
def test_alert_names(name: str) -> None:
    assert names.ALERT.fullmatch(name)


@pytest.mark.parametrize("name", ["LLM", "Tocsin", "llmSpend", "LLMspend", "SpendBurst", "LLM_Spend", "LLMÉtat"])
def test_no_alert_names(name: str) -> None:
    assert not names.ALERT.fullmatch(name)


def test_keys_and_pages() -> None:
    assert names.incident_key("data_leakage", "actor") == "data_leakage/{actor}"
    assert names.incident_key("campaign", "") == "campaign"
    assert names.runbook_page("LLMSpendBurst") == "LLMSpendBurst.md"
