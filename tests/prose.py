"""What a program can hold of plain English: how long a sentence is, and words that we do not use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 36
"""Words in a sentence, at most. Most should have half of that."""

BETTER: Final = {
    r"grave(r|st)?": "severe",
    r"hears?|heard": "is notified, receives",
    r"told": "reported, counted, asked",
    r"liveliest": "most recent",
    r"consider to \w+": "consider ...ing",
    r"peace": "no alerts does not mean no attacks",
    r"seldom": "rarely",
    r"of (which|whom)": "split the sentence",
    r"wherein|thereof|whereby|hitherto": "plain words",
    r"utili[sz]es?": "use",
    r"in order to": "to",
    r"anew": "again",
    r"(?<!there )is none": "is not a ...",
}
"""Words that we do not use, as regular expressions, and what to write instead."""

_BANNED: Final = {re.compile(rf"\b(?:{word})\b", re.IGNORECASE): better for word, better in BETTER.items()}
_CODE: Final = re.compile(r"```.*?```|<!--.*?-->", re.DOTALL)
_INLINE: Final = re.compile(r"`[^`]*`")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_PARAGRAPH: Final = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#>]|\d+\.)\s?)")
_SENTENCE: Final = re.compile(r"(?<=[.!?:;])[)\"*]*\s+")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence to write again, and why."""

    sentence: str
    why: str


def sentences(text: str) -> Iterator[str]:
    """The sentences of Markdown or plain text; code blocks and comments left out, table cells one by one."""
    text = _LINK.sub(r"\1", _INLINE.sub("`x`", _CODE.sub("", text)))
    for paragraph in _PARAGRAPH.split(text):
        cells = paragraph.split("|") if paragraph.lstrip().startswith("|") else [paragraph]
        for cell in cells:
            yield from filter(None, _SENTENCE.split(" ".join(cell.split())))


def findings(text: str) -> Iterator[Finding]:
    """What to write again in a text."""
    for sentence in sentences(text):
        if _words(sentence) > LONGEST:
            yield Finding(sentence, f"{_words(sentence)} words, at most {LONGEST}: split it")
        for banned, better in _BANNED.items():
            if match := banned.search(sentence):
                yield Finding(sentence, f"{match[0]!r}: write {better}")


def literals(code: str) -> Iterator[str]:
    """The texts of at least four words in Python code, without docstrings; ``x`` stands for what is filled in."""
    tree = ast.parse(code)
    skipped: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            text = node.value
        else:
            continue
        if len(text.split()) > 3:
            yield text


def _words(sentence: str) -> int:
    """How many words a sentence has; names in code are not read word by word."""
    return sum("`" not in word for word in sentence.split())
