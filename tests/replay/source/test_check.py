"""`tocsin source check`: the gateway that fits, what a log lacks, and that "never" means never."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

import tocsin
from alerts.blind import blind_alerts, blind_signals
from replay.source.check import readings
from spec import load_spec

_DATA: Final = Path(__file__).parents[2] / "data"
_LOGS: Final = {
    "litellm": _DATA / "litellm" / "slp.jsonl.gz",
    "ferrogw": _DATA / "ferrogw" / "request-log.jsonl",
    "envoy": _DATA / "envoy" / "access.jsonl.gz",
}


def check(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = tocsin.main(["source", "check", *map(str, arguments)])
    return status, capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check(capsys, *arguments, "--format", "json")[1])
    return found


@pytest.mark.parametrize("name", _LOGS)
def test_each_log_is_known_as_its_gateways(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = data(capsys, _LOGS[name])
    assert found["gateway"] == name
    assert found["attempts"] == found["tried"][0]["lines"] > 0


def test_nothing_read_is_an_error_that_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("GET / 200\nGET /x 404\n")
    status, said = check(capsys, log)
    assert status == 1
    said = " ".join(said.split())  # the path before it may be long, so lines break anywhere
    assert "no line could be read by any gateway" in said and "2 not_json" in said and "--mapping FILE" in said
    log.write_text("")
    assert check(capsys, log)[0] == 1
    assert "the file has no line" in " ".join(check(capsys, log)[1].split())


def test_a_person_sees_what_is_missing_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = check(capsys, _LOGS["ferrogw"])
    assert status == 0
    assert "ferrogw, 61 of 61 lines read" in said
    assert re.search(r"no prompt, which the mapping does not\s+name: [\w, \n]*LLMIndirectInjectionSeen", said)
    assert re.search(r"prompt: log the prompt; without it no content rule looks at requests\. \d+ alerts need it", said)


def test_what_no_word_leads_to_is_never_seen(capsys: pytest.CaptureFixture[str]) -> None:
    blind = {each["signal"]: each["reason"] for each in data(capsys, _LOGS["envoy"])["signals_that_never_work"]}
    assert blind["guardrail_blocks"] == "guardrail verdict is never block"
    assert "provider_errors" not in blind and "auth_failures" not in blind  # by status, though none is in the sample


def test_a_missing_tenant_is_one_group_and_not_never(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, _LOGS["ferrogw"])
    assert "spend_by_tenant" in found["signals_without_groups"]["tenant"]
    assert "spend_by_tenant" not in {each["signal"] for each in found["signals_that_never_work"]}


def test_an_alert_never_fires_when_one_of_its_signals_never_works() -> None:
    spec = load_spec()
    best = readings(_LOGS["ferrogw"])[0]
    blind = blind_signals(spec, best.coverage)
    alerts = blind_alerts(spec, blind)
    gone = {each.signal for each in blind}
    for name, alert in spec.alerts.items():
        named = {getattr(alert.when, key, "") for key in alert.when.SIGNALS}
        assert (name in alerts) == bool(named & gone)


def test_a_full_log_lacks_only_a_declared_shared_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = data(capsys, _LOGS["litellm"])
    lacking = {"reason": "no end user of a shared key", "fields": ["end_user"]}
    assert found["signals_that_never_work"] == [
        {"signal": name, **lacking} for name, signal in load_spec().signals.items() if signal.by == "end_user"
    ]


def test_a_mapping_of_ones_own_is_checked_with_its_broken_values(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mapping, log = tmp_path / "house.yaml", tmp_path / "house.jsonl"
    mapping.write_text("gateway: house\nend: {path: t, format: unix_s}\nuser: who\nmodel: m\nstatus: code\n")
    lines = [{"t": 1_795_000_000 + place, "who": "ann", "code": 200 if place else "odd"} for place in range(4)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{}\n")
    found = data(capsys, log, "--mapping", mapping)
    shares = {each["field"]: (each["mapped"], each["share"]) for each in found["fields"]}
    assert (shares["actor"], shares["model"], shares["prompt"]) == ((True, 1.0), (True, 0.0), (False, 0.0))
    assert found["left_out"] == {"status": 1}
    assert found["rejected"] == {"missing_field": 1}
    assert "in no line of this sample" in check(capsys, log, "--mapping", mapping)[1]


def test_times_in_the_wrong_unit_are_noticed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mapping, log = tmp_path / "house.yaml", tmp_path / "house.jsonl"
    mapping.write_text("gateway: house\nend: {path: t, format: unix_ms}\n")
    log.write_text('{"t": 1795000000}\n')
    assert "These times look wrong" in check(capsys, log, "--mapping", mapping)[1]


def test_control_characters_of_a_log_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "a\x1b[31mb.jsonl"
    log.write_text("{}\n")
    assert "\x1b" not in check(capsys, log)[1]
