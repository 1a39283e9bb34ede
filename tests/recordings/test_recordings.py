"""What is in the committed recordings: an ordinary day, and attacks that the raw records show."""

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.techniques.ratio.model import Ratio
from alerts.techniques.threshold.model import Threshold
from events.gateways.address import range_of
from exercises import recording
from spec.load import load_spec

HERE = Path(__file__).parent
FOUND = recording.load(HERE)
SPEC = load_spec()
ATTACKS = sorted(FOUND.attacks)
OURS = re.compile(
    r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|198\.1[89]\.|10\.20\.4\.|2001:db8:"  # documentation, benchmarks, private
)
Record = dict[str, Any]


@cache
def records(path: Path) -> tuple[Record, ...]:
    return tuple(json.loads(line) for line in recording.read(path))


def benign() -> tuple[Record, ...]:
    return records(FOUND.benign)


def attack(name: str) -> tuple[Record, ...]:
    return records(FOUND.attacks[name].path)


def actor(record: Record) -> str | None:
    user: str | None = record["metadata"]["user_api_key_user_id"]
    return user


def is_auth(record: Record) -> bool:
    return bool(record["error_information"]["normalized_error"] == "401_AUTHENTICATION_FAILED")


def window(signal: str) -> float:
    return SPEC.signals[signal].window or 0.0


def limit(alert: str) -> float:
    when = SPEC.alerts[alert].when
    assert isinstance(when, Threshold | Ratio)
    return when.value


def peak(
    of: Iterable[Record],
    seconds: float,
    group: Callable[[Record], Hashable],
    amount: Callable[[Record], float] = lambda record: 1,
) -> float:
    """The most that one group has in any window of so many seconds."""
    rows: dict[Hashable, deque[tuple[float, float]]] = defaultdict(deque)
    sums: dict[Hashable, float] = defaultdict(float)
    most = 0.0
    for record in of:
        name = group(record)
        if name is None:
            continue
        row = rows[name]
        row.append((record["endTime"], amount(record)))
        sums[name] += row[-1][1]
        while row[0][0] <= record["endTime"] - seconds:
            sums[name] -= row.popleft()[1]
        most = max(most, sums[name])
    return most


def most_distinct(
    of: Iterable[Record], seconds: float, group: Callable[[Record], Hashable], value: Callable[[Record], Hashable]
) -> int:
    """The most different values that one group has in any window of so many seconds."""
    rows: dict[Hashable, deque[tuple[float, Hashable]]] = defaultdict(deque)
    most = 0
    for record in of:
        if group(record) is None or value(record) is None:
            continue
        row = rows[group(record)]
        row.append((record["endTime"], value(record)))
        while row[0][0] <= record["endTime"] - seconds:
            row.popleft()
        most = max(most, len({value for _, value in row}))
    return most


def excess(record: Record) -> float:
    return float(max(0, record["completion_tokens"] - 2 * record["prompt_tokens"]))


def source(record: Record) -> str | None:
    return range_of(record["requester_ip_address"])


# ------------------------------------------------------------------------------------------------ all files
@pytest.mark.parametrize("path", [FOUND.benign, *(FOUND.attacks[name].path for name in ATTACKS)], ids=lambda p: p.name)
def test_each_file_is_a_log_of_one_day_and_of_nobody_real(path: Path) -> None:
    lines = list(recording.read(path))
    ends = [recording.end_time(line) for line in lines]
    assert ends == sorted(ends)
    assert FOUND.midnight <= ends[0] <= ends[-1] < FOUND.midnight + 86_400 + 120
    for line in lines:
        assert b"model_map_information" not in line
        assert b'File \\"/' not in line  # a stack trace with a folder of the machine
    for record in records(path):
        assert OURS.match(record["requester_ip_address"])
        assert re.fullmatch(r"(\w+@example\.com)?", record["metadata"]["user_api_key_user_email"] or "")
        assert record["startTime"] <= record["completionStartTime"] <= record["endTime"]


def test_the_index_counts_what_is_there() -> None:
    assert FOUND.benign_attempts == len(benign())
    for name in ATTACKS:
        assert FOUND.attacks[name].attempts == len(attack(name)) > 0
    said = json.loads((HERE / "recording.json").read_text())
    assert said["benign"]["requests"] == len({record["litellm_call_id"] for record in benign()}) < len(benign())


def test_the_recordings_are_small() -> None:
    assert sum(path.stat().st_size for path in HERE.rglob("*.gz")) < 6_000_000


def test_the_expected_alerts_are_those_of_the_spec() -> None:
    for name in ATTACKS:
        expected = FOUND.attacks[name]
        assert expected.alerts
        for alert in expected.alerts | expected.also:
            assert alert in SPEC.alerts
        for alert in expected.alerts:
            when = SPEC.alerts[alert].when
            assert SPEC.signals[getattr(when, "signal")].by == expected.group[0]  # noqa: B009 - not every condition has one


