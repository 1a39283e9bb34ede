"""What a person reads."""

import json
from dataclasses import replace

import pytest

from alerts import AlertInstance, compile_alerts
from events.coverage import Coverage
from replay import Outcome
from replay.coverage import Covered
from replay.report import as_json, as_text
from spec import load_spec, names

SPEC = load_spec()
RULES = compile_alerts(SPEC)
AT = 1_790_000_000.0


def instance(name: str, at: float = AT, until: float | None = None, family: str = "", **labels: str) -> AlertInstance:
    rule = next(rule for rule in RULES if rule.name == name and rule.family == (family or name))
    return AlertInstance(rule, labels, at, 12.0, 4.0 if rule.answered else None, until)


def outcome(*instances: AlertInstance) -> Outcome:
    return Outcome(
        1234, 5, 6, instances, AT - 60, AT + 60, covered=Covered(Coverage(records=1234, scanned=False), (), 34)
    )


def jailbreak(**changes: object) -> AlertInstance:
    return replace(instance("LLMJailbreakRepeated", actor="alice", tenant="lab"), **changes)  # type: ignore[arg-type]


def test_an_entry_says_when_how_bad_what_who_and_where_to_look() -> None:
    text = as_text(outcome(jailbreak(resolved_at=AT + 3600)), SPEC)
    assert "1,234 attempts, 6 blocked, 5 records rejected" in text
    assert "2026-09-21T14:13:20Z  high      LLMJailbreakRepeated  actor=alice  tenant=lab" in text
    assert "alice (lab) keeps trying to jailbreak a model" in text
    assert "worst value 12, alert at >= 3; up to 4 answered by the model; to pager-security, chat-security" in text
    assert "until 2026-09-21T15:13:20Z" in text
    assert "https://tocsin.example/runbooks/LLMJailbreakRepeated.md" in text


def test_blocked_and_answered_are_told_apart() -> None:
    assert "none answered by the model: blocked, refused or failed" in as_text(outcome(jailbreak(answered=0.0)), SPEC)
    assert "answered" not in as_text(outcome(instance("LLMSpendBurst", actor="a", tenant="b")), SPEC)


def test_what_still_fires_is_said() -> None:
    assert "still firing at the end" in as_text(outcome(jailbreak()), SPEC)


def test_nothing_is_said_in_words() -> None:
    said = as_text(outcome(), SPEC).splitlines()
    assert said[1] == "No alert fires; 34 of 34 alerts could have fired."
    said = as_text(Outcome(0, 0, 0, ()), SPEC).splitlines()
    assert said[:2] == [
        "0 attempts, 0 blocked, 0 records rejected",
        "No record was found, so this proves nothing: no alert fires.",
    ]


def test_the_table_counts_each_alert_and_puts_the_gravest_first() -> None:
    late, leak = jailbreak(fired_at=AT + 60), instance("LLMCanaryLeaked", actor="bob", tenant="lab")
    table = as_text(outcome(jailbreak(), late, leak), SPEC).split("\n\n")[-2].splitlines()
    assert table[0].split() == ["alert", "severity", "times", "first", "last", "notified"]
    assert table[1].split()[:3] == ["LLMCanaryLeaked", "critical", "1"]
    assert table[2].split()[:5] == ["LLMJailbreakRepeated", "high", "2", "2026-09-21T14:13:20Z", "2026-09-21T14:14:20Z"]
    assert table[2].endswith("pager-security, chat-security")


def test_single_alerts_under_a_storm_page_nobody() -> None:
    storm = instance(names.STORM, until=AT + 100, family="LLMJailbreakRepeated", alert="LLMJailbreakRepeated")
    before, under, after = (jailbreak(fired_at=AT + offset) for offset in (-10, 0, 100))
    text = as_text(outcome(before, storm, under, after), SPEC)
    assert text.count("to nobody: LLMAlertStorm covers it") == 1
    other = instance("LLMSpendBurst", at=AT + 1, actor="a", tenant="b")
    assert "covers it" not in as_text(outcome(storm, other), SPEC)
    assert "LLMAlertStorm (LLMJailbreakRepeated)" in text


def test_a_label_steers_no_terminal() -> None:
    evil = "a\x1b[2J\r\n\u202e{tenant}"
    text = as_text(outcome(jailbreak(labels={"actor": evil, "tenant": "lab"})), SPEC)
    assert "\x1b" not in text and "\r" not in text and "\u202e" not in text
    assert "actor=a\\x1b[2J\\r\\n\\u202e{tenant}  tenant=lab" in text
    assert "a\\x1b[2J\\r\\n\\u202e{tenant} (lab) keeps" in text
    assert evil == json.loads(as_json(outcome(jailbreak(labels={"actor": evil}))))["alerts"][0]["labels"]["actor"]


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_text_fits_the_screen(width: int) -> None:
    text = as_text(
        outcome(jailbreak(), instance("LLMGuardrailBlocksRepeated", actor="x" * 30, tenant="y")), SPEC, width=width
    )
    assert all(len(row) <= width for row in text.splitlines() if "https:" not in row)


def test_colour_is_only_for_a_terminal() -> None:
    assert "\x1b[1;31mhigh\x1b[0m" in as_text(outcome(jailbreak()), SPEC, color=True)
    assert "\x1b" not in as_text(outcome(jailbreak()), SPEC)
