"""The shipped spec, overlays over it, and what is said about mistakes in them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from alerts.checks import run_checks
from alerts.techniques import TECHNIQUES
from alerts.techniques.ratio.model import Ratio
from alerts.techniques.threshold.model import Threshold
from spec import load_spec
from spec.duration import Duration
from spec.errors import DanglingReferenceError, ShapeError, SpecError
from spec.load import FOLDER, load_with_places
from spec.yaml_source import read_document

TODAY = datetime.date(2026, 11, 24)


def overlay(folder: Path, text: str, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def message(path: Path, error: type[SpecError] = ShapeError) -> list[str]:
    with pytest.raises(error) as caught:
        load_spec(path)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


# ---------------------------------------------------------------------------------------------------- as shipped
def test_the_shipped_spec_loads_and_keeps_to_every_check() -> None:
    loaded = load_with_places()
    issues = run_checks(loaded.spec, today=TODAY, places=loaded.places)
    assert {issue.check for issue in issues} == {"TOC047"}  # placeholders, which `check` is to name


def test_no_entry_is_in_two_shipped_files() -> None:
    entries = [
        (table, name)
        for path in FOLDER.glob("*.yaml")
        for table, content in read_document(path).data.items()
        for name in content
    ]
    assert len(entries) == len(set(entries)) > 150


def test_every_entry_has_a_place() -> None:
    places = load_with_places().places
    place = places["alerts", "LLMCanaryLeaked", "when", "signal"]
    assert place.file == "spec/alerts.yaml"
    assert "canary_hits" in (FOLDER / "alerts.yaml").read_text().splitlines()[place.line - 1]


# ---------------------------------------------------------------------------------------------------- overlays
def test_an_overlay_tunes_by_name(tmp_path: Path) -> None:
    spec = load_spec(overlay(tmp_path, "alerts: {LLMSpendBurst: {when: {value: 200}, maturity: incubating}}"))
    alert = spec.alerts["LLMSpendBurst"]
    assert alert.when == Threshold(signal="spend_by_actor", value=200)
    assert alert.maturity == "incubating"
    assert alert.meaning == load_spec().alerts["LLMSpendBurst"].meaning


def test_an_overlay_disables(tmp_path: Path) -> None:
    spec = load_spec(
        overlay(
            tmp_path,
            "alerts: {LLMValidationErrors: {enabled: false}}\n"
            "signals: {validation_errors: {enabled: false}, burst_requests: {enabled: true}}\n"
            "families: {llm_requests_offhours_total: {enabled: false}}\n",
        )
    )
    assert not spec.alerts["LLMValidationErrors"].enabled
    assert "validation_errors" not in spec.signals
    assert "burst_requests" in spec.signals
    assert "llm_requests_offhours_total" not in spec.families


def test_an_overlay_adds(tmp_path: Path) -> None:
    text = """
signals:
  embeddings_by_actor:
    {help: Embeddings., category: volumetric, layer: model, anomaly: input, where: {operation: [embeddings]},
     by: actor, window: 1h}
alerts:
  LLMEmbeddingsDrain:
    severity: low
    owner: security
    incident: model_extraction
    when: {technique: threshold, signal: embeddings_by_actor, value: 5000}
    summary: "{actor} embeds"
    meaning: m
    impact: i
    why: w
    triage: [here]
    false_positives: [there]
