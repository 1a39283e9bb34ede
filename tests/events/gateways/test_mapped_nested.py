"""JSON inside of a JSON text: a mapping opens it, whatever is in it, and what cannot be opened is counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.batch import ALL_COLUMNS
from events.gateways import gateway
from events.gateways.mapped import nested
from events.gateways.mapped.decoder import Records
from events.gateways.mapped.paths import parse_path
from spec.errors import SpecError
from tests.events.gateways.samples import rows
from tests.events.gateways.test_mapped_records import adapter, decode

VECTOR = """\
gateway: house
parse: {message: json, message.request.body: json}
only: {message.kind: [request]}
end: {path: timestamp}
call_id: message.id
user: message.user
model: [message.request.body.model, message.model]
status: message.status
input_tokens: message.usage.in
prompt: message.request.body.messages
"""
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "rest": [[[]]]}
MESSAGE: dict[str, Any] = {"kind": "request", "id": "c1", "user": "ann", "status": 200, "usage": {"in": 3}}


def line(message: object, **more: object) -> dict[str, object]:
    return {"timestamp": "2026-11-23T08:48:37Z", "host": "h", "message": message} | more


def packed(body: object = BODY, **changes: Any) -> str:
    return json.dumps(MESSAGE | {"request": {"body": body if isinstance(body, str) else json.dumps(body)}} | changes)


def test_a_text_in_a_text_is_read() -> None:
    batch = decode(line(packed()), text=VECTOR)
    (row,) = rows(batch)
    assert (row["actor"], row["model"], row["input_tokens"]) == ("ann", "m", 3)
    assert [text.text for text in batch.texts] == ["hello"]
    assert batch.dropped_fields == {}
    assert batch.record(0)["user.id"] == "ann"


def test_the_object_itself_is_read_as_well() -> None:
    batch = decode(line(MESSAGE | {"request": {"body": BODY}}), line(packed()), text=VECTOR)
    first, second = rows(batch)
    assert first | {"raw": b""} == second | {"raw": b""}
    assert batch.dropped_fields == {}


@pytest.mark.parametrize(
    ("message", "dropped"),
    [
        ("starting on port 80", {"message": 1}),
        ("", {}),
        ("  ", {}),
        (None, {}),
        ("[1, 2]", {"message": 1}),
        ('"text"', {"message": 1}),
        ("null", {}),
        ('{"kind": "request"', {"message": 1}),
        (7, {"message": 1}),
        ([packed()], {"message": 1}),
    ],
)
def test_a_line_whose_text_holds_no_record_is_no_attempt(message: object, dropped: dict[str, int]) -> None:
    batch = decode(line(packed()), line(message), text=VECTOR)
    assert batch.size == 1
    assert batch.unread["other_records"] == 1
    assert batch.dropped_fields == dropped


@pytest.mark.parametrize("body", ["{", "no", "[]", "1", '{"model": "m"'])
def test_a_text_that_cannot_be_opened_leaves_the_rest_of_its_record(body: str) -> None:
    batch = decode(line(packed(body, model="outer")), text=VECTOR)
    (row,) = rows(batch)
    assert (row["model"], row["actor"]) == ("outer", "ann")
    assert batch.dropped_fields == {"message.request.body": 1}


@pytest.mark.parametrize(
    ("text", "user", "dropped"),
    [
        ('{"kind":"request","user":"a\\ud800b"}', "a\ufffdb", {}),
        ('{"kind":"request","user":"a\nb"}', "a\nb", {}),
        ('{"kind":"request","user":"u","usage":"many"}', "u", {"message.usage": 1}),
        ('{"kind":"request","user":"u","usage":{"in":NaN}}', "u", {"input_tokens": 1}),
        ('\ufeff{"kind":"request","user":"u"}', "u", {}),
        ('{"kind":"request","user":"u","x":' + "[" * 100_000 + "]" * 100_000 + "}", "u", {"nesting": 1}),
        ('{"kind":"request","user":"u","n":' + "9" * 10_000 + "}", "u", {}),
    ],
    ids=["half a pair", "raw newline", "mistyped", "not a number", "byte order mark", "deep", "huge number"],
)
def test_odd_json_in_a_text_is_read_as_in_a_line(text: str, user: str, dropped: dict[str, int]) -> None:
    batch = decode(line(text), text=VECTOR)
    assert batch.size == 1, batch.rejects
    assert rows(batch)[0]["actor"] == user
    assert batch.dropped_fields == dropped


def test_a_text_beyond_the_limit_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "LONGEST", 200)
    batch = decode(line(packed({"model": "m", "rest": "x" * 200}, model="outer")), text=VECTOR)
    assert batch.dropped_fields == {"message": 1}
    batch = decode(line(MESSAGE | {"request": {"body": "x" * 201}, "model": "outer"}), text=VECTOR)
    assert batch.dropped_fields == {"message.request.body": 1}
    assert rows(batch)[0]["model"] == "outer"


def test_what_no_path_names_is_not_built() -> None:
    """A client may send a body of any shape; objects are made of what is asked for alone."""
    records = Records(map(parse_path, ("body.model",)), map(parse_path, ("body",)))
    (record,) = records.decode(json.dumps({"body": json.dumps({"x": [[]] * 9, "model": "m"})}).encode()).records
    assert records.column("body.model", [record], Counter()) == ["m"]
    (opened,) = (getattr(record, name) for name in record.__struct_fields__)
    assert [getattr(opened, name) for name in opened.__struct_fields__] == ["m"]


def test_a_text_is_opened_once_however_often_it_is_named() -> None:
    text = VECTOR.replace("parse: {", "parse: {'[\"message\"]': json, ")
    batch = decode(line(packed()), text=text)
    assert rows(batch)[0]["actor"] == "ann"


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("{}"), st.just("[")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["kind", "request", "body", "model", "usage", "in", "messages"]), inner),
        inner.map(json.dumps),
    ),
    max_leaves=12,
)


@given(messages=st.lists(JSON, max_size=4))
def test_no_text_ends_the_reading(messages: list[Any]) -> None:
    batch = decode(*(line(message) for message in messages), line(packed()), text=VECTOR)
    assert batch.size + batch.unread["other_records"] == len(messages) + 1
    assert rows(batch)[-1]["actor"] == "ann"


@pytest.mark.parametrize(
    ("parse", "said"),
    [
        ("{message: xml}", "found 'xml', expected"),
        ("{'message[0]': json}", "names only"),
        ("{massage: json}", "no other key reads"),
        ("{'message..x': json}", "fits none"),
        ("{message.usage.in.a: json}", "no other key reads"),
        ("{message.kind.deeper: json}", "no other key reads"),
        ("{'': json}", "no path"),
    ],
)
def test_a_mistake_is_named(parse: str, said: str) -> None:
    with pytest.raises(SpecError) as raised:
        adapter(VECTOR.replace("{message: json, message.request.body: json}", parse))
    assert said in str(raised.value)


def test_texts_are_few_and_not_deep() -> None:
    deep = "gateway: g\nend: {path: a.b.c.d.e}\nparse: {a: json, a.b: json, a.b.c: json, a.b.c.d: json}\n"
    with pytest.raises(SpecError, match="more than 3 texts inside of each other"):
        adapter(deep)
    adapter(deep.replace(", a.b.c.d: json", ""))
    names = [f"t{number}" for number in range(nested.MOST + 1)]
    opened = ", ".join(f"{name}: json" for name in names)
    with pytest.raises(SpecError, match=f"found {nested.MOST + 1} texts, expected at most {nested.MOST}"):
        adapter(
            f"gateway: g\nend: {{path: t}}\nmodel: [{', '.join(f'{name}.x' for name in names)}]\nparse: {{{opened}}}\n"
        )


def test_a_text_inside_what_is_read_whole_is_refused() -> None:
    text = "gateway: g\nend: {path: t}\nprompt: d\nmodel: d.body.model\nparse: {d.body: json}\n"
    with pytest.raises(SpecError, match="inside 'd', which another key reads whole"):
        adapter(text)


@pytest.mark.parametrize("parse", ["{log: json}", "{'[\"log\"]': json}"])
def test_a_mapping_that_opens_a_wrapper_reads_its_fields_too(tmp_path: Path, parse: str) -> None:
    path = tmp_path / "house.yaml"
    path.write_text(f"gateway: house\nparse: {parse}\nend: {{path: time}}\nuser: log.user\nmodel: log.model\n")
    docker = {"log": '{"user": "ann", "model": "m"}\n', "stream": "stdout", "time": "2026-11-23T08:48:37Z"}
    reader = gateway("house", ALL_COLUMNS, content=True, mapping=path)
    for text in (docker, docker | {"log": "starting\n", "time": None}, docker):
        batch = reader.decode(json.dumps(text).encode() + b"\n", source="test")
    assert rows(batch)[0]["actor"] == "ann"


def test_a_body_is_opened_inside_of_a_wrapper(tmp_path: Path) -> None:
    path = tmp_path / "house.yaml"
    path.write_text("gateway: house\nparse: {body: json}\nend: {path: t}\nuser: user\nmodel: body.model\n")
    record = {"t": "2026-11-23T08:48:37Z", "user": "ann", "body": '{"model": "m"}'}
    docker = {"log": json.dumps(record) + "\n", "stream": "stdout", "time": "2026-11-23T08:48:38Z"}
    batch = gateway("house", ALL_COLUMNS, content=True, mapping=path).decode(
        json.dumps(docker).encode() + b"\n", source="test"
    )
    assert (rows(batch)[0]["actor"], rows(batch)[0]["model"]) == ("ann", "m")


def test_the_example_of_the_docs_is_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "gateways" / "generic.md").read_text(encoding="utf-8")
    section = page.partition("## JSON inside a text")[2].partition("\n## ")[0]
    example, mapping = (block.partition("\n")[2] for block in section.split("```")[1::2])
    batch = decode(example.strip().encode(), text="gateway: house\n" + mapping)
    assert (rows(batch)[0]["actor"], rows(batch)[0]["model"]) == ("ann", "gpt-4o")
