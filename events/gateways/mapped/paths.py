"""Places in a JSON record: ``usage.input``, ``["name.with.dots"]``, ``choices[0].text``, ``calls[].name``."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

Step = str | int | None
"""A name in an object, a place in a list (negative: from its end), or None: every element of a list."""

_STEP: Final = re.compile(
    r"""(?P<dot>(?:^|\.)(?P<name>[^.\[\]"'\\\x00-\x1f]+))|\["(?P<quoted>[^"\\\x00-\x1f]+)"\]|\[(?P<index>-?[0-9]{1,6})?\]"""
)
MOST_ELEMENTS: Final = 1_000
"""Values of one record that a path with ``[]`` yields; further ones are counted as unread."""


class PathError(ValueError):
    """The text is no path; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Path:
    """`text` as its owner wrote it, and its steps. Without steps it is the value itself."""

    text: str
    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The steps before the first list: what a typed decoder can be told of."""
        names: list[str] = []
        for step in self.steps:
            if not isinstance(step, str):
                break
            names.append(step)
        return tuple(names)

    @property
    def many(self) -> bool:
        """Whether it leads to several values."""
        return None in self.steps


def parse_path(text: str) -> Path:
    """The path that a text stands for.

    Raises:
        PathError: it is none.
    """
    steps: list[Step] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None or (found["dot"] and found["dot"].startswith(".") == (place == 0)):
            raise PathError(
                f"found {text[:60]!r}, expected a path such as usage.input, calls[].name or "
                f'["name.with.dots"]; character {place + 1} fits none of these'
            )
        if name := found["name"] or found["quoted"]:
            steps.append(name)
        else:
            steps.append(None if found["index"] is None else int(found["index"]))
        place = found.end()
    return Path(text, tuple(steps))


def walk(value: Any, steps: tuple[Step, ...], unread: Counter[str]) -> Any:
    """What `steps` lead to in a plain value; None if nothing.

    With a None among the steps, the list of all that is found. Beyond MOST_ELEMENTS elements are counted in `unread`.
    """
    for number, step in enumerate(steps):
        if step is None:
            if not isinstance(value, list):
                return []
            if len(value) > MOST_ELEMENTS:
                unread["elements"] += len(value) - MOST_ELEMENTS
                value = value[-MOST_ELEMENTS:]  # the newest are more telling
            rest = steps[number + 1 :]
            found = (walk(item, rest, unread) for item in value)
            if None in rest:
                return [inner for items in found for inner in items][-MOST_ELEMENTS:]
            return [item for item in found if item is not None]
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        if value is None and None not in steps[number + 1 :]:
            return None
    return value
