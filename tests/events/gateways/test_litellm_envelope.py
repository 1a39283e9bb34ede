"""Lines in the hook's envelope: the same attempts as without it, and what their numbers say."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from events.batch import EventBatch, FeedNotes, Loss, Run
from tests.events.gateways.samples import SAMPLES, as_lines, decode, lines, record, rows


def enveloped(raw: bytes, seq: int, writer: str = "w1") -> bytes:
    return b'{"v":1,"writer":"%s","seq":%d,"kind":"attempt","record":%s}\n' % (writer.encode(), seq, raw.rstrip(b"\n"))


def notice(kind: str, seq: int, writer: str = "w1", **said: Any) -> bytes:
    return as_lines({"v": 1, "writer": writer, "seq": seq, "kind": kind, "notice": said})


def notes(batch: EventBatch) -> FeedNotes:
    assert batch.notes is not None
    return batch.notes


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_envelope_changes_nothing_about_its_record(sample: str) -> None:
    plain = decode(b"".join(lines(sample)))
    wrapped = decode(b"".join(enveloped(line, number) for number, line in enumerate(lines(sample), 1)))
    assert [row | {"raw": b""} for row in rows(wrapped)] == [row | {"raw": b""} for row in rows(plain)]
    assert wrapped.texts == plain.texts
    assert notes(wrapped).runs == [Run("w1", 1, len(lines(sample)))]
    assert plain.notes is None


def test_the_flat_record_is_that_of_the_record_inside() -> None:
    raw = as_lines(record())
    plain, wrapped = decode(raw), decode(enveloped(raw, 1))
    hashes = {"llm.raw_sha256": ""}
    assert wrapped.record(0) | hashes == plain.record(0) | hashes


@pytest.mark.parametrize("seed", range(20))
def test_a_line_means_the_same_whatever_stands_around_it(seed: int) -> None:
    """Chunks that are decoded at once agree with their lines decoded one by one."""
    rng = random.Random(seed)
    kinds: list[Callable[[int], bytes]] = [
        lambda seq: enveloped(as_lines(record(litellm_call_id=f"call-{seq}")), seq),
        lambda seq: as_lines(record(litellm_call_id=f"call-{seq}")),
        lambda seq: notice("beat", seq),
        lambda seq: enveloped(as_lines(record(prompt_tokens="many")), seq),
        lambda seq: b'{"v":1,"writer":"w1","seq":%d,"kind":"attempt"}\n' % seq,
        lambda seq: b'{"v":1,"status":"success","endTime":5.0,"seq":%d}\n' % seq,
        lambda seq: (
            b'{"v":2,"writer":"w1","seq":%d,"kind":"attempt","record":{"status":"success","endTime":1}}\n' % seq
        ),
        lambda seq: b"not json\n",
    ]
    chosen = rng.sample(kinds, rng.randint(1, 3))
    made = [rng.choice(chosen)(seq) for seq in range(1, 9)]
    together, apart = decode(b"".join(made)), [decode(line) for line in made]
    assert rows(together) == [row for batch in apart for row in rows(batch)]
    told = [(number, reject.reason) for number, batch in enumerate(apart) for reject in batch.rejects]
    assert sorted((reject.line, reject.reason) for reject in together.rejects) == told
    joined = FeedNotes.joined([batch.notes for batch in apart])
    assert (together.notes.runs if together.notes else []) == (joined.runs if joined else [])
    dropped = Counter[str]()
    for batch in apart:
        dropped.update(batch.dropped_fields)
    assert together.dropped_fields == dropped
    assert [json.loads(raw) for raw in together.raw] == [json.loads(raw) for batch in apart for raw in batch.raw]


def test_notices_are_neither_attempts_nor_rejects() -> None:
    raw = as_lines(record())
    batch = decode(notice("start", 1, pid=7) + enveloped(raw, 2) + notice("beat", 3) + enveloped(raw, 4))
    assert batch.size == 2
    assert not batch.rejects
    assert notes(batch).runs == [Run("w1", 1, 4)]
    assert notes(batch).lines == [0, 2]


def test_a_gap_and_another_writer_end_a_run() -> None:
    raw = as_lines(record())
    places = [("w1", 1), ("w1", 2), ("w1", 5), ("w2", 6), ("w1", 6)]
    batch = decode(b"".join(enveloped(raw, seq, writer) for writer, seq in places))
    assert notes(batch).runs == [Run("w1", 1, 2), Run("w1", 5, 5), Run("w2", 6, 6), Run("w1", 6, 6)]


def test_drops_are_told_by_reason() -> None:
    batch = decode(notice("dropped", 9, records=7, reasons={"queue_full": 4, "made up": 2, "error": -1}))
    assert notes(batch).drops == {"queue_full": 4, "other": 2}
    assert batch.dropped_fields == {"notice.reasons": 1}


def test_the_loss_of_another_writer_is_told() -> None:
    batch = decode(notice("lost", 2, writer="w2") + notice("lost", 3, exact=False, written=7, offered=9))
    assert notes(batch).losses == []
    said = {"v": 1, "writer": "w2", "seq": 2, "kind": "lost"}
    line = as_lines(said | {"notice": {"writer": "w1", "written": 7, "offered": 9, "exact": False}})
    assert notes(decode(line)).losses == [Loss("w1", 7, 9, exact=False)]


def test_a_value_that_does_not_fit_is_named_as_in_a_plain_record() -> None:
    raw = as_lines(record(prompt_tokens="many"))
    assert decode(enveloped(raw, 1)).dropped_fields == decode(raw).dropped_fields == {"prompt_tokens": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"v":1,"writer":"w","seq":1,"kind":"attempt","record":null}\n', "missing_field"),
        (b'{"v":1,"writer":"w","seq":1,"kind":"attempt","record":{"status":"odd","endTime":1}}\n', "invalid_value"),
        (b'{"v":1,"writer":"w","seq":1,"kind":"attempt","record":{"status":"success"}}\n', "missing_field"),
        (b'{"v":1,"writer":"w","seq":"1","kind":"attempt","record":{"status":"success"}}\n', "missing_field"),
    ],
)
def test_an_envelope_without_an_attempt_is_rejected(line: bytes, reason: str) -> None:
    batch = decode(line)
    assert batch.size == 0
    assert [reject.reason for reject in batch.rejects] == [reason]


def test_what_the_hook_has_hidden_is_no_content() -> None:
    hidden = [{"role": "user", "content": "redacted-by-tocsin", "content_hmac": "ab", "content_chars": 9}]
    batch = decode(as_lines(record(messages=hidden, response={})))
    assert batch.texts == []


HUGE = [10**401, -1, 2**53 + 1, 2**63, 2**64, 1.5, 1e300, "1", True, None, [1]]


@pytest.mark.parametrize("number", HUGE)
def test_a_line_whose_number_cannot_be_still_says_what_its_record_says(number: object) -> None:
    good = enveloped(as_lines(record(id="good")), 1)
    line = as_lines({"v": 1, "writer": "w1", "seq": number, "kind": "attempt", "record": record(id="bad")})
    batch = decode(good + line)
    assert batch.size == 2
    assert notes(batch).runs == [Run("w1", 1, 1)]
    assert batch.dropped_fields == {"seq": 1}


@pytest.mark.parametrize("number", HUGE)
def test_no_number_of_a_notice_is_larger_than_a_count_can_be(number: object) -> None:
    lost = {
        "v": 1,
        "writer": "w2",
        "seq": 2,
        "kind": "lost",
        "notice": {"writer": "w1", "written": 7, "offered": number},
    }
    dropped = {"v": 1, "writer": "w2", "seq": 3, "kind": "dropped", "notice": {"reasons": {"error": number, "x": 2}}}
    batch = decode(as_lines(lost) + as_lines(dropped))
    assert notes(batch).losses == [Loss("w1", 7, 0, exact=True)]
    assert notes(batch).drops == {"other": 2}
    told = {"notice.reasons": 1} | ({} if number is None else {"notice.offered": 1})
    assert batch.dropped_fields == told
    assert notes(batch).runs == [Run("w2", 2, 3)]


def test_numbers_up_to_the_largest_count_are_believed() -> None:
    assert notes(decode(notice("beat", 2**53))).runs == [Run("w1", 2**53, 2**53)]
