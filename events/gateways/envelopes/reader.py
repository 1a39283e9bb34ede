"""Walks a plain JSON value for words, tool calls and results of tools.

One loop over a stack, so that no nesting is too deep; each value is visited once, and so many of a record at most.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from events.gateways.envelopes import streams
from events.gateways.envelopes.reading import FOUND, Reading, is_data, is_sentence
from events.gateways.envelopes.words import (
    CALL_ARGUMENTS,
    CALL_RESULTS,
    CHANNELS,
    CONFIGURATION,
    MATERIAL,
    METADATA,
    METADATA_ENDINGS,
    PROMPTS,
    SECOND,
    SPOKEN,
    SYSTEM,
    TURNS,
    WRAPPERS,
    called,
    is_call,
    is_result,
)

MOST_NODES: Final = 100_000
"""Lists and objects of one side of an attempt that are looked into. What is beyond them counts as missed."""
_OPENED: Final = 3
"""Texts that are JSON or a stream of events themselves are opened, but only so many of one side."""

_TEXTUAL: Final = frozenset((str, list, dict))
_IN_ANSWERS: Final = frozenset(SPOKEN + WRAPPERS)
_IN_REQUESTS: Final = frozenset(TURNS + PROMPTS)
_BODIES: Final = _IN_REQUESTS.union(SYSTEM) - {"text", "content", "query"} | {"texts", "queries"}
_STRANGERS: Final = frozenset(("snippet", "cited_text", "document", "documents", "search_results", "highlights"))
"""Names in an answer for words that a search found."""
_SEARCHES: Final = frozenset(("search", "vector_store.search_results.page", "vector_store.file_content.page"))
"""``object`` of the answers of searches and stores."""
_SILENT: Final = frozenset(
    ("type", "id", "role", "kind", "name", "object", "mimeType", "mime_type", "status", "signature")
)
"""Names in what a tool gave back that hold no words, beside identifiers."""
_RESULTS: Final = frozenset(
    ("functionResponse", "function_response", "toolResult", "tool_result", "codeExecutionResult")
)
"""Names of what holds a tool's result, in APIs whose parts have no type."""
_CALLS: Final = frozenset(("functionCall", "function_call", "toolUse", "tool_calls", "executableCode"))
"""The same of tool calls."""

_How = Literal["words", "all", "missed"]
"""``all``: every text of a value, ``missed``: it stands in an unknown place."""
_Piece = tuple[object, str, _How]


def read_answer(value: object, channel: str = "output") -> Reading:
    """What a model, a tool or a search answered; `channel` is ``tool`` for the result of a tool."""
    return _Walk(answer=True).run((value, channel, "all" if channel == "tool" else "words"))


def read_prompt(value: object) -> Reading:
    """The messages of a request in a shape of another API."""
    return _Walk(answer=False).run((value, "user", "words"))


def read_body(text: str) -> Reading | None:
    """The body of a request, by role; None if `text` is none that is known.

    What stands in no known place of it are words of whom the place belongs to, so nothing of it is missed.
    """
    value = _opened(text)
    bodies = value if type(value) is list else [value]
    if not (bodies and type(body := bodies[0]) is dict and not _BODIES.isdisjoint(body)):
        return None
    reading = _Walk(answer=False, whole=True).run((value, "user", "words"))
    return reading if reading.texts else None


def _opened(text: str) -> object:
    """The JSON object or list that a text is; None if it is none."""
    if text[:64].lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


