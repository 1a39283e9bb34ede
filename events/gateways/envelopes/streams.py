"""Streams of events, in which an answer comes in pieces: server-sent events, chunks, realtime sessions."""

from __future__ import annotations

from typing import Final

import msgspec

from events.gateways.envelopes.reading import Reading
from events.gateways.envelopes.words import is_call

Fields = dict[str, object]

_FINAL: Final = frozenset(
    ("response.done", "response.completed", "response.incomplete", "response.failed", "response.cancelled")
)
"""Types of events that hold a whole answer."""
_KINDS: Final = ("response.", "conversation.", "session.", "content_block_", "message_", "input_audio", "content-")
"""How the types of events begin."""
_DELTAS: Final = ("content", "text", "thinking", "reasoning_content", "reasoning", "refusal", "transcript")
"""Names of pieces of text."""
_CHUNKS: Final = ("outputText", "generation", "completion")
"""The same in chunks that are nothing else."""
_MARKS: Final = frozenset(("contentBlockDelta", "contentBlockStart", "messageStart", "candidates", *_CHUNKS))
"""Names that events without a type have."""

_Place = tuple[str, str | int, str | int]


def events_of(text: str) -> list[object] | None:
    """The JSON objects of the ``data:`` lines of server-sent events; None if a text has none."""
    head = text[:4_096]
    if not (head.startswith(("data:", "event:", ":", "id:")) or "\ndata:" in head):
        return None
    found: list[object] = []
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                event = msgspec.json.decode(line[5:].strip())
            except (ValueError, RecursionError):
                continue
            if type(event) is dict:
                found.append(event)
    return found or None


def is_event(value: object) -> bool:
    """Whether a value looks like an event: it has the type of one, or pieces of an answer."""
    if type(value) is not dict:
        return False
    kind = value.get("type")
    if type(kind) is str and kind.startswith(_KINDS):
        return True
    if not _MARKS.isdisjoint(value) or value.get("object") == "chat.completion.chunk":
        return True
    choices = value.get("choices")
    first = choices[0] if type(choices) is list and choices else None
    return type(first) is dict and type(first.get("delta")) is dict


def whole_answers(events: list[Fields]) -> list[object]:
    """The answers that events hold as a whole, with results of tools; none if pieces are all there is."""
    answers: list[object] = []
    results: list[object] = []
    for event in events:
        answer, item = event.get("response"), event.get("item")
        if type(answer) is dict and event.get("type") in _FINAL and answer.get("output"):
            answers.append(answer)
        elif type(item) is dict and item.get("type") == "function_call_output":
            results.append(item)
    return results + answers if answers else []


def joined(events: list[Fields], reading: Reading) -> list[object]:
    """Put the pieces of events together in `reading`; what is no piece comes back, to be looked at by itself."""
    pieces = _Pieces()
    others: list[object] = [event for event in events if not pieces.take(event)]
    pieces.tell(reading)
    return others


