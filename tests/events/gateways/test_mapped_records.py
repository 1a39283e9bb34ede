"""An in-house gateway's log, read by a mapping: times, names, failures, content, guardrails, and what is broken."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import ALL_COLUMNS, OTHER_RECORDS, EventBatch
from events.bounds import TOKENS
from events.gateways.mapped import MappedGateway
from events.gateways.mapped.model import mapping_of
from events.gateways.mapped.paths import MOST_ELEMENTS
from spec.yaml_source import parse_document
from tests.events.gateways.samples import rows

WHOLE = """\
gateway: house
end: {path: t, format: unix_ms}
duration: {path: took, unit: ms}
time_to_first_chunk: {path: first, unit: ms}
call_id: id
user: who.user
key: who.key
key_name: who.key_name
tenant: [who.team, who.org]
model: model
provider: provider
stream: stream
client_address: ip
operation: {path: op, words: {ask: chat, embed: embeddings}}
status: code
error_by_status: {"429": rate_limit_provider}
error_class: {path: error, contains: {"filter": guardrail_block}}
guardrails:
  each: checks[]
  name: n
  verdict: {path: did, words: {ok: pass, redacted: mask, stopped: block}}
tool_calls: {each: "calls[]", name: tool, arguments: args}
input_tokens: usage.in
output_tokens: usage.out
cost_usd: usage.usd
prompt: ask
system: rules
answer: reply
placeholders: ["<removed>"]
"""
RECORD: dict[str, Any] = {
    "t": 1_795_000_002_000,
    "took": 2000,
    "id": "call-1",
    "who": {"user": "ann", "key": "sk-secret", "team": "red"},
    "model": "m",
    "op": "ask",
    "code": 200,
    "ip": "192.0.2.7",
    "usage": {"in": 3, "out": 4, "usd": 0.5},
    "ask": "hello",
    "reply": "world",
}


def adapter(text: str = WHOLE, **options: Any) -> MappedGateway:
    return MappedGateway(mapping_of(parse_document(text, "house.yaml")), ALL_COLUMNS, True, **options)


def decode(*records: object, text: str = WHOLE, **options: Any) -> EventBatch:
    data = b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)
    return adapter(text, **options).decode(data, source="test")


def row(text: str = WHOLE, **changes: Any) -> dict[str, Any]:
    """The one attempt of the record with changes; of a name with None the field is taken out."""
    changed = {name: value for name, value in (RECORD | changes).items() if value is not None}
    return rows(decode(changed, text=text))[0]


def test_every_column_comes_from_its_path() -> None:
    found = row()
    expected = {
        "time": 1_795_000_002.0,
        "duration": 2.0,
        "actor": "ann",
        "tenant": "red",
        "model": "m",
        "operation": "chat",
        "outcome": "success",
        "error_class": "none",
        "verdict": "none",
        "settled": True,
        "source_range": "192.0.2.0/24",
        "input_tokens": 3.0,
        "output_tokens": 4.0,
        "cost_usd": 0.5,
        "texts": [("user", "hello"), ("output", "world")],
        "stream": None,
        "provider": None,
        "cached_tokens": None,
    }
    assert {name: found[name] for name in expected} == expected
    assert len(found["key"]) == 64 and "secret" not in found["key"]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("unix_s", 1_795_000_002),
        ("unix_s", "1795000002.0"),
        ("unix_ms", 1_795_000_002_000),
        ("unix_us", 1_795_000_002_000_000),
        ("unix_ns", 1_795_000_002_000_000_000),
        ("rfc3339", "2026-11-18T11:06:42Z"),
        ("rfc3339", "2026-11-18T12:06:42.000000000+01:00"),
        ("rfc3339", "2026-11-18 11:06:42"),
    ],
)
def test_a_time_is_read_in_its_format(form: str, value: object) -> None:
    assert row(f"gateway: x\nend: {{path: t, format: {form}}}\n", t=value)["time"] == 1_795_000_002.0


def test_an_end_follows_from_start_and_duration() -> None:
    text = "gateway: x\nstart: {path: t, format: unix_ms}\nduration: {path: took, unit: ms}\n"
    assert row(text)["time"] == 1_795_000_004.0


@pytest.mark.parametrize(
    ("changes", "outcome", "error", "verdict"),
    [
        ({"code": 401}, "failure", "auth", "none"),
        ({"code": "403"}, "failure", "permission", "none"),
        ({"code": 429}, "failure", "rate_limit_provider", "none"),
        ({"code": 503}, "failure", "provider_5xx", "none"),
        ({"code": 0}, "failure", "cancelled", "none"),
        ({"code": 200, "error": "stopped by FILTER 7"}, "failure", "guardrail_block", "block"),
        ({"code": 400, "error": "who knows"}, "failure", "invalid_request", "none"),
        ({"checks": [{"n": "pii", "did": "redacted"}, {"n": "tox", "did": "ok"}]}, "success", "none", "mask"),
        ({"checks": [{"n": "pii", "did": "ok"}, {"did": "stopped"}]}, "success", "none", "block"),
    ],
)
def test_failures_and_verdicts_follow_the_tables(
    changes: dict[str, Any], outcome: str, error: str, verdict: str
) -> None:
    found = row(**changes)
    assert (found["outcome"], found["error_class"], found["verdict"]) == (outcome, error, verdict)


def test_a_stated_outcome_decides() -> None:
    text = WHOLE + "outcome: {path: ok, words: {'true': success, 'false': failure}}\n"
    assert row(text, ok=True, code=500)["error_class"] == "none"
    assert row(text, ok=False)["error_class"] == "other"


def test_guardrails_and_tools_are_listed() -> None:
    found = row(
        checks=[{"n": "pii", "did": "redacted"}, {"did": "stopped"}, {"n": "x", "did": "strange"}],
        calls=[{"tool": "shell", "args": {"cmd": "ls"}}, {"tool": "read"}],
    )
    assert found["guardrails"] == [("pii", "mask"), ("unknown", "block")]
    assert found["tool_calls"] == ["shell", "read"]
    assert ("tool_call", 'shell {"cmd":"ls"}') in found["texts"]


@pytest.mark.parametrize(
    ("ask", "reply", "texts"),
    [
        ([{"role": "system", "content": "be good"}, {"role": "user", "content": "hi"}], "yo",
         [("system", "be good"), ("user", "hi"), ("output", "yo")]),
        ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], [{"text": "yo"}],
         [("user", "hi"), ("output", "yo")]),
        (["one", "two"], {"choices": [{"message": {"content": "yo"}}]},
         [("user", "one"), ("user", "two"), ("output", "yo")]),
        ("<removed>", "<removed>", []),
    ],
)  # fmt: skip
def test_prompts_and_answers_have_any_common_shape(ask: object, reply: object, texts: list[tuple[str, str]]) -> None:
    assert row(ask=ask, reply=reply)["texts"] == texts


def test_zero_after_a_failure_is_unknown() -> None:
    assert row(code=500, usage={"in": 0, "out": 0, "usd": 0})["input_tokens"] is None
    assert row(usage={"in": 0})["input_tokens"] == 0.0


def test_a_refused_credential_and_a_shared_key_are_nobody() -> None:
    assert row(code=401)["actor"] is None
    shared = decode(RECORD | {"who": {"key": "k", "key_name": "app"}}, shared_keys=frozenset(("app",)))
    assert shared.objects("actor") == [None]
    assert row(who={"key": "k"})["actor"].startswith("key:")


def test_an_end_user_behind_a_key_that_is_logged_by_name_alone_is_not_lost() -> None:
    named = RECORD | {"who": {"key_name": "app"}, "chat": "c-7", "for": "zoe"}
    batch = decode(named, text=WHOLE + "session: chat\nend_user: for\n", shared_keys=frozenset(("app",)))
    assert batch.objects("end_user") == ["zoe@key:app"]
    assert batch.objects("session") == ["c-7@key:app"]


def test_a_session_belongs_to_its_key_and_an_end_user_to_a_shared_key() -> None:
    text = WHOLE + "session: chat\nend_user: for\n"
    said = RECORD | {"chat": "s1", "for": "zoe", "who": {"key": "k", "key_name": "app"}}
    alone = decode(said, said | {"code": 401}, said | {"who": {"key": "other"}}, text=text)
    first, refused, other = alone.objects("session")
    assert first.startswith("s1@key:") and refused is None and other != first
    assert alone.objects("end_user") == [None, None, None]
    shared = decode(said, text=text, shared_keys=frozenset(("app",)))
    assert shared.objects("end_user")[0].startswith("zoe@key:") and shared.objects("actor") == [None]


def test_broken_records_are_counted_by_reason() -> None:
    batch = decode(
        b"no json", b"[1]", b'{"id": "x"}', RECORD | {"t": "soon"}, RECORD | {"t": 1e30}, b'{"t": 1795000002000', RECORD
    )
    assert batch.size == 1
    assert sorted((reject.line, reject.reason) for reject in batch.rejects) == [
        (0, "not_json"),
        (1, "not_an_object"),
        (2, "missing_field"),
        (3, "invalid_value"),
        (4, "invalid_value"),
        (5, "not_json"),
    ]


def test_values_that_do_not_fit_are_left_out_and_counted() -> None:
    batch = decode(
        RECORD
        | {"model": ["m"], "code": "ok", "stream": "maybe", "op": "unheard-of", "who": "ann"}
        | {"usage": {"in": -1, "out": TOKENS * 10, "usd": "free"}, "took": [], "ask": 7}
    )
    assert (batch.size, batch.rejects) == (1, [])
    expected = {"model", "status", "stream", "operation", "input_tokens", "output_tokens", "cost_usd", "duration"}
    assert expected <= batch.dropped_fields.keys()
    assert set(batch.out_of_range) == {"input_tokens", "output_tokens"}
    assert all(count == 1 for count in batch.dropped_fields.values()), batch.dropped_fields
    assert math.isnan(batch.numbers("input_tokens")[0])


def test_other_lines_are_no_attempts_and_counted() -> None:
    batch = decode(RECORD, {"kind": "audit"}, RECORD | {"id": "2"}, text=WHOLE + "only: {model: [M]}\n")
    assert batch.size == 2 and batch.rejects == []
    assert batch.unread[OTHER_RECORDS] == 1
    assert batch.notes is not None and batch.notes.lines == [1]
    assert [batch.raw[place] for place in range(2)] == [
        json.dumps(found).encode() for found in (RECORD, RECORD | {"id": "2"})
    ]


def test_the_same_record_twice_has_one_identity_and_others_have_their_own() -> None:
    ids = decode(RECORD, RECORD, RECORD | {"id": "2"}, RECORD | {"code": 500}).ids("event_id").tolist()
    assert ids[0] == ids[1] and len(set(ids)) == 3
    bare = "gateway: x\nend: {path: t, format: unix_ms}\n"
    ids = decode(RECORD, RECORD, RECORD | {"n": 1}, text=bare).ids("event_id").tolist()
    assert ids[0] == ids[1] and len(set(ids)) == 2


def test_a_call_id_that_somebody_else_chose_too_is_another_request() -> None:
    batch = decode(RECORD, RECORD | {"who": {"user": "bob", "key": "sk-secret"}}, RECORD | {"who": {"user": "ann"}})
    for column in ("event_id", "call_id"):
        assert len(set(batch.ids(column).tolist())) == 3


def test_attempts_of_a_request_share_it_and_the_first_failure_is_not_its_end() -> None:
    text = WHOLE + "records: attempts\n"
    batch = decode(RECORD | {"code": 503}, RECORD, text=text)
    assert len(set(batch.ids("call_id").tolist())) == 1
    assert batch.objects("settled") == [False, True]


def test_a_list_without_end_is_cut_and_counted() -> None:
    batch = decode(RECORD | {"calls": [{"tool": "t"}] * (MOST_ELEMENTS + 5)})
    assert len(batch.tool_calls) == MOST_ELEMENTS
    assert batch.unread["elements"] == 5


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*RECORD, "stream", "error", "checks", "calls", "rules", "first"]), _JSON))
def test_no_record_raises_and_none_vanishes(changes: dict[str, Any]) -> None:
    batch = decode(RECORD | changes)
    assert batch.size + len(batch.rejects) == 1
    if batch.size:
        json.dumps(batch.record(0))
        rows(batch)
