from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from bench.lines import START, fat_lines, lean_lines
from events.batch import Detection
from events.gateways import gateway
from events.gateways.openai_content import BUDGET
from exporters.signals.state import SignalState
from spec import load_spec
from spec.duration import Duration
from tests.support.engines import SPEC, ScrapedEngine, decoded, feed, make_engine, settled, shown
from tests.support.litellm_lines import line, record, refused

NOW = 1_795_000_000.0


def total(values: dict[tuple[str, ...], float]) -> float:
    return sum(values.values())


def test_families_add_up_to_what_a_naive_count_says() -> None:
    lines = list(lean_lines(3000, 5))
    engine = make_engine()
    for start in range(0, len(lines), 700):
        feed(engine, "gw", [b"".join(lines[start : start + 700])], now=START + 100)
    values = settled(engine, START + 1000)
    records: list[dict[str, Any]] = [json.loads(text) for text in lines]
    good = [entry for entry in records if entry["status"] == "success"]
    assert total(values["llm_attempts_total"]) == total(values["llm_requests_total"]) == 3000
    by_model = Counter(entry["model_group"] for entry in good)
    for model, count in by_model.items():
        assert (
            sum(v for key, v in values["llm_attempts_total"].items() if key[2] == model and key[4] == "success")
            == count
        )
    for direction, field in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        tokens = sum(v for key, v in values["llm_tokens_total"].items() if key[3] == direction)
        assert tokens == sum(entry[field] for entry in records)
    assert total(values["llm_cost_usd_total"]) == pytest.approx(sum(entry["response_cost"] for entry in good))
    assert total(values["llm_request_duration_seconds"]) == 3000
    streams = [entry for entry in good if entry["stream"]]
    assert total(values["llm_time_to_first_chunk_seconds"]) == len(streams)
    unauthorised = [entry for entry in records if (entry["error_information"] or {}).get("error_code") == "401"]
    assert values["llm_auth_refusals_total"]["litellm",] == len(unauthorised)
    assert values["tocsin_records_read_total"]["gw",] == 3000


def test_every_category_has_two_families_or_signals_that_work() -> None:
    engine = make_engine(content=True)
    feed(engine, "gw", [b"".join(fat_lines(500, 3))], now=START + 30)
    values = settled(engine, START + 30)
    for category in ("volumetric", "temporal", "content", "error", "performance", "security"):
        names = [name for name, family in SPEC.families.items() if family.category == category]
        names += ["llm_" + name for name, signal in SPEC.signals.items() if signal.category == category]
        assert len([name for name in names if name in values]) >= 2, category


def test_a_duplicate_counts_once_and_is_counted_as_one() -> None:
    engine, text = make_engine(), line(record(NOW, "a")) + line(record(NOW, "b"))
    for _ in range(3):
        feed(engine, "gw", [text], now=NOW)
    values = settled(engine, NOW)
    assert total(values["llm_attempts_total"]) == 2
    assert values["tocsin_records_duplicate_total"]["gw",] == 4


def test_the_hook_a_webhook_and_a_rotated_file_count_the_same_request_once() -> None:
    state = SignalState(SPEC, gateways=("litellm",), sources=("hook", "webhook", "file"))
    adapter = gateway("litellm", state.columns, content=False)
    engine = ScrapedEngine(state, dict.fromkeys(("hook", "webhook", "file"), adapter))
    plain = [line(record(NOW + number, f"call-{number}")) for number in range(20)]
    numbered = [
        b'{"v":1,"writer":"w1","seq":%d,"kind":"attempt","record":%s}\n' % (number, text.strip())
        for number, text in enumerate(plain)
    ]
    for source, lines in (("webhook", plain[:15]), ("hook", numbered), ("file", plain[5:])):
        feed(engine, source, [b"".join(lines)], now=NOW + 30)
    values = settled(engine, NOW + 60)
    assert total(values["llm_attempts_total"]) == total(values["llm_requests_total"]) == 20
    duplicates = {key[0]: count for key, count in values["tocsin_records_duplicate_total"].items()}
    assert duplicates == {"webhook": 0, "hook": 15, "file": 15}


def test_a_fallback_is_two_attempts_and_one_request_in_either_order() -> None:
    failed = line(record(NOW, "a", model_id="one", failed=("InternalServerError", "500_PROVIDER_INTERNAL_ERROR")))
    served = line(record(NOW + 1, "a", model_id="two"))
    for order in ((failed, served), (served, failed)):
        engine = make_engine()
        for text in order:
            feed(engine, "gw", [text], now=NOW + 5)
        values = settled(engine, NOW + 500)
        assert total(values["llm_attempts_total"]) == 2
        assert {key[3]: v for key, v in values["llm_requests_total"].items() if v} == {"success": 1}