def test_each_sampled_prompt_names_a_source_that_the_readme_licenses() -> None:
    readme = (HERE / "prompts" / "README.md").read_text()
    for name in ("benign", "attacks"):
        for row in map(json.loads, (HERE / "prompts" / f"{name}.jsonl").read_text().splitlines()):
            assert f"| {row['source'].partition(':')[0]} |" in readme


# ------------------------------------------------------------------------------------------------ the ordinary day
def test_the_day_has_the_rhythm_of_people() -> None:
    zone = ZoneInfo("Europe/Paris")
    people = [record for record in benign() if str(actor(record)).startswith("u-")]
    hours = Counter(datetime.fromtimestamp(record["startTime"], zone).hour for record in people)
    assert sum(hours[hour] for hour in range(6)) < 0.03 * len(people)
    assert hours[12] < 0.6 * min(hours[11], hours[14])
    assert min(hours[hour] for hour in (9, 10, 11, 14, 15, 16)) > 10 * max(hours[hour] for hour in (1, 2, 3, 5))


def test_the_day_has_everything_that_a_gateway_does() -> None:
    assert len({actor(record) for record in benign() if str(actor(record)).startswith("u-")}) == 40
    assert len({actor(record) for record in benign() if str(actor(record)).startswith("svc-")}) == 6
    assert {record["call_type"] for record in benign()} >= {"acompletion", "aembedding"}
    assert {record["custom_llm_provider"] for record in benign()} >= {"openai", "azure", "mistral", "hosted_vllm"}
    streams = [record for record in benign() if record["stream"]]
    assert len(streams) > 1000
    assert sum(record["completionStartTime"] < record["endTime"] for record in streams) > 0.9 * len(streams)
    assert sum("tool_calls" in json.dumps(r["response"]) and bool(r["model_parameters"].get("tools")) for r in benign())
    finishes = Counter(c["finish_reason"] for r in benign() for c in (r["response"] or {}).get("choices") or [])
    assert finishes["tool_calls"] > 300
    assert len({record["end_user"] for record in benign()}) > 100


def test_the_day_has_the_errors_of_any_day() -> None:
    failures = [record for record in benign() if record["status"] == "failure"]
    errors = Counter(record["error_information"]["normalized_error"] for record in failures)
    limits = Counter(record["error_information"]["error_rate_limit_category"] for record in failures)
    assert min(limits["litellm_rate_limit"], limits["vendor_rate_limit"]) > 10
    assert errors["400_CONTEXT_WINDOW_EXCEEDED"] >= 5
    assert errors["400_CONTENT_POLICY_VIOLATION"] >= 2
    assert errors["408_UPSTREAM_TIMEOUT"] >= 3
    assert errors["503_PROVIDER_OVERLOADED"] > 5
    assert errors["401_AUTHENTICATION_FAILED"] > 70
    statuses = defaultdict(list)
    for record in benign():
        statuses[record["litellm_call_id"]].append(record["status"])
    assert sum(sorted(both) == ["failure", "success"] for both in statuses.values()) > 20  # a fallback helped


def test_the_day_has_verdicts_of_guardrails_of_every_kind() -> None:
    verdicts = Counter(
        (one["guardrail_name"], one["guardrail_status"], bool(one["masked_entity_count"]))
        for record in benign()
        for one in record["guardrail_information"] or []
    )
    assert verdicts["personal-data", "success", True] > 20
    assert verdicts["personal-data", "guardrail_intervened", False] == 2
    assert verdicts["jailbreak", "guardrail_intervened", False] >= 1
    assert verdicts["injection-watch", "guardrail_flagged", False] >= 2  # it only logs
    flagged = [
        record
        for record in benign()
        if any(one["guardrail_status"] == "guardrail_flagged" for one in record["guardrail_information"] or [])
    ]
    assert all(record["status"] == "success" for record in flagged)


def test_an_ordinary_day_stays_below_every_threshold_that_needs_no_detector() -> None:
    day = benign()
    refused = [record for record in day if is_auth(record)]
    invalid = [
        r for r in day if r["status"] == "failure" and str(r["error_information"]["normalized_error"]).startswith("400")
    ]
    blocked = [
        record
        for record in day
        if any(one["guardrail_status"] == "guardrail_intervened" for one in record["guardrail_information"] or [])
    ]

    def spent(record: Record) -> float:
        return float(record["response_cost"])

    def written(record: Record) -> float:
        return float(record["completion_tokens"])

    assert peak(day, window("requests_by_actor"), actor) < limit("LLMRequestFlood")
    assert peak(day, 3600, actor) < limit("LLMOffHoursAutomation")  # whatever hours a test moves the day to
    assert peak(day, window("excess_output_by_actor"), actor, written) < limit("LLMModelExtraction")
    assert peak(day, window("spend_by_actor"), actor, spent) < limit("LLMSpendBurst")
    assert peak(refused, window("auth_failures"), source) < limit("LLMAuthFailures")
    assert peak(refused, window("auth_failures"), lambda _: "all") >= 2  # but there are some
    assert most_distinct(refused, window("refused_keys"), source, key) < limit("LLMPasswordGuessing")
    assert most_distinct(day, window("actor_ranges"), actor, source) < limit("LLMStolenKeySuspected")
    assert peak(invalid, window("validation_errors"), actor) < limit("LLMValidationErrors")
    assert peak(blocked, window("guardrail_blocks"), actor) < limit("LLMGuardrailBlocksRepeated")


