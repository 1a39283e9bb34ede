"""What a person reads of what was looked at, and that silence never stands alone."""

import json
from pathlib import Path
from typing import Any

import pytest

import tocsin
from alerts.blind import Unable
from events.coverage import Coverage
from replay.coverage import ADVICE, Covered, as_data, lines, silence
from spec.vocabulary import REJECTIONS
from tests.support.litellm_lines import line, record

START = 1_790_000_000.0


def log_of(folder: Path, *parts: bytes, name: str = "gateway.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path


def replayed(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = tocsin.main(["replay", *map(str, arguments)])
    return status, capsys.readouterr().out


def good(count: int, **changes: Any) -> list[bytes]:
    return [line(record(START + place, f"r{place}", **changes)) for place in range(count)]


def test_rejects_are_told_with_file_and_first_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = log_of(tmp_path, *good(2), b"oops\n", b"\n", b"oops\n", b'{"a": 1}\n')
    second = log_of(tmp_path, b"oops\n", name="other.jsonl")
    status, said = replayed(capsys, "--format", "json", first, second)
    found = {
        (Path(each["file"]).name, each["reason"]): (each["count"], each["first_line"])
        for each in json.loads(said)["coverage"]["rejected"]
    }
    assert status == 0
    assert found == {
        ("gateway.jsonl", "not_json"): (2, 3),
        ("gateway.jsonl", "missing_field"): (1, 6),
        ("other.jsonl", "not_json"): (1, 1),
    }


def test_the_number_of_a_line_counts_those_before_its_chunk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = good(3, prompt="x" * 200_000)
    _, said = replayed(capsys, "--no-content", "--format", "json", log_of(tmp_path, *many, b"oops\n", *many, b"oops\n"))
    assert [(each["count"], each["first_line"]) for each in json.loads(said)["coverage"]["rejected"]] == [(2, 4)]


@pytest.mark.parametrize("pages", [(), ("--pages",)])
@pytest.mark.parametrize("data", [b"", b"oops\n"])
def test_nothing_read_is_an_error_and_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, pages: tuple[str, ...]
) -> None:
    status, said = replayed(capsys, "--no-content", *pages, log_of(tmp_path, data))
    assert status == 1
    assert "this proves nothing" in said and "Coverage" in said
    assert "No alert fires." not in said and "Nobody would have been paged." not in said


@pytest.mark.parametrize("pages", [(), ("--pages",)])
def test_a_quiet_log_says_how_many_alerts_could_have_fired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pages: tuple[str, ...]
) -> None:
    status, said = replayed(capsys, *pages, log_of(tmp_path, *good(3)))
    assert status == 0
    assert "alerts could have fired." in said
    assert "\nCoverage\n  records    3 read, 0 rejected\n" in said


def test_little_read_proves_little() -> None:
    found = Coverage(records=2, mapped=frozenset(("prompt", "answer")))
    found.reject("not_json", 7)
    assert silence(Covered(found, (), 34), "No alert fires") == (
        "No alert fires, which proves little: only 2 of 9 records could be read; 34 of 34 alerts could have fired."
    )


def test_silence_without_answers_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of(tmp_path, *good(3, answer=""), *(line(record(START + 9, "last")),))
    assert "could have fired, and there was no answer in 3 of 4." in replayed(capsys, log)[1]
    assert "there was no" not in replayed(capsys, "--no-content", log)[1]


def test_what_can_be_changed_comes_first() -> None:
    unable = (Unable("A", "exporter", "x"), Unable("B", "exporter", "x"), Unable("C", "field", "no cost"))
    said = [each.strip() for each in lines(Covered(Coverage(records=1), unable, 9)) if " not: " in each]
    assert said == ["1 not: no cost (C)", "2 not: x (A, B)"]


def test_content_that_was_not_scanned_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of(tmp_path, *good(3))
    assert "not scanned (--no-content)" in replayed(capsys, "--no-content", log)[1]
    assert "every prompt was there (3); every answer was there (3)" in replayed(capsys, log)[1]


def test_words_that_are_not_understood_are_told_by_side_and_call_type() -> None:
    found = Coverage(records=3, mapped=frozenset(("prompt", "answer")))
    found.unread.update({("answer", "ocr"): 2, ("prompt", "a\x1b[2Jb"): 1})
    said = "\n".join(lines(Covered(found, (), 0)))
    assert "words in no place that Tocsin knows, which no rule read: answer of ocr 2, prompt of a\\x1b[2Jb 1" in said
    assert as_data(Covered(found, (), 0))["content"]["not_understood"][0] == {
        "side": "answer",
        "call_type": "ocr",
        "count": 2,
    }


def test_repeated_records_are_no_rejects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = replayed(capsys, "--no-content", log_of(tmp_path, *good(3), *good(3)))
    assert "3 read, 3 more were repeated, 0 rejected" in said


def test_a_person_sees_reasons_and_json_every_alert() -> None:
    unable = tuple(Unable(f"LLMThing{place}", "field", "no cost") for place in range(9))
    covered = Covered(Coverage(records=1), unable, 34)
    (said,) = (each for each in lines(covered) if "no cost" in each)
    assert said.strip() == "9 not: no cost (LLMThing0, LLMThing1, LLMThing2, and 6 more)"
    assert len(as_data(covered)["alerts_that_could_not_fire"]) == 9


def test_names_of_files_cannot_steer_a_terminal() -> None:
    found = Coverage()
    found.reject("not_json", file="a\x1b[31mb", line=1, detail="\x1b[2J")
    assert "\x1b" not in "".join(lines(Covered(found, (), 0)))


def test_lines_are_as_wide_as_asked() -> None:
    found = Coverage(records=9)
    found.reject("missing_field", file="gateway.jsonl", line=1, detail="no `status`")
    assert all(len(each) <= 80 for each in lines(Covered(found, (), 0), width=80))


def test_every_reason_has_advice() -> None:
    assert set(ADVICE) == set(REJECTIONS)