"""
    spec = load_spec(overlay(tmp_path, text))
    assert spec.alerts["LLMEmbeddingsDrain"].when == Threshold(signal="embeddings_by_actor", value=5000)
    assert float(spec.signals["embeddings_by_actor"].window) == 3600
    assert {issue.check for issue in run_checks(spec, today=TODAY)} == {"TOC047"}  # the placeholders that are shipped


def test_another_technique_replaces_the_condition(tmp_path: Path) -> None:
    when = (
        "{technique: ratio, numerator: slow_first_chunk, denominator: attempts_by_model, min_denominator: 5, value: 1}"
    )
    spec = load_spec(overlay(tmp_path, f"alerts: {{LLMRequestFlood: {{when: {when}}}}}"))
    assert isinstance(spec.alerts["LLMRequestFlood"].when, Ratio)


def test_later_overlays_win_and_folders_are_read_in_order(tmp_path: Path) -> None:
    overlay(tmp_path, "settings: {page_budget_per_shift: 3, max_series: 30000}", "1.yaml")
    overlay(tmp_path, "settings: {page_budget_per_shift: 4}", "2.yaml")
    (tmp_path / "late").mkdir()
    late = overlay(tmp_path / "late", "settings: {page_budget_per_shift: 5}")
    assert load_spec(tmp_path).settings.page_budget_per_shift == 4
    settings = load_spec(tmp_path, late).settings
    assert (settings.page_budget_per_shift, settings.max_series) == (5, 30_000)


def test_an_empty_folder_is_no_overlay(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no \*\.yaml file in this folder"):
        load_spec(tmp_path)


# ---------------------------------------------------------------------------------------------------- time scale
def test_time_scale_divides_every_duration_but_not_thresholds(tmp_path: Path) -> None:
    spec, slow = load_spec(overlay(tmp_path, "settings: {time_scale: 60}")), load_spec()
    assert str(spec.settings.scrape_interval) == "250ms"
    assert float(spec.signals["jailbreak_hits"].window) == 10
    assert float(spec.escalations["security-critical"].tiers[1].after) == 5
    assert spec.severities["critical"].sla.contain == Duration(30)
    assert spec.severities["low"].sla.contain is None
    assert float(spec.alerts["LLMProviderFailing"].for_) == 2
    assert spec.alerts["LLMProviderFailing"].when == slow.alerts["LLMProviderFailing"].when
    assert spec.signals["slow_attempts"].at_least == {"duration": 30}
    assert spec.metadata.review_every == slow.metadata.review_every


def test_time_scale_has_to_be_above_zero(tmp_path: Path) -> None:
    path = overlay(tmp_path, "settings: {time_scale: 0}")
    assert message(path) == ["own.yaml:1:12: settings.time_scale: found the number 0, expected more than 0"]


# ---------------------------------------------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alert: {}",
         "own.yaml:1:1: alert: unknown key 'alert', expected one of metadata, settings, fields, families, health,"
         " external, signals, alerts, severities, channels, escalations, calendars, incidents,"
         " gateways"
          " (did you mean 'alerts'?)"),
        ("alerts:\n  LLMSpendBurst:\n    sevrity: low",
         "own.yaml:3:5: alerts.LLMSpendBurst.sevrity: unknown key 'sevrity', expected one of severity, owner, incident,"
         " when, summary, meaning, impact, why, triage, false_positives, maturity, confidence, one_shot, for,"
        " keep_firing_for, enabled,"
         " fold, atlas, attack, owasp, skip (did you mean 'severity'?)"),
        ("alerts: {LLMSpendBurst: {severity: hihg}}",
         "own.yaml:1:26: alerts.LLMSpendBurst.severity: found 'hihg', expected one of critical, high, low, medium"
         " (did you mean 'high'?)"),
        ("alerts: {LLMSpendBurst: {severity: High}}",
         "own.yaml:1:26: alerts.LLMSpendBurst.severity: found 'High', expected one of critical, high, low, medium"
         " (did you mean 'high'?)"),
        ("alerts: {LLMSpendBurst: {for: 5 minutes}}",
         "own.yaml:1:26: alerts.LLMSpendBurst.for: expected a duration such as 30s, 5m or 1h30m, found '5 minutes'"),
        ("alerts: {LLMSpendBurst: {when: {value: lots}}}",
         "own.yaml:1:33: alerts.LLMSpendBurst.when.value: found 'lots', expected a number"),
        ("alerts: {LLMSpendBurst: {when: {technique: treshold}}}",
         "own.yaml:1:33: alerts.LLMSpendBurst.when.technique: found 'treshold', expected one of "
         f"{', '.join(sorted(TECHNIQUES))} (did you mean 'threshold'?)"),
        ("alerts: {LLMSpendBurst: {when: {valeu: 3}}}",
         "own.yaml:1:33: alerts.LLMSpendBurst.when.valeu: unknown key 'valeu', expected one of technique, signal, op,"
         " value (did you mean 'value'?)"),
        ("alerts: {LLMSpendBurst: {triage: everywhere}}",
         "own.yaml:1:26: alerts.LLMSpendBurst.triage: found 'everywhere', expected a list"),
        ("alerts: {LLMSpendBurst: 200}",
         "own.yaml:1:10: alerts.LLMSpendBurst: found the number 200, expected a map"),
        ("alerts: {LLMSpendBrust: {enabled: false}}",
         "own.yaml:1:10: alerts.LLMSpendBrust: found nothing to disable, expected the name of an entry"
         " (did you mean 'LLMSpendBurst'?)"),
        ("channels: {pager-securty: {enabled: false}}",
         "own.yaml:1:12: channels.pager-securty: found nothing to disable, expected the name of an entry"
         " (did you mean 'pager-security'?)"),
        ("severities: {hgih: {order: 5}}",
         "own.yaml:1:14: severities.hgih: found 'hgih', expected one of critical, high, low, medium"
         " (did you mean 'high'?)"),
        ("metadata: {owasp_llm: 2025}",
         "own.yaml:1:12: metadata.owasp_llm: found the number 2025, expected text; put it in quotes"),
    ],
)  # fmt: skip
def test_mistakes_of_shape_are_named_with_place_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    assert message(overlay(tmp_path, text))[0] == expected


def test_a_misspelt_entry_is_told_apart_from_a_new_one(tmp_path: Path) -> None:
    found = message(overlay(tmp_path, "channels:\n  pager-securty: {pages: true}\n"))
    assert found == ["own.yaml:2:3: channels.pager-securty: key 'type' is missing (did you mean 'pager-security'?)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alerts: {LLMSpendBurst: {when: {signal: spend_by_acter}}}",
         "own.yaml:1:33: alerts.LLMSpendBurst.when.signal: found 'spend_by_acter', expected the name of a signal"
         " (did you mean 'spend_by_actor'?)"),
        ("alerts: {LLMSpendBurst: {incident: budget_abuze}}",
         "own.yaml:1:26: alerts.LLMSpendBurst.incident: found 'budget_abuze', expected the name of an incident"
         " (did you mean 'budget_abuse'?)"),
        ("settings: {offhours_calendar: busines}",
         "own.yaml:1:12: settings.offhours_calendar: found 'busines', expected the name of a calendar"
         " (did you mean 'business'?)"),
        ("escalations: {security-low: {tiers: [{after: 0m, notify: [tickts]}]}}",
         "own.yaml:1:59: escalations.security-low.tiers[0].notify[0]: found 'tickts', expected the name of a channel"
         " (did you mean 'tickets'?)"),
        ("escalations: {security-low: {tiers: [{after: 0m, notify: [tickets], during: nights}]}}",
         "own.yaml:1:69: escalations.security-low.tiers[0].during: found 'nights', expected the name of a calendar"),
        ("severities: {medium: {page: busines}}",
         "own.yaml:1:23: severities.medium.page: found 'busines', expected the name of a calendar, or always or never"
         " (did you mean 'business'?)"),
        ("severities: {low: {escalation: {security: security-lo}}}",
         "own.yaml:1:33: severities.low.escalation.security: found 'security-lo', expected the name of an escalation"
         " (did you mean 'security-low'?)"),
        ("signals: {jailbreak_hits: {by: acter}}",
         "own.yaml:1:28: signals.jailbreak_hits.by: found 'acter', expected the name of a dimension of the stream"
         " 'detections' (did you mean 'actor'?)"),
        ("signals: {jailbreak_hits: {where: {detectr: [jailbreak]}}}",
         "own.yaml:1:36: signals.jailbreak_hits.where.detectr: found 'detectr', expected the name of a dimension of the"
         " stream 'detections' (did you mean 'detector'?)"),
        ("signals: {spend_by_actor: {field: cost}}",
         "own.yaml:1:28: signals.spend_by_actor.field: found 'cost', expected the name of a measure to sum"
         " (did you mean 'cost_usd'?)"),
        ("signals: {refused_keys: {field: kye}}",
         "own.yaml:1:26: signals.refused_keys.field: found 'kye', expected the name of a field to count"
         " (did you mean 'key'?)"),
        ("signals: {slow_attempts: {at_least: {durations: 3}}}",
         "own.yaml:1:38: signals.slow_attempts.at_least.durations: found 'durations', expected the name of a measure"
         " (did you mean 'duration'?)"),
        ("signals: {feed_lag: {metric: tocsin_feed_lag}}",
         "own.yaml:1:22: signals.feed_lag.metric: found 'tocsin_feed_lag', expected the name of a metric of the table"
         " 'health' (did you mean 'tocsin_feed_lag_seconds'?)"),
        ("signals: {feed_lag: {by: sorce}}",
         "own.yaml:1:22: signals.feed_lag.by: found 'sorce', expected the name of a label of its metric"
         " (did you mean 'source'?)"),
        ("families: {llm_requests_total: {labels: [gateway, tenent]}}",
         "own.yaml:1:51: families.llm_requests_total.labels[1]: found 'tenent', expected the name of a dimension of its"
         " measure (did you mean 'tenant'?)"),
        ("families: {llm_requests_total: {measure: request}}",
         "own.yaml:1:33: families.llm_requests_total.measure: found 'request', expected the name of a measure"
         " (did you mean 'requests'?)"),
        ("families: {llm_tokens_total: {split: {direction: {output: output}}}}",
         "own.yaml:1:51: families.llm_tokens_total.split.direction.output: found 'output', expected the name of a"
         " measure (did you mean 'output_chars'?)"),
        ("families: {llm_requests_total: {where: {outcoem: [success]}}}",
         "own.yaml:1:41: families.llm_requests_total.where.outcoem: found 'outcoem', expected the name of a dimension"
         " of its measure (did you mean 'outcome'?)"),
        ("incidents: {campaign: {entity: actr}}",
         "own.yaml:1:24: incidents.campaign.entity: found 'actr', expected the name of a field"
         " (did you mean 'actor'?)"),
        ("channels: {exec-bridge: {enabled: false}}\nescalations: {security-critical: {tiers: []},"
         " platform-critical: {tiers: []}, platform-high: {tiers: []}}",
         "spec/escalations.yaml:16:49: escalations.security-high.tiers[2].notify[0]: found 'exec-bridge', expected the"
         " name of a channel"),
    ],
)  # fmt: skip
def test_dangling_references_are_named_with_place_and_nearest_name(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in message(overlay(tmp_path, text), DanglingReferenceError)


def test_an_owner_without_escalation_is_a_dangling_reference(tmp_path: Path) -> None:
    text = "severities: {low: ~}\n"
    found = message(overlay(tmp_path, text))
    assert found == ["own.yaml:1:14: severities.low: found nothing, expected a map"]


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    text = """
settings: {shift: 8, max_series: many}
alerts:
  LLMSpendBurst: {severity: hihg, owner: me, for: 5, fold: ten}
  LLMRequestFlood: {confidence: certain}
