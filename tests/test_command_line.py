import json
import re
from pathlib import Path

import pytest

import tocsin


def test_the_shipped_spec_passes_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert tocsin.main(["check"]) == 0
    assert " 0 errors" in capsys.readouterr().out


def test_issues_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert tocsin.main(["check", "--format", "json"]) == 0
    assert all(issue["severity"] == "warning" for issue in json.loads(capsys.readouterr().out)["issues"])


def test_a_misspelt_overlay_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("alerts:\n  LLMSpendBurst:\n    sevrity: low\n")
    assert tocsin.main(["check", str(overlay)]) == 1
    error = capsys.readouterr().err
    assert "own.yaml:3:5" in error
    assert "'severity'" in error


def test_an_overlay_that_breaks_a_rule_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text("alerts:\n  LLMSpendBurst:\n    atlas: [AML.T9999]\n")
    assert tocsin.main(["check", str(overlay)]) == 1
    out = capsys.readouterr().out
    assert "AML.T9999" in out
    assert "own.yaml:3:" in out


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        tocsin.main([])
    assert "usage: tocsin" in capsys.readouterr().err


def test_every_command_has_its_section_in_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        tocsin.main(["--help"])
    found = re.search(r"\{([a-z,]+)\}", capsys.readouterr().out)
    assert found is not None
    page = (Path(tocsin.__file__).parent / "docs" / "commands.md").read_text(encoding="utf-8")
    assert sorted(found[1].split(",")) == sorted(re.findall(r"^## (.*)$", page, re.MULTILINE))
