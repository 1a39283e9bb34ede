"""What stands in a wrapper is found, with its place, and everything else is handed on as it is."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from events.batch import ALL_COLUMNS, EventBatch
from events.gateways import LiteLLM, gateway
from events.gateways.unwrapping import Unwrapping
from events.wrappers import looks_wrapped, unwrap
from events.wrappers.registry import JSON_WRAPPERS, TEXT_WRAPPERS
from events.wrappers.unwrap import MOST_DEEP
from spec.vocabulary import REJECTIONS
from tests.support.litellm_lines import line, record
from tests.support.wrapped import NESTED, SAMPLES, TIME, dumped

LITELLM = LiteLLM(ALL_COLUMNS, content=True)
NOW = 1_795_000_000.0
HARD = record(NOW, "hard", prompt='quotes " and \\ and \n, é, 🚨, {"log": "{}"} }{ \x01 \ud83d')
PLAIN = json.dumps(record(NOW, "plain"))


def read(data: bytes) -> EventBatch:
    batch = Unwrapping(LITELLM).decode(data, source="gw", seed=1)
    assert {reject.reason for reject in batch.rejects} <= set(REJECTIONS)
    return batch


def same(found: EventBatch, expected: EventBatch) -> None:
    assert found.size == expected.size
    assert found.ids("event_id").tolist() == expected.ids("event_id").tolist()
    assert [text.text for text in found.texts] == [text.text for text in expected.texts]
    for name in ("actor", "model", "outcome"):
        assert found.objects(name) == expected.objects(name)
    np.testing.assert_array_equal(found.numbers("cost_usd"), expected.numbers("cost_usd"))


@pytest.mark.parametrize("text", [PLAIN, json.dumps(HARD)], ids=["plain", "hard"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_wrapped_record_is_the_record(sample: str, text: str) -> None:
    name, wrap = SAMPLES[sample]
    batch = read(wrap(text).encode())
    same(batch, read(text.encode() + b"\n"))
    assert name in batch.wrapped


@pytest.mark.parametrize("case", NESTED)
def test_wrappers_in_wrappers_are_taken_off(case: str) -> None:
    samples, names = NESTED[case]
    text = PLAIN
    for sample in samples:
        text = SAMPLES[sample][1](text.rstrip("\n"))
    batch = read(text.encode())
    same(batch, read(PLAIN.encode() + b"\n"))
    assert batch.wrapped == Counter(names)


def test_each_wrapper_has_a_sample() -> None:
    texts = [wrap(PLAIN).encode() for _, wrap in SAMPLES.values()]
    for wrapper in TEXT_WRAPPERS:
        assert any(wrapper.pattern.match(text) for text in texts), wrapper.name
    shapes = [set(found) for text in texts if isinstance(found := _loaded(text.split(b"\n")[0]), dict)]
    for json_wrapper in JSON_WRAPPERS:
        assert any(shape.issuperset(json_wrapper.marks) for shape in shapes), json_wrapper
    assert {name for name, _ in SAMPLES.values()} >= {each.name for each in (*JSON_WRAPPERS, *TEXT_WRAPPERS)}


def _loaded(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_many_records_of_one_line_have_each_their_place() -> None:
    records = [json.dumps(record(NOW, f"call-{number}")) for number in range(3)]
    events = [{"id": str(number), "message": text} for number, text in enumerate(records)]
    data = ("  " + dumped({"messageType": "DATA_MESSAGE", "logEvents": events})).encode()
    found = unwrap(b"\n" + data)
    assert found is not None
    assert [text.decode() for text in found.records] == records
    places = [data[start - 1 : start - 1 + size] for start, size in zip(found.starts, found.lengths, strict=True)]
    assert [json.loads(place) for place in places] == events
    assert found.lines == [1, 1, 1]


def test_an_array_gives_the_place_of_each_object() -> None:
    records = [line(record(NOW, f"call-{number}")).strip() for number in range(3)]
    data = b"[" + b", ".join(records) + b"]\n"
    found = unwrap(data)
    assert found is not None and found.records == records
    assert [data[start : start + size] for start, size in zip(found.starts, found.lengths, strict=True)] == records


def test_parts_are_joined_by_stream_and_keep_the_place_of_the_first() -> None:
    data = SAMPLES["cri in parts"][1](PLAIN).encode()
    found = unwrap(b"x\n" + data)
    assert found is not None and found.records[-1].decode() == PLAIN
    assert (found.starts[-1], found.lines[-1]) == (2, 1)
    assert found.starts[-1] + found.lengths[-1] == 2 + len(data) - 1
    assert found.records[:2] == [b"x", b"half a warning"]


PLAIN_LINES = [
    line(record(NOW, "a")),
    b'{"v":1,"writer":"w","seq":9,"kind":"beat"}\n',
    line(record(NOW, "b", prompt='{"log": "{}", "stream": "stdout"}')),
    line(record(NOW, "c", message="{}", log="{}", stream="stdout")),
    b"\n",
    b"  \n",
]


def test_plain_lines_are_nothing_to_unwrap() -> None:
    assert unwrap(b"".join(PLAIN_LINES[:3])) is None


def test_a_record_that_can_be_read_is_never_taken_for_a_wrapper() -> None:
    data = b"".join(PLAIN_LINES) + b"junk\n" + b"".join(PLAIN_LINES)
    batch = read(data)
    assert not batch.wrapped
    assert batch.size == 6
    assert [reject.line for reject in batch.rejects] == [6]


@pytest.mark.parametrize("first", [b"", SAMPLES["docker json-file"][1](PLAIN).encode()], ids=["plain", "wrapped"])
def test_what_came_before_changes_nothing(first: bytes) -> None:
    reader = Unwrapping(LITELLM)
    reader.decode(first, source="gw")
    lines = [b"junk\n", *PLAIN_LINES[:3], *(wrap(PLAIN).encode() for _, wrap in SAMPLES.values())]
    data = b"".join(lines)
    found, expected = reader.decode(data, source="gw", seed=1), read(data)
    assert found.size == expected.size
    assert found.wrapped == expected.wrapped
    assert sorted(found.rejects, key=lambda reject: reject.line) == sorted(
        expected.rejects, key=lambda reject: reject.line
    )


BAD = {
    "docker, log is a number": (dumped({"log": 7, "stream": "stdout", "time": TIME}), "wrong_type"),
    "docker, log is null": (dumped({"log": None, "stream": "stdout", "time": TIME}), "wrong_type"),
    "docker, log is text": (dumped({"log": "INFO: started\n", "stream": "stdout", "time": TIME}), "not_json"),
    "docker, log is another object": (dumped({"log": "{}\n", "stream": "stdout", "time": TIME}), "missing_field"),
    "docker, the last part is missing": (dumped({"log": '{"a', "stream": "stdout", "time": TIME}), "incomplete"),
    "cri, the last part is missing": (f"{TIME} stdout P {{\n", "incomplete"),
    "journald, too long": (dumped({"MESSAGE": None, "__REALTIME_TIMESTAMP": "1"}), "missing_field"),
    "journald, no bytes": (dumped({"MESSAGE": [1, 300], "__REALTIME_TIMESTAMP": "1"}), "wrong_type"),
    "an object that does not end": ('{\n  "status": "success",\n', "incomplete"),
    "an array of numbers": ("[1, 2]\n", "not_an_object"),
    "an array of arrays": ("[[1], [2]]\n", "not_an_object"),
    "half a surrogate around": ('{"log": "{}", "stream": "\\ud800", "time": ""}\n', "missing_field"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_rejected_once_by_its_reason(case: str) -> None:
    text, reason = BAD[case]
    batch = read(line(record(NOW, "a")) + text.encode() + line(record(NOW, "b")))
    assert [(reject.line, reject.reason) for reject in batch.rejects] == [(1, reason)]
    assert batch.size == 2


def test_a_wrapper_without_a_record_is_no_reject() -> None:
    control = dumped({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE"}]})
    data = (control + dumped({"streams": []}) + dumped({"log": "\n", "stream": "stdout", "time": TIME})).encode()
    batch = read(data)
    assert (batch.size, batch.rejects) == (0, [])
    assert batch.notes is not None and batch.notes.lines == [0, 1, 2]


def test_wrappers_in_wrappers_without_end_are_given_up() -> None:
    text = PLAIN
    for _ in range(MOST_DEEP + 1):
        text = json.dumps({"message": text, "ddsource": "x"})
    assert [reject.reason for reject in read(text.encode() + b"\n").rejects] == ["too_deep"]
    assert read(json.loads(text)["message"].encode() + b"\n").size == 1


def test_a_torn_line_does_not_swallow_the_next() -> None:
    whole = line(record(NOW, "a"))
    for torn in (b"{\n", b'{"a": {\n', whole[: len(whole) // 2] + b"\n", b'{"a": 1,\n', b"}\n"):
        batch = read(whole + torn + line(record(NOW, "b")))
        assert batch.size == 2, torn
        assert len(batch.rejects) == 1, torn


def test_a_mapped_gateway_reads_wrapped_records_too() -> None:
    text = json.dumps({"method": "POST", "start_time": TIME, "gen_ai.request.model": "gpt-4o", "response_code": 200})
    adapter = gateway("envoy", ALL_COLUMNS, content=True)
    plain = adapter.decode(text.encode() + b"\n", source="gw")
    for sample in ("docker json-file", "cri", "vector", "logstash", "several lines", "gcp, json"):
        assert adapter.decode(SAMPLES[sample][1](text).encode(), source="gw").size == plain.size == 1, sample


def test_only_known_wrappers_are_looked_for_ahead() -> None:
    assert looks_wrapped(SAMPLES["vector"][1](PLAIN).encode())
    assert not looks_wrapped(SAMPLES["no name, message"][1](PLAIN).encode())


CASES = {
    "docker-json-file": "docker",
    "cri": "cri",
    "pretty": "multi_line",
    "array": "array",
    "datadog": "datadog",
    "utf16": "utf16",
}
DATA = Path(__file__).parents[2] / "data/wrapped"


@pytest.mark.parametrize("case", CASES)
def test_the_same_four_attempts_in_each_file(case: str) -> None:
    batch = read((DATA / f"{case}.jsonl").read_bytes() + b"\n")
    assert batch.wrapped == {CASES[case]: 4}
    assert not batch.rejects
    assert batch.objects("actor") == ["u-ann"] * 4
    assert batch.ids("event_id").tolist() == read((DATA / "datadog.jsonl").read_bytes()).ids("event_id").tolist()
    assert sum("Do Anything Now" in text.text for text in batch.texts) == 4


def test_each_wrapper_is_in_the_documentation() -> None:
    page = (DATA.parents[2] / "docs/wrappers.md").read_text(encoding="utf-8")
    table = page[page.index("| wrapper |") : page.index("Wrappers in wrappers")]
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")}
    known = {name for name, _ in SAMPLES.values()} | {"utf16", "utf32"}
    assert told == known
