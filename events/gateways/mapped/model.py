"""A mapping: where a gateway's JSON log has what an event needs. It is YAML, so no code reads a new log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Final, Literal

import msgspec

from events.gateways.mapped.nested import DEEPEST, MOST
from events.gateways.mapped.paths import Path, PathError, parse_path
from spec.errors import Path as Place
from spec.errors import Problem, ShapeError, nearest, one_of
from spec.model import Entry
from spec.vocabulary import ERROR_CLASSES, OPERATIONS, OUTCOMES, VERDICTS
from spec.yaml_source import Document, placed, read_document, typed

Paths = str | tuple[str, ...]
"""A path, or several: the first that leads to something counts."""

TimeFormat = Literal["rfc3339", "unix_s", "unix_ms", "unix_us", "unix_ns"]
Unit = Literal["s", "ms", "us", "ns"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_STATUS: Final = re.compile(r"[0-9]{1,3}")


class Time(Entry, frozen=True):
    """A point in time: RFC 3339 text, or a number since 1970 in the unit that `format` names."""

    path: Paths
    format: TimeFormat = "rfc3339"


class Amount(Entry, frozen=True):
    """A length of time, in `unit`."""

    path: Paths
    unit: Unit = "s"


class Words(Entry, frozen=True):
    """A word of ours from a word of the log: `words` compares whole texts, `contains` looks for parts of one, in order.

    Case does not matter. `otherwise` is for every other value and for none at all; without `path` it is for all.
    """

    path: Paths = ()
    words: dict[str, str] = msgspec.field(default_factory=dict)
    contains: dict[str, str] = msgspec.field(default_factory=dict)
    otherwise: str = ""


class ToolCalls(Entry, frozen=True):
    """Tools that the model called: `each` leads to the calls, `name` and `arguments` go on from one of them."""

    each: str
    name: str
    arguments: str = ""


class Guardrails(Entry, frozen=True):
    """Results of guardrails: `each` leads to them, `name` and the path of `verdict` go on from one of them."""

    each: str
    verdict: Words
    name: str = ""


class Mapping(Entry, frozen=True):
    """Where the log of `gateway` has what. Everything is optional but one time; what is not named is unknown.

    `parse`: texts that hold JSON, which other paths may lead on into. `only`: lines whose value at a path is another
    word are no attempts. `records`: a line is a whole request, or one attempt of it; attempts of a request share
    `call_id`. `user` and `key` are what the gateway has checked, never what a client merely says of itself; that is
    `session` (the conversation) and `end_user` (whom an application with a shared key names). `status` is the HTTP
    status; `error_by_status` says what one means here.
    """

    gateway: str
    title: str = ""
    parse: dict[str, Literal["json"]] = msgspec.field(default_factory=dict)
    only: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    records: Literal["requests", "attempts"] = "requests"
    start: Time | None = None
    end: Time | None = None
    duration: Amount | None = None
    time_to_first_chunk: Amount | None = None
    id: Paths = ()
    call_id: Paths = ()
    user: Paths = ()
    key: Paths = ()
    key_name: Paths = ()
    session: Paths = ()
    end_user: Paths = ()
    tenant: Paths = ()
    model: Paths = ()
    provider: Paths = ()
    operation: Words | None = None
    stream: Paths = ()
    client_address: Paths = ()
    status: Paths = ()
    error_by_status: dict[str, str] = msgspec.field(default_factory=dict)
    outcome: Words | None = None
    error_class: Words | None = None
    verdict: Words | None = None
    guardrails: Guardrails | None = None
    tool_calls: ToolCalls | None = None
    input_tokens: Paths = ()
    output_tokens: Paths = ()
    cached_tokens: Paths = ()
    reasoning_tokens: Paths = ()
    cost_usd: Paths = ()
    prompt: Paths = ()
    system: Paths = ()
    answer: Paths = ()
    placeholders: tuple[str, ...] = ()


WORDS: Final = {
    "operation": OPERATIONS,
    "outcome": OUTCOMES,
    "error_class": ERROR_CLASSES,
    "verdict": VERDICTS,
    "error_by_status": ERROR_CLASSES,
}
"""The words that a table of a mapping may lead to."""
PATHS: Final = (
    *("id", "call_id", "user", "key", "key_name", "session", "end_user", "tenant", "model"),
    *("provider", "stream", "client_address", "status"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "prompt", "system", "answer"),
)
"""The keys of a mapping that are paths."""
WITH_PATHS: Final = (
    *("start", "end", "duration", "time_to_first_chunk"),
    *("operation", "outcome", "error_class", "verdict"),
)
"""The keys of a mapping that have a `path`."""
_CONTENT: Final = ("prompt", "system", "answer")


def each_of(paths: Paths) -> tuple[str, ...]:
    """The paths, be it one or several."""
    return ((paths,) if paths else ()) if isinstance(paths, str) else paths


def used_paths(mapping: Mapping, *, content: bool, answer: bool) -> list[str]:
    """The paths of a mapping that begin in the record; those of texts only with `content`, or the `answer` alone."""
    found: list[str] = [*mapping.only]
    for name in PATHS:
        if content or name not in _CONTENT or (name == "answer" and answer):
            found += each_of(getattr(mapping, name))
    for name in WITH_PATHS:
        if (part := getattr(mapping, name)) is not None:
            found += each_of(part.path)
    found += [group.each for group in (mapping.tool_calls, mapping.guardrails) if group is not None]
    return found


def load_mapping(path: FilePath) -> Mapping:
    """The mapping in a YAML file.

    Raises:
        YamlError: the file cannot be read or is not YAML.
        ShapeError: with every problem: file, line, what was found, what was expected, the nearest right word.
    """
    return mapping_of(read_document(path))


def mapping_of(document: Document) -> Mapping:
    """The mapping in a document.

    Raises:
        ShapeError: with every problem.
    """
    mapping = typed(document, Mapping)
    if found := list(_problems(mapping)):
        raise ShapeError(placed(found, document.places))
    return mapping


def _problems(mapping: Mapping) -> Iterator[Problem]:
    if not _NAME.fullmatch(mapping.gateway):
        text = f"found {mapping.gateway[:60]!r}, expected small letters, digits, '_' and '-', at most 64 characters"
        yield Problem(text, ("gateway",))
    if mapping.start is None and mapping.end is None:
        yield Problem("found neither `start` nor `end`, expected one, for instance `end: {path: time}`")
    if mapping.records == "attempts" and not mapping.call_id:
        text = "found `records: attempts` without `call_id`, expected the path of what the attempts of a request share"
        yield Problem(text, ("records",))
    for name in PATHS:
        yield from _path_problems(getattr(mapping, name), (name,))
    for name in WITH_PATHS:
        if (part := getattr(mapping, name)) is not None:
            constant = isinstance(part, Words) and part.otherwise and not (part.words or part.contains)
            yield from _path_problems(part.path, (name, "path"), needed=not constant)
    for path, words in mapping.only.items():
        yield from _path_problems(path, ("only", path), needed=True)
        if not words:
            yield Problem("found no word, expected those of the lines that are attempts", ("only", path))
    yield from _parse_problems(mapping)
    for name in ("operation", "outcome", "error_class", "verdict"):
        if (table := getattr(mapping, name)) is not None:
            yield from _word_problems(table, (name,), WORDS[name])
    for status, word in mapping.error_by_status.items():
        place: Place = ("error_by_status", status)
        if not _STATUS.fullmatch(status):
            yield Problem(f"found {status[:60]!r}, expected an HTTP status, for instance 429", place)
        yield from _one_word(word, place, ERROR_CLASSES)
    if mapping.error_by_status and not mapping.status:
        text = "found `error_by_status` without `status`, expected the path of the HTTP status"
        yield Problem(text, ("error_by_status",))
    if (calls := mapping.tool_calls) is not None:
        yield from _path_problems(calls.each, ("tool_calls", "each"), needed=True)
        yield from _path_problems(calls.name, ("tool_calls", "name"), needed=True, relative=True)
        yield from _path_problems(calls.arguments, ("tool_calls", "arguments"), relative=True)
    if (guardrails := mapping.guardrails) is not None:
        yield from _path_problems(guardrails.each, ("guardrails", "each"), needed=True)
        yield from _path_problems(guardrails.name, ("guardrails", "name"), relative=True)
        yield from _path_problems(
            guardrails.verdict.path, ("guardrails", "verdict", "path"), needed=True, relative=True
        )
        yield from _word_problems(guardrails.verdict, ("guardrails", "verdict"), VERDICTS)


def _path_problems(paths: Paths, place: Place, *, needed: bool = False, relative: bool = False) -> Iterator[Problem]:
    """`relative` paths go on from an element of a list; all others begin with a name in the record."""
    found = each_of(paths)
    if needed and not found:
        yield Problem("found no path, expected where it is in a record", place)
    for number, text in enumerate(found):
        inner = place if isinstance(paths, str) else (*place, number)
        try:
            path = parse_path(text)
        except PathError as error:
            yield Problem(str(error), inner)
            continue
        if not relative and not path.names:
            yield Problem(f"found {text[:60]!r}, expected a path that begins with a name in the record", inner)


def _parse_problems(mapping: Mapping) -> Iterator[Problem]:
    """Texts to open are few, have places of their own, and somebody reads what is in them."""
    opened: list[Path] = []
    for text in mapping.parse:
        found = list(_path_problems(text, ("parse", text), needed=True))
        yield from found
        if not found:
            opened.append(parse_path(text))
    if len(opened) > MOST:
        yield Problem(f"found {len(opened)} texts, expected at most {MOST}", ("parse",))
    used = [names for text in used_paths(mapping, content=True, answer=True) if (names := _names_of(text))]
    for path in opened:
        place: Place = ("parse", path.text)
        names, size = path.names, len(path.names)
        if names != path.steps:
            yield Problem(f"found {path.text[:60]!r}, expected names only, without an element of a list", place)
        elif sum(names[: len(other.names)] == other.names for other in opened) > DEEPEST:
            yield Problem(f"found more than {DEEPEST} texts inside of each other", place)
        elif not any(found[:size] == names for found in used):
            yield Problem("found a text that no other key reads, expected a path that goes on into it", place)
        elif whole := next((found for found in used if len(found) < size and names[: len(found)] == found), None):
            holder = ".".join(whole)[:60]
            yield Problem(f"found a text inside {holder!r}, which another key reads whole", place)


def _names_of(text: str) -> tuple[str, ...]:
    """The names that a path begins with; none if it is no path, which is said elsewhere."""
    try:
        return parse_path(text).names
    except PathError:
        return ()


def _word_problems(table: Words, place: Place, words: Iterable[str]) -> Iterator[Problem]:
    if not (table.words or table.contains or table.otherwise):
        yield Problem("found no word, expected `words`, `contains` or `otherwise`", place)
    for key, found in (("words", table.words), ("contains", table.contains)):
        for text, word in found.items():
            yield from _one_word(word, (*place, key, text), words)
            if key == "contains" and not text:
                yield Problem("found an empty text, which every value contains", (*place, key, text))
    if table.otherwise:
        yield from _one_word(table.otherwise, (*place, "otherwise"), words)


def _one_word(word: str, place: Place, words: Iterable[str]) -> Iterator[Problem]:
    choices = tuple(words)
    if word not in choices:
        yield Problem(f"found {word[:60]!r}, expected {one_of(choices)}{nearest(word, choices)}", place)
