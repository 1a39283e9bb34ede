"""The schemas for editors: they accept what is right, and refuse the mistakes that people make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec.inspect as types
import pytest
from jsonschema import Draft202012Validator

from exporters import schema as exporter_schema
from exporters.config import ExporterConfig, load_config
from generators.docs import schema
from spec import SpecError, load_spec, model
from spec.load import FOLDER
from spec.model import Spec
from spec.schema import DURATION, Builder, described, remarks
from spec.yaml_source import merged, parse_document, read_document
from tests.support import pages

SPEC = load_spec()


def validator(text: str) -> Draft202012Validator:
    made = json.loads(text)
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


OVERLAY = validator(schema.generate(SPEC)[schema.PATH])
CONFIG = validator(exporter_schema.generate()[exporter_schema.PATH])


def plain(text: str) -> Any:
    return parse_document(text, "test").data


def faults(found: Draft202012Validator, data: Any) -> list[str]:
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found.iter_errors(data)]


# ---------------------------------------------------------------------------------------------------------- the spec
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_yaml_is_right(path: Path) -> None:
    assert faults(OVERLAY, read_document(path).data) == []


def test_every_shipped_entry_is_also_right_as_a_new_one() -> None:
    whole = merged(read_document(path) for path in sorted(FOLDER.glob("*.yaml"))).data
    renamed = {
        table: {f"new_{name}": entry for name, entry in entries.items()}
        for table, entries in whole.items()
        if table not in ("metadata", "settings", "severities")
    }
    assert faults(OVERLAY, renamed) == []


RIGHT = {
    "nothing": "",
    "a threshold of a known alert": "alerts: {LLMSpendBurst: {when: {value: 200}}}",
    "one switched off": "alerts: {LLMRequestFlood: {enabled: false}}\nsignals: {long_prompts: {enabled: false}}",
    "another technique": "alerts: {LLMSpendBurst: {when: {technique: rule, signal: canary_hits}}}",
    "durations": "settings: {shift: 1h30m, latch_margin: 0, repeat_interval: 250ms}",
    "a new channel": "channels: {night: {type: slack, secret: night, target: '#night'}}",
    "a name of one's own": "alerts: {LLMSpendBurst: {incident: my_incident}}\nincidents: {my_incident: {title: Mine}}",
}
WRONG = {
    "a misspelt key": "alerts: {LLMSpendBurst: {sevrity: low}}",
    "a misspelt word": "alerts: {LLMSpendBurst: {severity: hihg}}",
    "a misspelt table": "alert: {LLMSpendBurst: {severity: low}}",
    "a misspelt name": "alerts: {LLMSpendBrust: {when: {value: 3}}}",
    "a misspelt key inside": "alerts: {LLMSpendBurst: {when: {vlaue: 3}}}",
    "a misspelt technique": "alerts: {LLMSpendBurst: {when: {technique: treshold, signal: spend_by_actor}}}",
    "a number as text": "alerts: {LLMSpendBurst: {when: {value: '200'}}}",
    "a duration as a number": "settings: {shift: 480}",
    "a duration of no unit": "settings: {shift: '8 hours'}",
    "text as a number": "alerts: {LLMSpendBurst: {summary: 7}}",
    "yes for true": "alerts: {LLMSpendBurst: {enabled: yes}}",
    "a severity that is none": "severities: {urgent: {order: 1}}",
    "a list that is none": "alerts: {LLMSpendBurst: {triage: everything}}",
    "a tier without its time": "escalations: {security_high: {tiers: [{notify: [pager-security]}]}}",
    "a scale of nothing": "settings: {time_scale: 0}",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_overlays_are_accepted(name: str, tmp_path: Path) -> None:
    assert faults(OVERLAY, plain(RIGHT[name])) == []
    path = tmp_path / "own.yaml"
    path.write_text(RIGHT[name])
    load_spec(path)


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_refused_as_by_the_loader(name: str, tmp_path: Path) -> None:
    assert faults(OVERLAY, plain(WRONG[name]))
    path = tmp_path / "own.yaml"
    path.write_text(WRONG[name])
    with pytest.raises(SpecError):
        load_spec(path)


def test_names_are_offered_with_what_they_are() -> None:
    made = json.loads(schema.generate(SPEC)[schema.PATH])
    assert "spent" in made["properties"]["signals"]["properties"]["spend_by_actor"]["description"]
    offered = made["$defs"]["PartialTier"] if "PartialTier" in made["$defs"] else made["$defs"]["Tier"]
    assert offered["properties"]["notify"]["items"]["anyOf"][0]["enum"] == list(SPEC.channels)
    assert made["$defs"]["Threshold"]["properties"]["signal"]["anyOf"][0]["enum"] == list(SPEC.signals)
    assert "multiples" in made["$defs"]["PartialSettings"]["properties"]["scrape_interval"]["description"]


def test_every_key_of_the_spec_is_explained() -> None:
    definitions = json.loads(schema.generate(SPEC)[schema.PATH])["$defs"]
    unexplained = [
        (name, key)
        for name, entry in definitions.items()
        for key, value in entry["properties"].items()
        if value.get("description", DURATION["description"]) == DURATION["description"]
    ]
    assert unexplained == []


def test_nothing_is_said_to_be_the_default_of_what_is_shipped() -> None:
    """What holds in a known entry is what is shipped, and an editor would insert the default."""
    definitions = json.loads(schema.generate(SPEC)[schema.PATH])["$defs"]
    partial = [entry for name, entry in definitions.items() if name.startswith("Partial")]
    assert len(partial) > 5
    assert [key for entry in partial for key, value in entry["properties"].items() if "default" in value] == []


def test_offered_words_are_of_keys_that_exist() -> None:
    builder = Builder()
    builder.of(types.type_info(Spec))
    for type_, key in schema._words(SPEC):
        assert key in builder.definitions[type_]["properties"], (type_, key)


# ------------------------------------------------------------------------------------------------ the configuration
def test_the_configuration_of_the_docs_is_right() -> None:
    page = (pages.ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    least, more, *_ = (plain(block.text) for block in pages.blocks(page) if block.language == "yaml")
    assert faults(CONFIG, least) == []
    more["state_folder"] = least["state_folder"]
    more["sources"]["web"] |= least["sources"]["web"]
    assert faults(CONFIG, more) == []


@pytest.mark.parametrize(
    "text",
    [
        "sources: {gw: {gateway: litellm, paths: [a]}}",
        "state_folder: s",
        "state_folder: s\nsources: {}",
        "state_folder: s\nsources: {gw: {gateway: litelm, paths: [a]}}",
        "state_folder: s\nsources: {gw: {gateway: litellm, paths: a.jsonl}}",
        "state_folder: s\nsources: {gw: {gateway: litellm, path: [a]}}",
        "state_folder: s\nsources: {gw: {gateway: litellm, paths: [a], start_at: start}}",
        "state_folder: s\nsources: {gw: {gateway: litellm, paths: [a]}}\nlisten: 9877",
        "state_folder: s\nsources: {gw: {gateway: litellm, paths: [a]}}\npseudonyms: no",
        "state_folder: s\nsources: {gw: {gateway: litellm, paths: [a]}}\nstate_dir: x",
    ],
)
def test_mistakes_in_a_configuration_are_refused_as_by_the_loader(text: str, tmp_path: Path) -> None:
    assert faults(CONFIG, plain(text))
    path = tmp_path / "tocsin.yaml"
    path.write_text(text)
    with pytest.raises(SpecError):
        load_config(path)


def test_every_key_of_the_configuration_is_explained() -> None:
    definitions = json.loads(exporter_schema.generate()[exporter_schema.PATH])["$defs"]
    assert set(definitions) == {"ExporterConfig", "SinkConfig", "SourceConfig"}
    unexplained = [
        (name, key)
        for name, entry in definitions.items()
        for key, value in entry["properties"].items()
        if "description" not in value
    ]
    assert unexplained == []
    listen = definitions["ExporterConfig"]["properties"]["listen"]
    assert listen["default"] == next(
        field.default
        for field in types.type_info(ExporterConfig).fields  # type: ignore[attr-defined]
        if field.name == "listen"
    )


# ------------------------------------------------------------------------------------------------------- descriptions
def test_the_clause_about_a_key_is_its_description() -> None:
    doc = "What.\n\n    `a` is one thing; with `b` there\n    is another. `a` again: `c`."
    assert [described(doc, key) for key in "abcd"] == [
        "`a` is one thing.",
        "With `b` there is another.",
        "`a` again: `c`.",
        "",
    ]


def test_what_stands_below_a_key_is_its_description() -> None:
    told = remarks(model.Signal)
    assert told["no_alert"] == "Why no alert looks at it, when that is on purpose."
    assert "measure" not in told  # nothing stands below it: the docstring says it
