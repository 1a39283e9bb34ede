from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import msgspec
import pytest
import yaml

import tocsin
from exporters.exporter import Exporter, restore
from exporters.pseudonyms import Pseudonyms, key_file, load_key
from runtime.errors import ConfigError
from runtime.state_file import StateFolder
from tests.support.engines import SPEC, feed, make_engine, shown
from tests.support.litellm_lines import line, record

NOW = 1_795_000_000.0


def test_an_account_keeps_its_pseudonym_as_long_as_the_key_lives(tmp_path: Path) -> None:
    first, again = Pseudonyms(load_key(tmp_path)), Pseudonyms(load_key(tmp_path))
    other = Pseudonyms(b"x" * 32)
    assert first("alice") == again("alice") != first("bob")
    assert other("alice") != first("alice")
    assert len(first("alice")) == 14
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    key_file(tmp_path).write_bytes(b"short")
    with pytest.raises(ConfigError, match="is not a 32-byte key; restore the previous file"):
        load_key(tmp_path)


def test_no_label_has_the_account_itself(tmp_path: Path) -> None:
    name_of = Pseudonyms(load_key(tmp_path))
    engine = make_engine(name_of=name_of)
    feed(engine, "gw", [line(record(NOW, "a", user="alice@example.com"))], now=NOW)
    tables = engine.scrape(NOW)
    assert shown(tables)["llm_requests_by_actor"] == {(name_of("alice@example.com"), "research"): 1}
    assert not any("alice" in value for table in tables for key in table.keys for value in key)


def test_who_finds_the_account_and_writes_the_look_up_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "state"
    source = {"gw": {"gateway": "litellm", "paths": ["gw.jsonl"]}}
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump({"state_folder": "state", "sources": source}))
    engine, state = make_engine(), StateFolder(folder)
    restore(engine.memory, state)
    pseudonym = Pseudonyms(load_key(folder))("alice")
    feed(engine, "gw", [line(record(NOW, "a"))], now=NOW)
    Exporter(engine.memory, {}, state, now=NOW).close()
    command = ["who", "--config", str(tmp_path / "tocsin.yaml")]
    assert tocsin.main([*command, pseudonym]) == 0
    assert capsys.readouterr().out == "alice\n"
    assert tocsin.main([*command, "a-000000000000"]) == 1
    assert "no account has this pseudonym" in capsys.readouterr().err
    lookups = (folder / "lookups.jsonl").read_text()
    assert [json.loads(entry)["found"] for entry in lookups.splitlines()] == [1, 0]
    assert "alice" not in lookups


def test_who_finds_an_end_user_and_no_label_has_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "state"
    source = {"gw": {"gateway": "litellm", "paths": ["gw.jsonl"]}}
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump({"state_folder": "state", "sources": source}))
    signal = msgspec.structs.replace(SPEC.signals["requests_by_actor"], by="end_user")
    spec = msgspec.structs.replace(SPEC, signals={**SPEC.signals, "requests_by_end_user": signal})
    state, name_of = StateFolder(folder), Pseudonyms(load_key(folder))
    engine = make_engine(spec, name_of=name_of, shared_keys=["portal-key"])
    restore(engine.memory, state)
    feed(engine, "gw", [line(record(NOW, "a", user="portal", end_user="mallory"))], now=NOW)
    tables = engine.scrape(NOW)
    ((label, tenant),) = shown(tables)["llm_requests_by_end_user"]
    assert tenant == "research"
    assert not any("mallory" in value for table in tables for key in table.keys for value in key)
    Exporter(engine.memory, {}, state, now=NOW).close()
    assert tocsin.main(["who", "--config", str(tmp_path / "tocsin.yaml"), label]) == 0
    assert re.fullmatch("mallory@key:[0-9a-f]{64}\n", capsys.readouterr().out)