def test_a_failed_request_settles_although_nothing_follows() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a", failed=("InternalServerError", "500_PROVIDER_INTERNAL_ERROR")))], now=NOW)
    assert total(shown(engine.scrape(NOW + 15))["llm_requests_total"]) == 0
    assert total(settled(engine, NOW + 300)["llm_requests_total"]) == 1


def test_no_flood_of_names_grows_the_series_beyond_their_cap() -> None:
    engine = make_engine()
    for start in range(0, 100_000, 10_000):
        names = range(start, start + 10_000)
        text = b"".join(
            line(
                record(
                    NOW + n / 2000,
                    f"call-{n}",
                    user=f"user-{n}",
                    team=f"team-{n}",
                    model=f"model-{n}",
                    key=f"key-{n}",
                    address=f"10.{n // 65536}.{n // 256 % 256}.{n % 256}",
                    failed=None if n % 2 else ("ProxyModelNotFoundError", "404_MODEL_NOT_FOUND"),
                )
            )
            for n in names
        )
        feed(engine, "gw", [text], now=NOW + 60)
    tables = [table for _ in range(4) for table in engine.scrape(NOW + 60)]
    assert engine.state.families.series <= SPEC.settings.max_series
    for table in tables:
        for label, cap in (("model", 100), ("tenant", 100), ("actor", 50), ("source_range", 50)):
            if label in table.labels:
                place = table.labels.index(label)
                assert len({key[place] for key in table.keys} - {"other", "unknown"}) <= cap, (table.name, label)
    values = settled(engine, NOW + 60)
    assert total(values["llm_attempts_total"]) == 100_000
    assert values["tocsin_label_overflows_total"]["model",] > 90_000


def test_a_failed_request_gives_no_model_its_name() -> None:
    engine = make_engine()
    odd = record(NOW, "a", model="ghost", failed=("ProxyModelNotFoundError", "404_MODEL_NOT_FOUND"))
    feed(engine, "gw", [line(odd) + line(record(NOW, "b", model="real"))], now=NOW)
    models = {key[2] for key in settled(engine, NOW)["llm_attempts_total"]}
    assert models == {"other", "real"}


def test_labels_with_quotes_newlines_and_ten_kilobytes_stay_one_line_of_a_page() -> None:
    engine = make_engine()
    names = ['say "hi"', "two\nRunbook: evil", "back\\slash", "right\u202eleft", "x" * 10_000]
    feed(engine, "gw", [b"".join(line(record(NOW, name[:20], model=name)) for name in names)], now=NOW)
    models = {key[2] for key in settled(engine, NOW)["llm_attempts_total"]}
    models = {model.partition("~")[0] for model in models}  # what was changed ends in a hash
    assert models == {'say "hi"', "two?Runbook: evil", "back\\slash", "right?left", "x" * 111}
    feed(engine, "gw", [line(record(NOW, "z", user="mallory\nSeverity: low"))], now=NOW)
    actors = {key[0] for key in shown(engine.scrape(NOW))["llm_requests_by_actor"]}
    assert {actor.partition("~")[0] for actor in actors} == {"alice", "mallory?Severity: low"}


def test_a_violator_is_never_pushed_out_by_noisier_ones() -> None:
    engine = make_engine()
    quiet = b"".join(line(record(NOW + n, f"hit-{n}", user="attacker", address=f"10.{n}.0.1")) for n in range(4))
    feed(engine, "gw", [quiet], now=NOW + 4)
    noisy = [line(record(NOW + 4, f"{user}-{n}", user=f"user-{user}")) for user in range(200) for n in range(3)]
    feed(engine, "gw", [b"".join(noisy)], now=NOW + 5)
    ranges = shown(engine.scrape(NOW + 6))["llm_actor_ranges"]
    assert ranges["attacker", "research"] == 4
    assert len(ranges) == 50


def test_violators_beyond_the_cap_are_counted() -> None:
    engine = make_engine()
    for user in range(70):
        hits = [line(record(NOW + n, f"{user}-{n}", user=f"user-{user}", address=f"10.{n}.{user}.1")) for n in range(4)]
        feed(engine, "gw", [b"".join(hits)], now=NOW + 5)
    values = shown(engine.scrape(NOW + 6))
    assert len(values["llm_actor_ranges"]) == 50
    assert values["llm_violating_groups"]["LLMStolenKeySuspected",] == 70
    assert values["llm_violators_beyond_cap"]["LLMStolenKeySuspected",] == 20
    assert values["llm_threshold_crossings_total"]["LLMStolenKeySuspected",] == 0  # held at 0 for its first scrapes