def test_providers_have_bad_moments_but_no_outage() -> None:
    when = SPEC.alerts["LLMProviderFailing"].when
    assert isinstance(when, Ratio)
    seconds = window("provider_attempts")
    for provider in ("openai", "azure", "mistral", "hosted_vllm"):
        own = [record for record in benign() if record["custom_llm_provider"] == provider and not is_auth(record)]
        recent: deque[Record] = deque()
        bad = 0
        for record in own:
            recent.append(record)
            bad += failed_there(record)
            while recent[0]["endTime"] <= record["endTime"] - seconds:
                bad -= failed_there(recent.popleft())
            assert len(recent) < when.min_denominator or bad / len(recent) < when.value


def failed_there(record: Record) -> bool:
    error = record["error_information"]
    code = str(error["normalized_error"])[:3]
    return code[0] == "5" or code == "408" or error["error_rate_limit_category"] == "vendor_rate_limit"


# ------------------------------------------------------------------------------------------------ the attacks
def key(record: Record) -> str | None:
    hashed: str | None = record["metadata"]["user_api_key_hash"]
    return hashed


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_the_work_of_the_one_that_the_index_names(name: str) -> None:
    label, value = FOUND.attacks[name].group
    who = {"actor": actor, "source_range": source}[label]
    assert {who(record) for record in attack(name)} == {value}


def test_jailbreaks_are_blocked_in_part() -> None:
    blocked = [record for record in attack("jailbreak-campaign") if record["status"] == "failure"]
    assert peak(blocked, window("guardrail_blocks"), actor) >= 5
    assert len(attack("jailbreak-campaign")) - len(blocked) > 10


def test_passwords_are_guessed_from_many_addresses_of_one_range() -> None:
    guesses = attack("password-guessing")
    assert all(is_auth(record) for record in guesses)
    assert most_distinct(guesses, window("refused_keys"), source, key) > 2 * limit("LLMPasswordGuessing")
    assert len({record["requester_ip_address"] for record in guesses}) > 20


def test_a_stolen_key_comes_from_many_ranges_while_its_owner_works() -> None:
    calls = attack("stolen-key")
    assert len({key(record) for record in calls}) == 1
    assert most_distinct(calls, window("actor_ranges"), actor, source) > limit("LLMStolenKeySuspected")
    assert "192.0.2.0/24" in {source(record) for record in calls}


def test_a_model_is_copied_by_long_answers_to_one_template() -> None:
    calls = attack("model-extraction")
    assert peak(calls, window("excess_output_by_actor"), actor, excess) >= limit("LLMModelExtraction")
    assert all(re.match(r"Question \d+: ", record["messages"][-1]["content"]) for record in calls)


def test_cost_abuse_spends_and_writes_little() -> None:
    calls = attack("cost-abuse")
    assert peak(calls, window("spend_by_actor"), actor, lambda r: float(r["response_cost"])) > limit("LLMSpendBurst")
    assert sum(record["completion_tokens"] for record in calls) < limit("LLMModelExtraction")


def test_the_canary_is_in_answers_of_the_exfiltration_and_nowhere_else() -> None:
    (canary,) = FOUND.canaries
    leaks = [record for record in attack("data-exfiltration") if canary in json.dumps(record["response"])]
    assert len(leaks) == 3
    assert not any(canary in json.dumps(record["messages"]) for record in attack("data-exfiltration"))
    for path in (FOUND.benign, *(FOUND.attacks[name].path for name in ATTACKS if name != "data-exfiltration")):
        assert not any(canary.encode() in line for line in recording.read(path))


def test_tools_are_abused_in_their_arguments() -> None:
    arguments = [
        call["function"]["arguments"]
        for record in attack("tool-abuse")
        for call in record["response"]["choices"][0]["message"]["tool_calls"]
    ]
    assert any("/etc/shadow" in text for text in arguments)
    assert (
        sum(bool(re.search(r"curl|/etc/|rm -rf|/dev/tcp|credentials|\bnc\b|id_rsa", text)) for text in arguments) >= 8
    )


def test_documents_carry_the_injection_in_messages_of_tools() -> None:
    def says(record: Record, role: str) -> str:
        return " ".join(str(m["content"]) for m in record["messages"] if m["role"] == role)

    calls = attack("document-injection")
    assert sum("previous instructions" in says(record, "tool") for record in calls) >= 3
    assert not any("previous instructions" in says(record, "user") for record in calls)


@pytest.mark.parametrize("name", ["prompt-injection", "system-prompt-extraction"])
def test_prompts_that_take_over_or_ask_for_instructions_are_by_the_user(name: str) -> None:
    texts = [record["messages"][-1]["content"].lower() for record in attack(name)]
    assert all(record["messages"][-1]["role"] == "user" for record in attack(name))
    assert sum(bool(re.search(r"instruction|prompt|rules|anweisung", text)) for text in texts) > len(texts) / 3
