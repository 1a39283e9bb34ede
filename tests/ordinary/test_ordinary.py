"""Ordinary use wakes nobody: the shipped spec over logs that look like attacks at first sight."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.ordinary.days import DAYS
from tests.ordinary.played import told
from tests.ordinary.table import table

FALSE_PAGES: Final = {"moderation": ("LLMPromptInjectionRepeated",)}
"""What pages although nobody needs it. The remedy: declare the application's key as shared."""
TRUE_PAGES: Final = {"flapping_provider": ("LLMProviderFailing",)}
"""A provider of which every third call fails is worth one page, not fifteen."""
A_WEEK: Final = 2
"""False pages that a week with all of this may have."""
PAGE: Final = Path(__file__).parents[2] / "docs" / "ordinary-use.md"


@pytest.mark.parametrize("name", DAYS)
def test_ordinary_use_pages_nobody(name: str) -> None:
    assert told(name).pages == FALSE_PAGES.get(name, ()) + TRUE_PAGES.get(name, ()), DAYS[name].__doc__


def test_all_of_it_together_stays_within_what_a_week_may_have() -> None:
    assert sum(map(len, FALSE_PAGES.values())) <= A_WEEK
    assert {*FALSE_PAGES, *TRUE_PAGES} <= DAYS.keys()


def test_the_remedy_works() -> None:
    assert told("moderation", shared_keys=("svc-moderation-key",)).pages == ()


def test_the_docs_have_the_table() -> None:
    """`python -m tests.ordinary.table` prints it."""
    assert table() in PAGE.read_text()
