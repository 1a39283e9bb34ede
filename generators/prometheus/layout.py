"""Long expressions of PromQL over several lines: one clause a line, for people and for small diffs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LONG: Final = 100
"""Characters in a line from which on it is broken."""
_INDENT: Final = "  "
_LEXEME: Final = re.compile(
    r"""  "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`  # a string
    | [()\[\]{},] | \s+ | [^"'`()\[\]{},\s]+  """,
    re.VERBOSE,
)
_SETS: Final = ("and", "or", "unless")
_COMPARISONS: Final = (">=", ">", "<=", "<", "==", "!=")
_MATCHING: Final = re.compile(r"(?:on|ignoring) \([^()]*\)")


def laid_out(promql: str) -> str:
    """The same expression: as it is when it is short, else a clause a line, with a line break at its end."""
    return "\n".join(_lines(promql, "")) + "\n" if len(promql) > LONG else promql


def _lines(promql: str, indent: str) -> Iterator[str]:
    """Clauses, and the set operators between them on lines of their own."""
    first, *rest = _split(promql, _SETS)
    yield from _clause(first, indent)
    for operator, clause in zip(rest[::2], rest[1::2], strict=True):
        if matching := _MATCHING.match(clause):
            yield f"{indent}{operator} {matching[0]}"
            clause = clause[matching.end() :].strip()
        else:
            yield indent + operator
        yield from _clause(clause, indent)


def _clause(clause: str, indent: str) -> Iterator[str]:
    """A clause. What is too long is broken at its comparison; else its outermost parentheses are opened."""
    head, inside, tail = _outermost(clause)
    arguments = _split(inside, (",",))[::2]
    long = len(indent) + len(clause) > LONG
    if any(len(_split(part, _SETS)) > 1 for part in arguments) or (long and inside and not tail):
        yield f"{indent}{head}("
        for place, argument in enumerate(arguments, start=1):
            *before, last = _lines(argument, indent + _INDENT)
            yield from before
            yield last + ("," if place < len(arguments) else "")
        yield f"{indent}){tail}"
        return
    left, *compared = _split(clause, _COMPARISONS)
    if not long or not compared:
        yield indent + clause
        return
    yield indent + left
    yield f"{indent}{_INDENT}{' '.join(compared)}"


def _outermost(clause: str) -> tuple[str, str, str]:
    """What is before the first pair of parentheses that holds more than labels, in it, and behind it."""
    depth, begin, at, found = 0, 0, 0, (clause, "", "")
    for lexeme in _LEXEME.findall(clause):
        if lexeme == "(":
            begin = begin if depth else at
            depth += 1
        elif lexeme == ")":
            depth -= 1
            if not depth and not re.search(r"\bby $", clause[:begin]) and not found[1]:
                found = clause[:begin], clause[begin + 1 : at], clause[at + 1 :]
        at += len(lexeme)
    return found


def _split(promql: str, between: tuple[str, ...]) -> list[str]:
    """The parts of an expression at the top, and in turn what is between them."""
    depth, parts = 0, [""]
    for lexeme in _LEXEME.findall(promql):
        depth += (lexeme in ("(", "[", "{")) - (lexeme in (")", "]", "}"))
        if depth or lexeme not in between:
            parts[-1] += lexeme
        else:
            parts += [lexeme, ""]
    return [part.strip() for part in parts]
