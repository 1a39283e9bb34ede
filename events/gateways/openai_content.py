"""Prompts and answers in the shapes of the OpenAI and Anthropic APIs, which most gateways log.

The structures accept nearly anything a client can send, so that odd content does not cost the record its fast path:
every field is optional, and where a string is usual a list or an object may stand.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from events.batch import Text

BUDGET: Final = 1_048_576
"""Characters looked at of one attempt; the newest texts come first. No model takes as many, but a log may hold them."""

STOP_PATHS: Final = frozenset(("choices.finish_reason", "incomplete_details.reason"))
"""What `filtered` needs of a response."""
TOOL_PATHS: Final = frozenset(
    (
        "choices.message.tool_calls.function.name",
        "choices.message.function_call.name",
        "output.type",
        "output.name",
        "content.type",
        "content.name",
    )
)
"""What `tools_called` needs of a response."""

_CHANNELS: Final[dict[str | None, str]] = {
    "user": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXTUAL: Final = frozenset((str, list, dict))
"""Types of values that may hold text."""
_TOOL_PARTS: Final = frozenset(("tool_use", "server_tool_use", "mcp_tool_use", "function_call", "mcp_call"))
"""Types of a part or an item of an answer that calls a tool."""


class Source(msgspec.Struct, gc=False):
    """Where an Anthropic document comes from; `data` is text, base64 or absent."""

    type: str | None = None
    data: str | None = None


class Part(msgspec.Struct, gc=False):
    """A part of a message or an item of an answer: text, tool call, tool result, document, image, ..."""

    type: str | None = None
    text: str | None = None
    name: str | None = None
    content: Any = None
    source: Source | str | None = None
    input: Any = None
    arguments: Any = None


Parts = list[Part | str | int | float | bool | list[Any] | None]
Content = str | Part | Parts | int | float | bool | None


class Message(msgspec.Struct, gc=False):
    """A turn of the request (or an item of the Responses API's input)."""

    role: str | None = None
    content: Content = None
    output: Content = None


class Function(msgspec.Struct, gc=False):
    """What a tool call calls; `arguments` are JSON as text, now and then the object itself."""

    name: str | None = None
    arguments: Any = None


class ToolCall(msgspec.Struct, gc=False):
    """A tool call made by the model."""

    function: Function | None = None


class Answer(msgspec.Struct, gc=False):
    """The message of a choice."""

    content: Content = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers; `text` is the older text completion's."""

    finish_reason: str | None = None
    text: str | None = None
    message: Answer | None = None


class Incomplete(msgspec.Struct, gc=False):
    """Why an answer of the Responses API ended early."""

    reason: str | None = None


class Format(msgspec.Struct, gc=False):
    """``text`` of the Responses API: how the answer is formatted. It holds no words."""


class Response(msgspec.Struct, gc=False):
    """An answer: `choices` of chat and text completions, `output` of the Responses API, `content` of Anthropic's."""

    choices: list[Choice] | None = None
    output: list[Part] | str | None = None
    content: list[Part] | str | None = None
    text: str | Format | None = None
    incomplete_details: Incomplete | None = None


Messages = list[Message | str | int | float | bool | list[Any] | None] | Message | str | None
AnyResponse = Response | str | list[Any] | None


class Collector:
    """Gathers the texts of a batch of attempts.

    `placeholders` stand where a gateway removed the text: they are not content. `input_chars` and `output_chars` count
    characters before anything was cut, one number per attempt, NaN where there is no text. `skipped` says what
    was beyond the budget of an attempt: its row, the channel, and how many characters.
    """

    def __init__(self, placeholders: frozenset[str] = frozenset()) -> None:
        self.texts: list[Text] = []
        self.input_chars: list[float] = []
        self.output_chars: list[float] = []
        self.skipped: list[tuple[int, str, int]] = []
        self._row = self._size = 0  # the attempt at work, and the characters that it had so far
        self._placeholders = placeholders
        self._longest_placeholder = max(map(len, placeholders), default=0)

    def collect(
        self, requests: Sequence[Messages], systems: Sequence[Content], responses: Sequence[AnyResponse]
    ) -> None:
        """Add attempts: their messages, system prompts that stand outside of these, and answers."""
        texts, longest, channels = self.texts, self._longest_placeholder, _CHANNELS
        for row, (messages, system, response) in enumerate(zip(requests, systems, responses, strict=True)):
            first = len(texts)
            self._row, self._size = row, 0
            if system:
                self._content("system", system)
            if type(messages) is list:
                for message in messages:
                    # Most messages are one string: no function is called for those.
                    if type(message) is Message:
                        content = message.content
                        if message.output is not None:
                            self._message(message)
                        elif type(content) is str and longest < (length := len(content)):
                            self._size += length
                            texts.append(Text(row, channels.get(message.role, "user"), content))
                        elif content:
                            self._content(channels.get(message.role, "user"), content)
                    elif type(message) is str:
                        self._text("user", message)
                    elif type(message) is list and message:
                        self._loose("user", message)
            elif messages:
                self._message(messages)
            self.input_chars.append(self._size or math.nan)
            asked, self._size = self._size, 0
            if type(response) is Response:
                for choice in response.choices or ():
                    answer = choice.message
                    if answer is None:
                        if choice.text:
                            self._text("output", choice.text)
                    elif (
                        type(content := answer.content) is str
                        and longest < (length := len(content))
                        and not (answer.tool_calls or answer.reasoning_content or answer.function_call or choice.text)
                    ):
                        self._size += length
                        texts.append(Text(row, "output", content))
                    else:
                        self._choice(choice, answer)
                if response.output or response.content or response.text:
                    self._answer(response)
            elif response:
                self._loose("output", response)
            self.output_chars.append(self._size or math.nan)
            if asked + self._size > BUDGET:
                self._bound(first)

    def tool_call(self, row: int, name: str, arguments: object) -> None:
        """Add, to one of the attempts, a tool call that stands outside of its answer."""
        self._row, self._size = row, 0
        self._tool_call(name, arguments)
        if self._size:
            already = self.output_chars[row]
            self.output_chars[row] = self._size if math.isnan(already) else already + self._size

    # ------------------------------------------------------------------------------------------------ pieces
    def _text(self, channel: str, text: str) -> None:
        """Add a piece of text."""
        length = len(text)
        if length <= self._longest_placeholder and (not text or text in self._placeholders):
            return
        self._piece(channel, text, length)

    def _piece(self, channel: str, text: str, length: int) -> None:
        self._size += length
        self.texts.append(Text(self._row, channel, text))

    def _bound(self, first: int) -> None:
        """Of the texts from `first` on, which are one attempt's, keep the last ones that fit into BUDGET.

        Of the one that fits in part, both ends are kept.
        """
        kept, left = len(self.texts), BUDGET
        while kept > first and left >= (length := len(self.texts[kept - 1].text)):
            kept, left = kept - 1, left - length
        if kept == first:
            return
        beyond = self.texts[first:kept]
        skipped = Counter[str]()
        for text in beyond:
            skipped[text.channel] += len(text.text)
        cut = beyond[-1]
        skipped[cut.channel] -= left
        ends = [cut.text[: left - left // 2], cut.text[len(cut.text) - left // 2 :]]
        self.texts[first:kept] = [Text(cut.row, cut.channel, end, part) for part, end in enumerate(ends, 1) if end]
        self.skipped += [(cut.row, channel, count) for channel, count in skipped.items() if count]

    # ------------------------------------------------------------------------------------------------ shapes
    def _message(self, message: object) -> None:
        if isinstance(message, Message):
            self._content(_CHANNELS.get(message.role, "user"), message.content)
            self._content("tool", message.output)
        else:
            self._loose("user", message)

    def _content(self, channel: str, content: object) -> None:
        kind = type(content)
        if kind is str:
            self._text(channel, content)  # type: ignore[arg-type]
        elif kind is Part:
            self._part(channel, content)  # type: ignore[arg-type]
        elif kind is list:
            for part in content:  # type: ignore[attr-defined]
                inner = type(part)
                if inner is Part:
                    self._part(channel, part)
                elif inner is str:
                    self._text(channel, part)
                elif inner is list and part:
                    self._loose(channel, part)

    def _part(self, channel: str, part: Part) -> None:
        """The texts of a part of a message, or of an item of an answer."""
        if part.type in _TOOL_PARTS:
            if channel == "output":  # else it is an earlier call, which was seen when it was made
                self._tool_call(part.name, part.arguments or part.input)
            return
        if part.text:
            self._text(channel, part.text)
        # What a tool or a document says is not what the user says.
        if part.content:
            self._loose("output" if channel == "output" else "tool", part.content)
        source = part.source
        if type(source) is Source and source.type == "text" and source.data:
            self._text("tool", source.data)

    def _choice(self, choice: Choice, answer: Answer) -> None:
        if choice.text:
            self._text("output", choice.text)
        if answer.reasoning_content:
            self._text("output", answer.reasoning_content)
        self._content("output", answer.content)
        for call in answer.tool_calls or ():
            if call.function is not None:
                self._tool_call(call.function.name, call.function.arguments)
        if answer.function_call is not None:
            self._tool_call(answer.function_call.name, answer.function_call.arguments)

    def _answer(self, response: Response) -> None:
        """What stands outside of the choices."""
        if isinstance(response.text, str):
            self._text("output", response.text)
        self._content("output", response.output)
        self._content("output", response.content)

    def _tool_call(self, name: str | None, arguments: object) -> None:
        """The tool's name, a space, and the arguments as text; nothing without arguments."""
        if not arguments:
            return
        if not isinstance(arguments, str):
            try:
                arguments = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
            except RecursionError:
                arguments = " ".join(_strings(arguments))
        if arguments and arguments not in self._placeholders:
            text = f"{name or 'unknown'} {arguments}"
            self._piece("tool_call", text, len(text))

    def _loose(self, channel: str, value: object) -> None:
        """The strings of lists, and of objects what they call their text, content or source, however deep."""
        if type(value) is str:
            self._text(channel, value)
            return
        waiting = [value]
        while waiting:
            value = waiting.pop()
            kind = type(value)
            if kind is str:
                self._text(channel, value)  # type: ignore[arg-type]
            elif kind is list:
                waiting += [item for item in reversed(value) if item and type(item) in _TEXTUAL]  # type: ignore[call-overload]
            elif kind is dict and value:
                fields: dict[str, object] = value  # type: ignore[assignment]
                if fields.get("type") == "text" and isinstance(data := fields.get("data"), str):
                    self._text(channel, data)
                else:
                    waiting.extend(fields[name] for name in ("source", "content", "text") if name in fields)


def filtered(responses: Sequence[Any]) -> list[int]:
    """The rows whose answer the provider's content filter ended."""
    rows = []
    for row, response in enumerate(responses):
        if response is None or type(response) is str or type(response) is list:
            continue
        for choice in response.choices or ():
            if choice.finish_reason == "content_filter":
                rows.append(row)
                break
        if (incomplete := response.incomplete_details) is not None and incomplete.reason == "content_filter":
            rows.append(row)
    return rows


def tools_called(responses: Sequence[Any]) -> list[tuple[int, str]]:
    """Row and name of each tool that the model called, in order."""
    called: list[tuple[int, str | None]] = []
    for row, response in enumerate(responses):
        if response is None or type(response) is str or type(response) is list:
            continue
        for choice in response.choices or ():
            if (answer := choice.message) is None:
                continue
            if answer.tool_calls:
                called += [(row, call.function.name) for call in answer.tool_calls if call.function is not None]
            if answer.function_call is not None:
                called.append((row, answer.function_call.name))
        if type(response.output) is list:
            called += [(row, item.name) for item in response.output if item.type in _TOOL_PARTS]
        if type(response.content) is list:
            called += [(row, item.name) for item in response.content if item.type in _TOOL_PARTS]
    return [(row, name) for row, name in called if name]


def _strings(value: object) -> Iterator[str]:
    """All strings in lists and objects, however deep, names included."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting.extend(reversed(items))
            case dict() as fields:
                for name, item in reversed(fields.items()):
                    waiting += (item, name)
