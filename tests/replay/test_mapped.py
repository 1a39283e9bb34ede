"""A log that only a mapping can read fires alerts, in a replay and by the command; a bad mapping fails at start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

import tocsin
from events.gateways import shipped_mapping
from exporters.config import load_config
from replay.log_options import LogOptions
from replay.run import replay, replay_engine
from spec import load_spec
from spec.errors import SpecError

_CAPTURED: Final = Path(__file__).parents[1] / "data" / "ferrogw" / "request-log.jsonl"
_ALERT: Final = "LLMGuardrailBlocksRepeated"


def probing(folder: Path) -> Path:
    """The captured blocks of one key, one every two seconds, as they would stand in a log: oldest first."""
    captured = [json.loads(line) for line in _CAPTURED.read_text().splitlines()]
    blocks = [line for line in captured if "word-filter" in line["error_message"]]
    blocks = [block for block in blocks if block["api_key_id"] == blocks[0]["api_key_id"]]
    lines: list[dict[str, Any]] = []
    for place in range(60):
        moment = f"2026-11-23T09:{place // 30:02d}:{place % 30 * 2:02d}Z"
        lines.append(blocks[place % len(blocks)] | {"trace_id": f"t-{place}", "created_at": moment})
    log = folder / "house.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return log


def own_mapping(folder: Path) -> Path:
    """The shipped mapping as somebody's own file, for a gateway that Tocsin does not know."""
    shipped = shipped_mapping("ferrogw")
    assert shipped is not None
    path = folder / "house.yaml"
    path.write_text(shipped.read_text().replace("gateway: ferrogw", "gateway: house"))
    return path


def test_blocks_in_a_captured_format_fire_an_alert(tmp_path: Path) -> None:
    outcome = replay(replay_engine(load_spec(), LogOptions(gateway="ferrogw", scan_content=False)), [probing(tmp_path)])
    assert (outcome.events, outcome.rejected, outcome.blocked) == (60, 0, 60)
    assert _ALERT in {instance.rule.name for instance in outcome.instances}


def test_the_command_reads_a_log_by_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = own_mapping(tmp_path)
    log = probing(tmp_path)
    assert tocsin.main(["replay", "--no-content", "--format", "json", "--mapping", str(mapping), str(log)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert _ALERT in json.dumps(said)
    assert tocsin.main(["replay", "--no-content", "--format", "json", str(log)]) == 1
    assert not json.loads(capsys.readouterr().out)["alerts"]  # as LiteLLM's log it says nothing


def test_a_mapping_that_cannot_be_used_ends_the_command_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = own_mapping(tmp_path)
    mapping.write_text(mapping.read_text().replace("guardrail_block", "guardrail_blok"))
    assert tocsin.main(["replay", "--mapping", str(mapping), str(probing(tmp_path))]) == 1
    said = capsys.readouterr().err
    assert f"{mapping}:" in said and "did you mean 'guardrail_block'?" in said


def configured(folder: Path, gateway: str) -> Path:
    own_mapping(folder)
    path = folder / "tocsin.yaml"
    path.write_text(
        "state_folder: state\n"
        "sources:\n"
        f"  web: {{type: file, gateway: {gateway}, mapping: house.yaml, paths: [house.jsonl]}}\n"
    )
    return path


def test_a_configuration_names_its_mapping_beside_itself(tmp_path: Path) -> None:
    source = load_config(configured(tmp_path, "house")).sources["web"]
    assert (source.gateway, source.mapping) == ("house", tmp_path / "house.yaml")


def test_a_source_has_the_name_that_its_mapping_says(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"tocsin\.yaml:3:.*found 'home', expected 'house'"):
        load_config(configured(tmp_path, "home"))


def test_a_bad_mapping_fails_at_start_with_its_own_place(tmp_path: Path) -> None:
    path = configured(tmp_path, "house")
    (tmp_path / "house.yaml").write_text("gateway: house\nend: {path: t}\nmodle: m\n")
    with pytest.raises(SpecError, match=r"house\.yaml:3:1: modle: unknown key.*did you mean 'model'"):
        load_config(path)
