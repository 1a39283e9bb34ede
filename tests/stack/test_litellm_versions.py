"""One crowd of requests through LiteLLM of several versions: what is read of it is what was asked.

What is not as it should be is named in tests/versions/known.yaml, and nothing else may be wrong. An entry that is right
again has to go, so that the table in docs/gateways/litellm.md stays true.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.litellm_versions import EVERY_TIME, VERSIONS, need
from tests.versions.cases import CASES
from tests.versions.crowd import ask_everything
from tests.versions.features import FEATURES
from tests.versions.known import CHANCE, MISSING, PAGE, expected, page_with_table, ways_of

_LONG = pytest.mark.skipif(
    os.environ.get("TOCSIN_SOAK") != "1", reason="`make long` runs this version: set TOCSIN_SOAK=1"
)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", [pytest.param(one, marks=() if one in EVERY_TIME else _LONG) for one in VERSIONS])
def test_what_is_read_is_what_was_asked_but_for_what_the_table_names(version: str, tmp_path: Path) -> None:
    need(version)
    seen = ask_everything(tmp_path, version)
    known = expected(version)
    surprises = []
    for feature in FEATURES:
        for way in ways_of(version, feature):
            wrong, entry = feature.question(seen, way), known.get((feature.name, way))
            if entry is not None and entry.kind == CHANCE:
                continue
            if wrong and entry is None:
                surprises.append(f"{feature.name} by {way} is wrong: {'; '.join(wrong[:5])}")
            elif entry is not None and not wrong:
                said = "cannot be known" if entry.kind == MISSING else "is wrong"
                surprises.append(f"{feature.name} by {way} is right, and known.yaml says that it {said}: take it out")
    assert not surprises, f"LiteLLM {version}:\n" + "\n".join(surprises)


def test_the_crowd_is_of_all_sorts_and_bounded() -> None:
    assert 100 <= len(CASES) <= 150
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_has_the_table() -> None:
    assert page_with_table(PAGE.read_text()) == PAGE.read_text(), "run `.venv/bin/python -m tests.versions.known`"
