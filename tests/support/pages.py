"""The pages of the docs, as text that tests hold against what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between fences: its language, "" for none, and its text without the page's indentation."""

    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    for _, language, body in _FENCE.findall(text):
        yield Block(language, dedent(body))


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def section(text: str, title: str) -> str:
    """A section of a page, up to the next heading of its rank or a higher one."""
    plain = _FENCE.sub(
        lambda found: re.sub(r"^#", "\0", found[0], flags=re.MULTILINE), text
    )  # comments are no headings
    headings = list(_HEADING.finditer(plain))
    begin = next(heading for heading in headings if heading[2] == title)
    later = (heading for heading in headings if heading.start() > begin.start() and len(heading[1]) <= len(begin[1]))
    end = next(later, None)
    return text[begin.start() : end.start() if end else None]


def anchors(text: str) -> set[str]:
    """What a link into a page may name after its ``#``, as forges make it from headings."""
    plain = prose(text)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()).strip().replace(" ", "-")
        for _, title in _HEADING.findall(plain)
    }
