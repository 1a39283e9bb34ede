"""Ordinary use wakes nobody: the shipped spec over logs that look like attacks at first sight."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from replay import replay, replay_engine
from replay.log_options import LogOptions
from replay.paging_report import Pages, pages_of
from spec import load_spec
from tests.ordinary.days import DAYS
from tests.support.litellm_lines import line

SPEC: Final = load_spec()
FALSE_PAGES: Final = {"moderation": ["LLMPromptInjectionRepeated"]}
"""What pages although nobody needs it. The remedy: declare the application's key as shared."""
TRUE_PAGES: Final = {"flapping_provider": ["LLMProviderFailing"]}
"""A provider of which every third call fails is worth one page, not fifteen."""
A_WEEK: Final = 2
"""False pages that a week with all of this may have."""


def pages(folder: Path, name: str, **options: object) -> Pages:
    log = folder / "gateway.jsonl"
    log.write_bytes(b"".join(map(line, DAYS[name]())))
    outcome = replay(replay_engine(SPEC, LogOptions(**options)), [log], until_quiet=True)  # type: ignore[arg-type]
    assert outcome.rejected == 0
    return pages_of(outcome, SPEC)


def alerts_of(found: Pages) -> list[str]:
    """The alerts that woke somebody, one for each page."""
    return [incident.instances[0].rule.name for incident in found.incidents for _ in incident.pages]


@pytest.mark.parametrize("name", DAYS)
def test_ordinary_use_pages_nobody(tmp_path: Path, name: str) -> None:
    expected = FALSE_PAGES.get(name, []) + TRUE_PAGES.get(name, [])
    assert alerts_of(pages(tmp_path, name)) == expected, DAYS[name].__doc__


def test_all_of_it_together_stays_within_what_a_week_may_have() -> None:
    assert sum(map(len, FALSE_PAGES.values())) <= A_WEEK
    assert {*FALSE_PAGES, *TRUE_PAGES} <= DAYS.keys()


def test_the_remedy_works(tmp_path: Path) -> None:
    assert alerts_of(pages(tmp_path, "moderation", shared_keys=("svc-moderation-key",))) == []