"""
    assert [line.split(": ")[1] for line in message(overlay(tmp_path, text))] == [
        "settings.shift",
        "settings.max_series",
        "alerts.LLMSpendBurst.severity",
        "alerts.LLMSpendBurst.owner",
        "alerts.LLMSpendBurst.for",
        "alerts.LLMSpendBurst.fold",
        "alerts.LLMRequestFlood.confidence",
    ]
    text = "alerts: {LLMSpendBurst: {incident: x, when: {signal: y}}, LLMRequestFlood: {incident: z}}"
    assert len(message(overlay(tmp_path, text), DanglingReferenceError)) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("look_at: [Ask them.]", "triage"),
        ("when: {busy: gateway_requests}", "while_counter"),
        ("when: {busy_at_least: 3}", "min_increase"),
    ],
)
def test_a_key_of_an_earlier_version_names_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    (problem,) = message(overlay(tmp_path, f"alerts: {{TocsinFeedSilent: {{{old}}}}}"))
    key = old.removeprefix("when: {").partition(":")[0]
    assert problem.endswith(f"{key}: key {key!r} is now called {new!r}")


def test_a_new_entry_with_an_old_key_is_not_asked_for_the_new_one_too(tmp_path: Path) -> None:
    text = "alerts: {Mine: {look_at: [Ask them.], when: {technique: threshold, signal: x, op: '>=', value: 1}}}"
    found = message(overlay(tmp_path, text))
    assert any("is now called 'triage'" in problem for problem in found)
    assert not any("key 'triage' is missing" in problem for problem in found)