def test_a_crossing_is_counted_once_for_each_time_somebody_goes_over() -> None:
    engine = make_engine()
    window = 600.0
    for instance in range(3):
        start = NOW + instance * 3 * window
        guesses = [line(refused(start + n, f"{instance}-{n}", key=f"key-{n}")) for n in range(30)]
        feed(engine, "gw", [b"".join(guesses)], now=start + 40)
    assert settled(engine, NOW + 9 * window)["llm_threshold_crossings_total"]["LLMPasswordGuessing",] == 3


def test_a_burst_between_two_scrapes_is_shown_at_the_next_one_and_then_ends() -> None:
    engine = make_engine()
    feed(engine, "gw", [b"".join(line(refused(NOW - 3000 + n, f"{n}", key=f"key-{n}")) for n in range(12))], now=NOW)
    feed(engine, "gw", [line(record(NOW - 10, "later"))], now=NOW)
    seen = [shown(engine.scrape(NOW + 15 * scrape))["llm_refused_keys"] for scrape in range(6)]
    assert seen[:3] == [{("198.51.100.0/24", "false"): 12}] * 3
    assert seen[3:] == [{}] * 3


def test_who_is_behind_a_shared_key_never_becomes_an_account() -> None:
    engine = make_engine(shared_keys=["portal-key"])
    odd = record(NOW, "a", user="portal")
    odd["end_user"] = "victim"
    feed(engine, "gw", [line(odd)], now=NOW)
    values = shown(engine.scrape(NOW))
    assert values["llm_requests_by_actor"] == {}


def test_a_record_from_the_future_counts_as_now_and_hides_nobody() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW + 1e9, "future"))], now=NOW)
    feed(engine, "gw", [b"".join(line(refused(NOW - 1 + n / 100, f"{n}", key=f"{n}")) for n in range(11))], now=NOW)
    values = shown(engine.scrape(NOW + 1))
    assert values["llm_refused_keys"]["198.51.100.0/24", "false"] == 11
    assert values["llm_requests_by_actor"]["alice", "research"] == 1
    assert settled(engine, NOW)["tocsin_records_future_total"]["gw",] == 1


def test_times_in_the_far_past_and_going_backwards_are_counted_and_harmless() -> None:
    engine = make_engine()
    for place, time in enumerate((NOW, 1.0, NOW - 5, 946_684_800.0, NOW - 1)):
        feed(engine, "gw", [line(record(time, f"call-{place}"))], now=NOW)
    values = settled(engine, NOW)
    assert total(values["llm_attempts_total"]) == 5
    assert values["llm_requests_by_actor"]["alice", "research"] == 3


def test_rejects_are_counted_by_reason_and_watched() -> None:
    engine = make_engine()
    bad = b"not json\n" * 3 + b"[1, 2]\n" + b'{"status": "success"}\n'
    feed(engine, "gw", [bad + line(record(NOW, "good"))], now=NOW)
    values = settled(engine, NOW)
    rejected = {key[1]: v for key, v in values["tocsin_records_rejected_total"].items() if v}
    assert rejected == {"not_json": 3, "not_an_object": 1, "missing_field": 1}
    assert values["llm_rejected_records"][()] == 5
    assert total(values["llm_attempts_total"]) == 1


def test_a_prompt_that_two_rules_match_is_one_hit() -> None:
    engine = make_engine()
    batch = decoded(engine, line(record(NOW, "a")) + line(record(NOW, "b")))
    hits = [Detection(row, "jailbreak", rule, "high") for row, rule in ((0, "one"), (0, "two"), (1, "one"))]
    engine.state.take(batch, hits, now=NOW)
    values = settled(engine, NOW)
    assert values["llm_jailbreak_hits"]["alice", "research"] == 2
    assert total(values["llm_detections_total"]) == 3


def test_an_answer_that_a_providers_filter_stopped_is_not_answered() -> None:
    engine = make_engine()
    stopped = record(NOW, "a")
    stopped["response"]["choices"][0]["finish_reason"] = "content_filter"
    batch = decoded(engine, line(stopped) + line(record(NOW, "b")))
    engine.state.take(batch, [Detection(row, "jailbreak", "one", "high") for row in (0, 1)], now=NOW)
    values = shown(engine.scrape(NOW))
    assert values["llm_jailbreak_hits"]["alice", "research"] == 2
    assert values["llm_jailbreak_hits_answered"]["alice", "research"] == 1


def test_records_without_content_are_counted() -> None:
    engine = make_engine(content=True)
    silent = record(NOW, "b")
    silent["messages"], silent["response"] = (
        "redacted-by-litellm",
        {"choices": [{"message": {"content": "redacted-by-litellm"}}]},
    )
    feed(engine, "gw", [line(record(NOW, "a")) + line(silent)], now=NOW)
    assert settled(engine, NOW)["llm_records_without_content_total"]["litellm",] == 1


