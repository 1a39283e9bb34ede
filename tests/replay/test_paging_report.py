"""What a newcomer reads: would it have paged?"""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tocsin
from alerts import AlertInstance, compile_alerts
from events.coverage import Coverage
from replay import Outcome
from replay.coverage import Covered
from replay.paging_report import as_data, as_text, pages_of
from spec import load_spec
from tests.support.litellm_lines import line, record

SPEC = load_spec()
RULES = compile_alerts(SPEC)
NOON = 1_794_913_200.0  # Tuesday 2026-11-17 in Paris
RECORDINGS = Path(__file__).parents[1] / "recordings"


def instance(name: str, at: float = NOON, value: float = 60.0, actor: str = "alice") -> AlertInstance:
    rule = next(rule for rule in RULES if rule.name == name and rule.family == name)
    answered = 4.0 if rule.answered else None
    peaks = {int(at // 86_400): (value, at)}
    return AlertInstance(rule, {"actor": actor, "tenant": "lab"}, at, value, answered, at + 9 * 3600, peaks)


def outcome(*instances: AlertInstance) -> Outcome:
    covered = Covered(Coverage(records=1234, scanned=False), (), 34)
    return Outcome(1234, 5, 6, instances, NOON - 6 * 3600, NOON + 30 * 86_400, covered=covered)


def text(*instances: AlertInstance, **options: Any) -> str:
    return as_text(pages_of(outcome(*instances), SPEC), **options)


def test_a_quiet_log_is_said_first() -> None:
    assert "Nobody would have been paged in 92 shifts of 8 hours; 34 of 34 alerts could have fired." in text()
    assert "Alerts" not in text()


def test_no_attempt_is_no_quiet_log() -> None:
    found = Coverage()
    found.reject("not_json", 7)
    said = as_text(pages_of(Outcome(0, 7, 0, (), covered=Covered(found, (), 34)), SPEC)).splitlines()
    assert said[0] == "None of 7 records could be read, so this proves nothing: nobody would have been paged."
    assert "  records    0 read, 7 rejected (100 %)" in said


def test_who_when_why_and_what_then() -> None:
    said = text(instance("LLMJailbreakRepeated"))
    assert "1 page in 92 shifts of 8 hours, 91 without a page." in said
    assert "The budget is 2 pages a shift; no shift exceeds it." in said
    assert "Tue 2026-11-17 11:00:00  high  pages pager-security" in said
    assert "LLMJailbreakRepeated: alice (lab) keeps trying to jailbreak a model" in said
    assert "worst value 60, alert at >= 3; 4 answered by the model" in said
    assert "unacknowledged after 15 minutes: pager-security, pager-platform" in said
    assert "not contained after 2 hours: exec-bridge" in said
    assert "To stay within the budget" not in said


def test_a_shift_over_the_budget_is_named_and_a_way_out_is_shown() -> None:
    said = text(*(instance("LLMSpendBurst", value=60.0 + place, actor=f"u{place}") for place in range(5)))
    assert "5 pages in 92 shifts of 8 hours, 91 without a page." in said
    assert "1 shift exceeds it." in said
    assert "Tue 2026-11-17 07:00 to 15:00  pager-security  5      over the budget of 2" in said
    assert "LLMSpendBurst: alert at 63 instead of 50. 3 of 5 hits would no longer page" in said
    assert "A log cannot tell an attack from a false alarm." in said


def test_what_pages_only_if_nobody_acknowledges_is_told_apart() -> None:
    said = text(instance("LLMRequestFlood"))
    assert "Nobody would have been paged" in said
    assert "pages nobody yet" in said
    assert "unacknowledged after 4 hours: pager-platform" in said


def test_many_pages_are_cut_short_in_text_and_whole_in_json() -> None:
    many = [instance("LLMSpendBurst", NOON + place * 36_000, actor=f"u{place}") for place in range(50)]
    assert "... and 10 more; --format json has all of them." in text(*many)
    data = as_data(pages_of(outcome(*many), SPEC))
    assert (len(data["incidents"]), len(data["duties"]), data["pages"]) == (50, 50, 50)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    found = [
        instance(name, actor=f"user{place}") for place in range(4) for name in ("LLMSpendBurst", "LLMJailbreakRepeated")
    ]
    lines = text(*found, width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_names_from_a_log_cannot_steer_the_terminal() -> None:
    said = text(replace(instance("LLMSpendBurst"), labels={"actor": "\x1b[2J\u202eevil", "tenant": "a\nb"}))
    assert "\x1b" not in said and "\u202e" not in said
    assert r"\x1b[2J\u202eevil (a\nb) spends" in said


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert tocsin.main(["replay", "--pages", "--format", "json", *arguments]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_a_proposal_is_confirmed_by_a_second_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five accounts spend more than fifty dollars in a shift: at what value do two of them still page?"""
    lines = []
    for place in range(5):
        spent = record(NOON + place, f"big-{place}", user=f"user-{place}")
        lines.append(line({**spent, "response_cost": 55.0 + 10 * place}))
    log = tmp_path / "gateway.jsonl.gz"
    log.write_bytes(gzip.compress(b"".join(lines)))
    overlay = tmp_path / "overlay.yaml"
    before = replayed(capsys, "--no-content", str(log), "--propose", str(overlay))
    assert (before["pages"], before["shifts_over_budget"]) == (5, 1)
    assert before["incidents"][0]["pages"] == [{"at": "2026-11-17T11:00:00.000000Z", "channel": "pager-security"}]
    assert tocsin.main(["check", str(overlay)]) == 0
    capsys.readouterr()
    after = replayed(capsys, "--no-content", str(log), "--spec", str(overlay))
    assert (after["pages"], after["shifts_over_budget"]) == (2, 0)
    assert after["proposal"] == {"changes": [], "left_over_budget": []}
    assert load_spec(overlay).alerts["LLMSpendBurst"].when.comparison == (">=", 76)


def test_a_proposal_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "gateway.jsonl"
    log.write_bytes(line(record(NOON, "one")))
    assert tocsin.main(["replay", "--no-content", str(log), "--propose", str(tmp_path / "no" / "o.yaml")]) == 1
    assert "o.yaml: cannot be written: there is no folder" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert tocsin.main(["replay", "--no-content", str(log), "--report", str(tmp_path / "folder")]) == 1
    assert "folder: cannot be written: Is a directory" in capsys.readouterr().err


@pytest.mark.slow
def test_recorded_attacks_page_and_a_proposal_keeps_to_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attacks = sorted(map(str, (RECORDINGS / "attacks").glob("*.jsonl.gz")))
    overlay = str(tmp_path / "overlay.yaml")
    before = replayed(capsys, *attacks, "--propose", overlay)
    assert {duty["channel"] for duty in before["duties"]} == {"pager-security"}
    assert [duty["pages"] for duty in before["duties"]] == [2, 2, 4]
    after = replayed(capsys, *attacks, "--spec", overlay)
    assert (before["shifts_over_budget"], after["shifts_over_budget"]) == (1, 0)
