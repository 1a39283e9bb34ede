"""The catalogue on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tocsin
from alerts import compile_alerts
from generators.docs.metrics_text import as_text, matching
from spec import catalogue, load_spec

SPEC = load_spec()


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert tocsin.main(["metrics", "--format", "json", *arguments]) == 0
    return list(json.loads(capsys.readouterr().out)["metrics"])


def test_without_a_pattern_every_metric_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert [metric["name"] for metric in listed(capsys)] == [metric.name for metric in catalogue(SPEC)]


def test_json_says_what_the_catalogue_knows(capsys: pytest.CaptureFixture[str]) -> None:
    (spend,) = listed(capsys, "llm_spend_by_actor")
    assert (spend["type"], spend["unit"], spend["layer"]) == ("gauge", "usd", "application")
    assert spend["labels"] == [
        {"name": "actor", "values": None, "cap": None, "top": 50},
        {"name": "tenant", "values": None, "cap": 100, "top": None},
    ]
    assert spend["alerts"] == ["LLMSpendBurst"]
    (up,) = listed(capsys, "pg_up")
    assert (up["source"], up["exporter"]) == ("external", "postgres_exporter")


def test_every_alert_is_under_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    named = {metric["name"]: metric["alerts"] for metric in listed(capsys)}
    for rule in compile_alerts(SPEC):
        assert rule.name in named[rule.series.metric]  # type: ignore[operator]


def test_a_pattern_is_part_of_a_name_or_a_whole_name_with_wildcards() -> None:
    assert {"llm_attempts_total", "llm_slow_attempts"} <= {metric.name for metric in matching(SPEC, "ATTEMPTS")}
    assert [metric.name for metric in matching(SPEC, "llm_attempts_t*")] == ["llm_attempts_total"]
    assert matching(SPEC, "ttempts_t*") == []


def test_text_says_type_unit_labels_and_readers_within_the_width() -> None:
    text = as_text(SPEC, matching(SPEC, "llm_spend_by_actor"), width=50)
    assert "llm_spend_by_actor  gauge in usd  volumetric application" in text
    assert "{tenant}: 100, then other" in text
    assert "{actor}: the 50 worst of each signal" in text
    assert "read by LLMSpendBurst" in text
    assert all(len(line) <= 50 for line in text.splitlines() if line.startswith(" "))
    assert "\x1b" not in text
    assert "\x1b[1mllm_spend_by_actor\x1b[0m" in as_text(SPEC, matching(SPEC, "llm_spend"), color=True)


def test_a_pattern_without_a_metric_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert tocsin.main(["metrics", "llm_request_total"]) == 1
    assert "did you mean llm_requests_total?" in capsys.readouterr().err


def test_an_overlay_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("fields:\n  tenant: {cap: 7}\n")
    (requests,) = listed(capsys, "llm_requests_total", "--overlay", str(overlay))
    assert [label["cap"] for label in requests["labels"] if label["name"] == "tenant"] == [7]  # type: ignore[attr-defined]
    overlay.write_text("fields:\n  tenant: {cpa: 7}\n")
    assert tocsin.main(["metrics", "--overlay", str(overlay)]) == 1
    assert "own.yaml:2:" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_crash() -> None:
    command = f"{sys.executable} -m tocsin metrics | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["141"]
    assert done.stderr == ""
