"""SECURITY.md names tests that exist, and each of its ten threats has some, or says what is accepted."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PAGE = (_ROOT / "SECURITY.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", _PAGE)))


@cache
def _tests_in(path: str) -> frozenset[str]:
    found = ast.walk(ast.parse((_ROOT / path).read_text(encoding="utf-8")))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("path", "name"), _NAMED)
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in _tests_in(path)


def test_every_threat_has_tests() -> None:
    threats = re.split(r"^#### ", _PAGE, flags=re.MULTILINE)[1:]
    assert [text.partition(".")[0] for text in threats] == [str(number) for number in range(1, 11)]
    for text in threats:
        assert re.search(r"^- Held by: ", text, re.MULTILINE)
        assert len(re.findall(r"`tests/[\w/.]+\.py::test_\w+`", text)) >= 3, text.partition("\n")[0]