class _Walk:
    """One walk; `whole`: texts of several words count wherever they stand."""

    def __init__(self, *, answer: bool, whole: bool = False) -> None:
        self._found = Reading()
        self._answer = answer
        self._known = _IN_ANSWERS if answer else _IN_REQUESTS
        self._describing = METADATA if answer else CONFIGURATION
        self._whole = whole
        self._opens = 0
        self._stack: list[_Piece] = []

    def run(self, first: _Piece) -> Reading:
        """Walk all of `first`."""
        stack, found, nodes = self._stack, self._found, MOST_NODES
        stack.append(first)
        while stack:
            value, channel, how = stack.pop()
            kind = type(value)
            if kind is str:
                self._text(value, channel, how)  # type: ignore[arg-type]
                continue
            if not nodes:
                found.missed = found.missed_words = 1 << 40
                break
            nodes -= 1
            if kind is list:
                while len(value) == 1 and type(value[0]) is list:  # type: ignore[arg-type, index]
                    value = value[0]  # type: ignore[index]
                self._list(value, channel, how)  # type: ignore[arg-type]
            elif kind is dict:
                self._object(value, channel, how)  # type: ignore[arg-type]
        return found

    # ---------------------------------------------------------------------------------------------------- values
    def _text(self, text: str, channel: str, how: _How) -> None:
        if how == "missed" and not (self._whole and is_sentence(text)):
            self._found.miss(text)
        elif not is_data(text) and not (self._answer and channel == "output" and self._open(text)):
            self._found.add(channel, text)

    def _open(self, text: str) -> bool:
        """Walk what a text holds if it is an answer of an API itself: as JSON, or as a stream of events."""
        if self._opens == _OPENED:
            return False
        value = _opened(text)
        if value is None:
            value = streams.events_of(text)
        first = value[0] if type(value) is list and value else value
        if type(first) is not dict or (self._known.isdisjoint(first) and not streams.is_event(first)):
            return False
        self._opens += 1
        self._stack.append((value, "output", "words"))
        return True

    def _list(self, items: list[object], channel: str, how: _How) -> None:
        if self._answer and how == "words" and items and type(items[0]) is dict and streams.is_event(items[0]):
            self._events([item for item in items if item and type(item) is dict])
        else:
            self._stack += [(item, channel, how) for item in reversed(items) if item and type(item) in _TEXTUAL]

    def _events(self, events: list[dict[str, object]]) -> None:
        """The events of a stream or of a realtime session: whole answers if there are any, else the pieces joined."""
        whole = streams.whole_answers(events)
        if not whole:
            whole = streams.joined(events, self._found)
        self._stack += [(answer, "output", "words") for answer in reversed(whole)]

    # ---------------------------------------------------------------------------------------------------- objects
    def _object(self, fields: dict[str, object], channel: str, how: _How) -> None:
        """A request, a message, a part, an answer, an item of one, or what such things are wrapped in."""
        kind = fields.get("type") or fields.get("kind")
        if how == "words":
            if is_call(kind) and (self._answer or not ("text" in fields or "content" in fields)):
                self._call(fields, kind, channel)
                return
            channel = self._channel(fields.get("role"), channel)
            if channel == "tool" or is_result(kind) or kind in ("document", "input_file"):
                channel, how = "tool", "all"
            elif kind == "data":
                how = "all"
        if how == "all":
            names = [name for name in fields if name not in _SILENT and not name.endswith(("_id", "Id"))]
        elif how == "missed":
            names = [name for name in fields if not self._describes(name)]
        else:
            self._stack += reversed(self._parts(fields, channel))
            return
        self._stack += [(fields[name], channel, how) for name in reversed(names) if type(fields[name]) in _TEXTUAL]

    def _channel(self, role: object, channel: str) -> str:
        """Whose words an object has, by its role."""
        if type(role) is not str or channel == "tool":
            return channel
        said = CHANNELS.get(role.lower(), channel)
        return "output" if self._answer and said == "assistant" else said

    def _describes(self, name: str) -> bool:
        return name in self._describing or name.endswith(METADATA_ENDINGS)

    def _parts(self, fields: dict[str, object], channel: str) -> list[_Piece]:
        """What an object holds, by the names of its fields."""
        parts: list[_Piece] = []
        within = FOUND if fields.get("object") in _SEARCHES else channel
        for name, item in fields.items():
            if not item or type(item) not in _TEXTUAL:
                continue
            if name in _CALLS:
                self._calls(item, channel)
            elif name in _RESULTS:
                parts.append((item, "tool", "all"))
            elif self._answer:
                parts += self._of_answer(name, item, within, fields)
            else:
                parts += self._of_request(name, item, channel)
        return parts

    def _of_answer(self, name: str, item: object, channel: str, fields: dict[str, object]) -> list[_Piece]:
        if name == "search_query":
            return [(item, "user", "words")]
        if name == "answers":
            return [(item, channel, "all")]
        if name in SECOND:
            return [] if fields.get("text") or fields.get("transcript") else [(item, channel, "words")]
        if name in self._known:
            return [(item, FOUND if channel == "output" and name in _STRANGERS else channel, "words")]
        return [] if self._describes(name) else [(item, channel, "missed")]

    def _of_request(self, name: str, item: object, channel: str) -> list[_Piece]:
        if name in SYSTEM:
            return [(item, "system", "words")]
        if name in MATERIAL:
            return [(item, "tool", "all")]
        if name in self._known:
            return [(item, channel, "words")]
        return [] if self._describes(name) else [(item, channel, "missed")]

    # ---------------------------------------------------------------------------------------------------- tools
    def _call(self, fields: dict[str, object], kind: object, channel: str) -> None:
        """An item that is a tool call. One in a request was seen when it was made; its result is new."""
        if self._answer and channel == "output":
            arguments = next((fields[name] for name in CALL_ARGUMENTS if fields.get(name)), None)
            self._found.call(called(fields.get("name"), kind), arguments)
        results = [fields[name] for name in CALL_RESULTS if type(fields.get(name)) in _TEXTUAL]
        self._stack += [(result, "tool", "all") for result in reversed(results)]

    def _calls(self, item: object, channel: str) -> None:
        """The calls of a message, or a part that is one."""
        if not (self._answer and channel == "output"):
            return
        for call in item if type(item) is list else [item]:
            if type(call) is dict:
                inner = next((call[name] for name in ("function", "custom") if type(call.get(name)) is dict), call)
                arguments = next((inner[name] for name in CALL_ARGUMENTS if inner.get(name)), None)
                self._found.call(called(inner.get("name"), call.get("type")), arguments)
