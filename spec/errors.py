"""What can be wrong with a configuration file, said so that it can be repaired without reading code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runtime.errors import TocsinError
from runtime.text import printable

Path = tuple[str | int, ...]
"""Where a value is in a document: map keys and list positions from the top."""

_LONGEST = 60  # characters of a found value worth repeating
_LONGEST_TEXT = 1_200  # characters of a whole message


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A position in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what was expected instead."""

    text: str
    path: Path = ()
    place: Place | None = None

    def __str__(self) -> str:
        parts = (str(self.place or ""), dotted(self.path), brief(self.text))
        return printable(": ".join(part for part in parts if part))


class SpecError(TocsinError):
    """A configuration that cannot be used. `problems` has all that were found; the text is one line for each."""

    names_its_place = True

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class YamlError(SpecError):
    """A file cannot be read, is not YAML, or has the same key twice."""


class ShapeError(SpecError):
    """A key is unknown or missing, or a value is not of the type or word that is expected there."""


class DanglingReferenceError(SpecError):
    """An entry names another one that does not exist."""


def dotted(path: Path) -> str:
    """``("alerts", "LLMRequestFlood", "triage", 0)`` as ``alerts.LLMRequestFlood.triage[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shortened(step)}"
    return text.removeprefix(".")


def place_of(path: Path, places: Mapping[Path, Place]) -> Place | None:
    """The place of `path`, or of the nearest thing around it that has one."""
    for size in range(len(path), -1, -1):
        if path[:size] in places:
            return places[path[:size]]
    return None


def nearest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the word that looks most like `word`, else nothing."""
    if len(word) > _LONGEST:  # nobody means that, and comparing it takes long
        return ""
    choices = list(words)
    folded = {choice.casefold(): choice for choice in reversed(choices)}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def one_of(words: Iterable[str]) -> str:
    """The words as the end of a sentence: ``one of a, b, c``, or ``'a'`` when there is one."""
    choices = list(words)
    if len(choices) == 1:
        return repr(choices[0])
    return f"one of {', '.join(choices)}" if choices else "nothing (there are none)"


def brief(text: str) -> str:
    """A message without its middle if it is long: what was found in a file can be as long as the file."""
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"


def shortened(text: str) -> str:
    """A text that was found, with its end cut off if it is long."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def described(value: object) -> str:
    """What was found, in the words of somebody who writes YAML."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(shortened(value))
        case int() | float():
            return f"the number {value}"
        case dict():
            return "a map"
        case _:
            return "a list"
