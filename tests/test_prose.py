"""Everything that a user reads is plain English, as far as a program can hold that (rules: `tests/prose.py`)."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tocsin
from spec import Spec, load_spec
from tests.prose import BETTER, LONGEST, findings, literals, sentences

_ROOT = Path(__file__).parent.parent
_PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "runbooks/*.md", "exporters/hooks/**/*.md")
    for path in _ROOT.glob(pattern)
)
_ROOMS = ("runtime", "spec", "events", "alerts", "exporters", "generators", "replay", "exercises")
_RULES = sorted(_ROOT.glob("alert_rules/*.rules.yaml"))
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_DASHBOARDS = sorted(_ROOT.glob("dashboards/*.json"))


def _wrong(text: str) -> list[str]:
    return [f"{found.why}: {found.sentence}" for found in findings(text)]


def test_there_are_pages_and_dashboards_to_read() -> None:
    assert len(_PAGES) > 40
    assert len(_DASHBOARDS) > 5


@pytest.mark.parametrize("path", _PAGES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_a_page_is_plain_english(path: Path) -> None:
    assert _wrong(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", _DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_plain_english(path: Path) -> None:
    texts = list(_texts(json.loads(path.read_text(encoding="utf-8"))))
    assert len(texts) > 10
    assert [wrong for text in texts for wrong in _wrong(text)] == []


def test_the_spec_is_plain_english() -> None:
    assert [wrong for text in _prose(load_spec()) for wrong in _wrong(text)] == []


@pytest.mark.parametrize("path", _RULES, ids=lambda path: path.stem)
def test_what_a_page_says_is_plain_english(path: Path) -> None:
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    notes = {text for group in groups for rule in group["rules"] for text in rule.get("annotations", {}).values()}
    assert len(notes) > 10
    assert [wrong for text in sorted(notes) for wrong in _wrong(_TEMPLATE.sub("x", text))] == []


def test_the_help_of_each_command_is_plain_english() -> None:
    commands = re.search(r"\{([a-z,]+)\}", _help())
    assert commands
    texts = [_help(), *map(_help, commands[1].split(","))]
    assert len(texts) > 5
    assert [wrong for text in texts for wrong in _wrong(text)] == []


def test_what_a_program_says_is_plain_english() -> None:
    """Errors, log lines, notes: every text in the code that has words and is no documentation of it."""
    files = [path for room in _ROOMS for path in sorted((_ROOT / room).rglob("*.py"))]
    texts = [(path, text) for path in [_ROOT / "tocsin.py", *files] for text in literals(path.read_text("utf-8"))]
    assert len(texts) > 1_000
    assert [f"{path.relative_to(_ROOT)}: {wrong}" for path, text in texts for wrong in _wrong(text)] == []


def _help(*command: str) -> str:
    """The help of tocsin, or of one of its commands; each option is a paragraph."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit, match="0"):
        tocsin.main([*command, "--help"])
    return re.sub(r"\n(?= {2,4}\S)", "\n\n", out.getvalue())


def _texts(value: Any) -> Iterator[str]:
    """Titles and descriptions anywhere in a dashboard."""
    if isinstance(value, dict):
        yield from (value[key] for key in ("title", "description") if isinstance(value.get(key), str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _prose(spec: Spec) -> Iterator[str]:
    for alert in spec.alerts.values():
        yield from (alert.summary, alert.meaning, alert.impact, alert.why, *alert.triage, *alert.false_positives)
    for table in (spec.signals, spec.families, spec.health, spec.external, spec.fields):
        yield from (entry.help for entry in table.values())
    yield from (signal.no_alert for signal in spec.signals.values())
    yield from (incident.title for incident in spec.incidents.values())


# ------------------------------------------------------------------------------------------------------ the rules
def test_a_long_sentence_is_found() -> None:
    assert _wrong(" ".join(["word"] * LONGEST)) == []
    assert _wrong(" ".join(["word"] * (LONGEST + 1))) != []


@pytest.mark.parametrize("word", ["the gravest one", "Consider to switch it on", "three, of which one fails"])
def test_a_word_that_we_do_not_use_is_found(word: str) -> None:
    assert _wrong(word) != []
    assert len(BETTER) > 5


def test_texts_of_code_are_found_and_its_documentation_is_not() -> None:
    code = (
        'def f(x):\n    """A word is told here."""\n    raise ValueError(f"{x} was told of {x!r} here" + "one two")\n'
    )
    assert list(literals(code)) == ["x was told of x here"]


def test_code_and_links_are_no_sentences() -> None:
    assert _wrong("```\nhe was told\n```\n`told` and [a page](https://example.org/told).") == []
    assert list(sentences("One. Two!\n\n| three | four |\n")) == ["One.", "Two!", "three", "four"]
