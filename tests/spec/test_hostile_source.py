"""Whoever writes an overlay, a configuration or a rule cannot make the command line crash or hang."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spec
from exercises.recording import RecordingError
from exercises.recording import load as load_recording
from exporters.config import load_config, read_canaries
from exporters.detect.load import MOST_CANARIES, load_rules
from exporters.sources.http import read_tokens
from runtime.errors import ConfigError
from spec.errors import ShapeError, SpecError, YamlError
from spec.load import load_spec
from spec.yaml_source import DEEPEST, MOST_ALIASES, MOST_BYTES, merged, parse_document
from tests.support.steps import steps_of

DEEP: dict[str, str] = {
    "flow lists": "a: " + "[" * 200_000,
    "closed flow lists": "a: " + "[" * 20_000 + "]" * 20_000,
    "flow maps": "a: " + "{b: " * 100_000,
    "block maps": "\n".join(" " * place + "k:" for place in range(1_500)),
    "block lists": "a:\n" + "- " * 100_000 + "x",
    "keys in keys": "? " * 100_000 + "x",
    "aliases around each other": "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60)),
}
LARGE: dict[str, str] = {
    "values": "a: [" + "x, " * 100_100 + "]",
    "keys": "".join(f"k{place}: 1\n" for place in range(60_000)),
    "aliases": "a: &a x\nb: [" + "*a, " * (MOST_ALIASES + 1) + "]",
    "aliases of aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "a document that holds itself": "a: &a [*a]",
    "bytes": "a: " + "x" * MOST_BYTES,
    "a digit after the other": "a: " + "9" * 5_000,
    "a hexadecimal one": "a: 0x" + "f" * 5_000,
}
READERS: dict[str, Callable[[Path], object]] = {
    "overlay": load_spec,
    "rules": load_rules,
    "configuration": load_config,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [*DEEP, *LARGE])
def test_what_is_too_deep_or_too_large_is_refused_with_its_place(tmp_path: Path, kind: str, reader: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text((DEEP | LARGE)[kind], encoding="utf-8")
    with pytest.raises(YamlError) as refused:
        READERS[reader](path)
    message = str(refused.value)
    assert message.startswith(f"{path}:")
    assert "expected at most" in message or "alias" in message or "not YAML" in message
    assert len(message) < 20_000


@pytest.mark.parametrize("kind", ["flow lists", "flow maps", "block lists", "block maps"])
def test_the_place_is_where_it_becomes_too_deep(kind: str) -> None:
    with pytest.raises(YamlError, match=f"found more than {DEEPEST} maps and lists inside each other") as refused:
        parse_document(DEEP[kind], "own.yaml")
    assert refused.value.problems[0].place is not None


def test_what_is_as_deep_as_may_be_is_read() -> None:
    text = "a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse_document(text, "own.yaml").data["a"] is not None


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab:-?[]{},&*!|>'\"#% \n\t012.~<", max_size=400), st.integers(1, 300))
def test_no_text_brings_anything_but_a_named_refusal(text: str, times: int) -> None:
    try:
        parse_document(text * times, "own.yaml")
    except SpecError as error:
        assert "own.yaml" in str(error)


def test_many_problems_are_told_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("alerts:\n  X:\n" + "".join(f"    {'k' * 50}{n}: 1\n" for n in range(2_000)), encoding="utf-8")
    error: list[ShapeError] = []

    def load() -> None:
        with pytest.raises(ShapeError) as refused:
            load_spec(path)
        error.append(refused.value)

    steps = steps_of(load, spec)
    assert 50 <= len(error[0].problems) <= 100
    assert steps < 4_000_000  # reading the file itself makes most of them


def test_a_long_key_is_cut_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("k" * 900 + ": 1\nalerts: {" + "x" * 900 + ": {summary: 1}}\n", encoding="utf-8")
    with pytest.raises(ShapeError) as refused:
        load_spec(path)
    assert "x" * 70 not in str(refused.value)
    assert "k" * 70 not in str(refused.value)


def test_what_is_replaced_often_is_forgotten_in_one_pass() -> None:
    def work(size: int) -> int:
        text = "".join(f"k{place}: 1\n" for place in range(size))
        documents = [parse_document(text, "one"), parse_document(text, "two")]
        return steps_of(lambda: merged(documents), spec)

    assert work(4_000) < 6 * work(1_000)


def test_files_that_are_too_large_are_refused_by_whoever_reads_them(tmp_path: Path) -> None:
    path, recording = tmp_path / "large", tmp_path / "recording.json"
    with path.open("wb") as file:
        file.truncate(1 << 33)  # a hole of 8 GB
    with pytest.raises(YamlError, match="found more than"):
        read_canaries(path)
    with pytest.raises(ConfigError, match="expected a few tokens"):
        read_tokens(path)
    path.rename(recording)
    with pytest.raises(RecordingError, match="found more than"):
        load_recording(tmp_path)


def test_json_that_is_too_deep_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "recording.json").write_text("[" * 100_000, encoding="ascii")
    with pytest.raises(RecordingError, match=r"recording\.json"):
        load_recording(tmp_path)


def test_canaries_are_bounded_in_length_and_number() -> None:
    with pytest.raises(ShapeError, match="canary 2 of 2 has more than 1000 bytes") as refused:
        load_rules(canaries=["long-enough", "s" * 5_000])
    assert "sss" not in str(refused.value)
    with pytest.raises(ShapeError, match=f"expected at most {MOST_CANARIES}"):
        load_rules(canaries=[f"canary-{number}" for number in range(MOST_CANARIES + 1)])


def test_a_message_about_a_long_value_is_not_as_long_as_the_value(tmp_path: Path) -> None:
    for text in (
        f"state_folder: s\nsources: {{gw: {{gateway: {'a' * 10_000}, paths: [x]}}}}",
        f"state_folder: s\nlisten: {'a' * 10_000}\nsources: {{gw: {{gateway: litellm, paths: [x]}}}}",
    ):
        (tmp_path / "tocsin.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(SpecError) as refused:
            load_config(tmp_path / "tocsin.yaml")
        assert all(len(line) < 2_000 for line in str(refused.value).splitlines())
        assert "expected" in str(refused.value)