class _Pieces:
    """Pieces by place: what they belong to (``call`` is a tool call), its number or id, and the name of the piece."""

    def __init__(self) -> None:
        self._texts: dict[_Place, list[str]] = {}
        self._names: dict[_Place, str] = {}
        self._items: set[str | int] = set()

    def tell(self, reading: Reading) -> None:
        """Add the joined pieces to `reading`."""
        for place in dict.fromkeys([*self._texts, *self._names]):
            text = "".join(self._texts.get(place, ()))
            if place[0] == "call":
                reading.call(self._names.get(place), text)
            elif text:
                reading.add("output", text)

    def take(self, event: Fields) -> bool:
        """Take the pieces of an event; whether it is nothing but these."""
        return self._choices(event) or self._candidates(event) or self._block(event) or self._item(event)

    def _choices(self, event: Fields) -> bool:
        """Chunks of chat and text completions, and of those that are one text."""
        chunks = [name for name in _CHUNKS if type(event.get(name)) is str]
        for name in chunks:
            self._add("chunk", 0, name, event[name])
        choices = event.get("choices")
        for number, choice in enumerate(choices if type(choices) is list else ()):
            if type(choice) is dict:
                index = _number(choice, "index", number)
                delta = choice.get("delta")
                self._words("choice", index, delta if type(delta) is dict else choice)
                calls = delta.get("tool_calls") if type(delta) is dict else None
                for place, call in enumerate(calls if type(calls) is list else ()):
                    if type(call) is dict:
                        inner = call.get("function") or call.get("custom")
                        at = ("call", index, _number(call, "index", place))
                        self._call(at, inner if type(inner) is dict else call)
        return bool(chunks) or type(choices) is list

    def _candidates(self, event: Fields) -> bool:
        """Chunks of Gemini. Its tool calls come whole."""
        candidates = event.get("candidates")
        calls = False
        for number, candidate in enumerate(candidates if type(candidates) is list else ()):
            content = candidate.get("content") if type(candidate) is dict else None
            parts = content.get("parts") if type(content) is dict else None
            for part in parts if type(parts) is list else ():
                if type(part) is dict and type(part.get("functionCall")) is dict:
                    calls = True
                elif type(part) is dict:
                    self._words("candidate", number, part)
        return type(candidates) is list and not calls

    def _block(self, event: Fields) -> bool:
        """Blocks of streams: Anthropic's, Cohere's and those of Amazon."""
        inner = event
        for name in ("contentBlockDelta", "contentBlockStart"):
            if type(named := event.get(name)) is dict:
                inner = named
        place = _number(inner, "index", _number(inner, "contentBlockIndex", 0))
        begun = [block for name in ("content_block", "start") if type(block := inner.get(name)) is dict]
        delta = inner.get("delta")
        for block in begun:
            use = block.get("toolUse")
            self._call(("call", place, ""), use if type(use) is dict else block)
            self._words("block", place, block)
        if type(delta) is not dict:
            return bool(begun)
        message = delta.get("message")
        content = message.get("content") if type(message) is dict else None
        use = delta.get("toolUse")
        for words in (content, delta):
            if type(words) is dict:
                self._words("block", place, words)
        for call in (use, delta):
            part = call.get("input" if call is use else "partial_json") if type(call) is dict else None
            self._add("call", place, "", part)
        return True

    def _item(self, event: Fields) -> bool:
        """Pieces of items of the Responses API and of realtime sessions; what ends an item repeats them."""
        kind, delta, item = event.get("type"), event.get("delta"), event.get("item")
        if type(kind) is not str:
            return False
        place = event.get("item_id")
        if type(place) is not str:
            place = _number(event, "output_index", 0)
        if kind.endswith(".delta") and type(delta) is str:
            if "audio.delta" not in kind:  # that is sound, in base64
                self._items.add(place)
                of_call = "arguments" in kind or "input" in kind or "code" in kind
                self._add("call" if of_call else kind, place, "", delta)
            return True
        if kind.endswith(".added") and type(item) is dict and is_call(item.get("type")):
            own = item.get("id")
            self._call(("call", own if type(own) is str else place, ""), {"name": item.get("name") or item.get("type")})
            return True
        return kind.endswith(".done") and place in self._items

    def _words(self, what: str, place: str | int, fields: Fields) -> None:
        for name in _DELTAS:
            self._add(what, place, name, fields.get(name))

    def _add(self, what: str, place: str | int, name: str | int, text: object) -> None:
        if type(text) is str and text:
            self._texts.setdefault((what, place, name), []).append(text)

    def _call(self, place: _Place, call: Fields) -> None:
        if type(name := call.get("name")) is str and name:
            self._names.setdefault(place, name)
        for field in ("arguments", "input"):
            self._add(*place, call.get(field))


def _number(fields: Fields, name: str, otherwise: int) -> int:
    number = fields.get(name)
    return number if type(number) is int else otherwise