def test_words_in_no_known_place_are_counted_by_call_type_and_side() -> None:
    engine = make_engine(content=True)
    strange = record(NOW, "b")
    strange |= {"call_type": "acompletion", "response": {"unheard_of": "words in no known place"}}
    feed(engine, "gw", [line(record(NOW, "a")) + line(strange)], now=NOW)
    values = settled(engine, NOW)
    assert values["tocsin_content_unread_total"] == {("gw", "completion", "answer"): 1}
    assert values["llm_unread_content"] == {("chat",): 1}


def test_what_is_too_long_to_read_is_counted_by_account_and_channel() -> None:
    engine = make_engine(content=True)
    padded = record(NOW, "a", prompt="x" * (BUDGET + 5))
    feed(engine, "gw", [line(padded) + line(record(NOW, "b"))], now=NOW)
    values = settled(engine, NOW)
    assert values["llm_skipped_content"]["alice", "research"] >= 5
    skipped = {key: count for key, count in values["tocsin_content_chars_skipped_total"].items() if count}
    assert skipped == {("gw", "user"): values["llm_skipped_content"]["alice", "research"]}


def test_a_restored_state_shows_the_same_and_goes_on_the_same() -> None:
    lines = list(lean_lines(4000, 9))
    whole, before = make_engine(), make_engine()
    for engine in (whole, before):
        feed(engine, "gw", [b"".join(lines[:2000])], now=START + 20)
        engine.scrape(START + 20)
    after = make_engine()
    assert after.load(before.save()) == []
    for engine in (whole, after):
        feed(engine, "gw", [b"".join(lines[1500:])], now=START + 40)
    for scrape in range(4):
        now = START + 45 + 15 * scrape
        assert shown(after.scrape(now)) == shown(whole.scrape(now))


def test_a_changed_signal_starts_anew_and_the_rest_goes_on() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a"))], now=NOW)
    for scrape in range(3):
        engine.scrape(NOW + scrape * 15)
    signals = dict(SPEC.signals)
    signals["actor_ranges"] = msgspec.structs.replace(signals["actor_ranges"], window=Duration(60))
    other = make_engine(msgspec.structs.replace(SPEC, signals=signals))
    assert other.load(engine.save()) == ["signals"]
    values = shown(other.scrape(NOW + 45))
    assert total(values["llm_attempts_total"]) == 1
    assert values["llm_actor_ranges"] == {}
    assert values["llm_requests_by_actor"]["alice", "research"] == 1


def test_a_changed_layout_starts_counters_at_zero() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a"))], now=NOW)
    for scrape in range(3):
        engine.scrape(NOW + scrape * 15)
    families = dict(SPEC.families)
    families["llm_request_duration_seconds"] = msgspec.structs.replace(
        families["llm_request_duration_seconds"], buckets=(1.0, 2.0)
    )
    other = make_engine(msgspec.structs.replace(SPEC, families=families))
    assert other.load(engine.save()) == ["layout"]
    assert total(shown(other.scrape(NOW + 45))["llm_attempts_total"]) == 0
    feed(other, "gw", [line(record(NOW + 50, "b"))], now=NOW + 50)
    assert total(settled(other, NOW + 60)["llm_attempts_total"]) == 1


def test_off_hours_follow_the_calendar_and_its_daylight_saving() -> None:
    spec = load_spec()
    summer = 1_782_799_200.0  # Tuesday 30 June 2026, 08:00 in Paris
    winter = 1_799_132_400.0  # Tuesday 5 January 2027, 08:00 in Paris is 07:00 UTC
    engine = make_engine(spec)
    for place, time in enumerate((summer - 600, summer + 600, winter - 600, winter + 600)):
        feed(engine, "gw", [line(record(time, f"call-{place}"))], now=winter + 1000)
    assert total(settled(engine, winter + 1000)["llm_requests_offhours_total"]) == 2


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    engine = make_engine()
    feed(engine, "gw", [b"".join(line(refused(NOW + n, f"{n}", key=f"key-{n}")) for n in range(12))], now=NOW + 15)
    engine.scrape(NOW + 15)
    back = NOW - 7200
    feed(engine, "gw", [line(record(back, "after"))], now=back)
    values = [shown(engine.scrape(back + scrape * 15)) for scrape in range(60)]
    assert values[-1]["llm_refused_keys"] == {}
    assert values[-1]["llm_auth_refusals_total"]["litellm",] == 12
    assert total(values[-1]["llm_attempts_total"]) == 13


def test_a_clock_that_is_set_forward_loses_nothing() -> None:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a"))], now=NOW)
    for scrape in range(3):
        engine.scrape(NOW + scrape * 15)
    ahead = NOW + 86_400
    feed(engine, "gw", [line(record(ahead, "b"))], now=ahead)
    values = [shown(engine.scrape(ahead + scrape * 15)) for scrape in range(4)]
    assert [total(value["llm_attempts_total"]) for value in values] == [1, 1, 2, 2]
