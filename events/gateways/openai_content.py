"""Prompts and answers in the shapes of the OpenAI and Anthropic APIs, which most gateways log.

What comes in any other envelope is read by `events.gateways.envelopes`, from outside of these structures.

The structures accept nearly anything a client can send, so that odd content does not cost the record its fast path:
every field is optional, and where a string is usual a list or an object may stand.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from events.batch import Text
from events.gateways.envelopes import FOUND, Reading, read_answer, read_body
from events.gateways.envelopes.words import called, is_call, is_result

BUDGET: Final = 1_048_576
"""Characters looked at of one attempt; the newest texts come first. No model takes as many, but a log may hold them."""

STOP_PATHS: Final = frozenset(("choices.finish_reason", "incomplete_details.reason"))
"""What `filtered` needs of a response."""
TOOL_PATHS: Final = frozenset(
    (
        "choices.message.tool_calls.function.name",
        "choices.message.tool_calls.custom.name",
        "choices.message.tool_calls.name",
        "choices.message.tool_calls.type",
        "choices.message.function_call.name",
        "output.type",
        "output.name",
        "content.type",
        "content.name",
        "data.object",
    )
)
"""What `tools_called` and `bare` need of a response."""

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
_SAID_BEFORE: Final = frozenset(("assistant", "model"))
"""Roles of turns that may have no words: they called tools, which was seen then."""
_WORDLESS: Final = frozenset(("item_reference", "compaction", "reasoning", "mcp_list_tools"))
"""Types of items of a request that need no words of their own."""


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
    refusal: str | None = None
    thinking: str | None = None
    transcript: str | None = None
    summary: Any = None
    action: Any = None
    operation: Any = None
    code: str | None = None
    queries: Any = None
    output: Any = None
    outputs: Any = None
    results: Any = None
    tools: Any = None
    citations: Any = None
    annotations: Any = None


Parts = list[Part | str | int | float | bool | list[Any] | None]
Content = str | Part | Parts | int | float | bool | None


class Message(msgspec.Struct, gc=False):
    """A turn of the request (or an item of the Responses API's input)."""

    role: str | None = None
    content: Content = None
    output: Any = None
    type: str | None = None
    summary: Any = None


class Function(msgspec.Struct, gc=False):
    """What a tool call calls; `arguments` are JSON as text, now and then the object itself."""

    name: str | None = None
    arguments: Any = None


class Custom(msgspec.Struct, gc=False):
    """What a call of a custom tool calls; `input` is a text."""

    name: str | None = None
    input: Any = None


class ToolCall(msgspec.Struct, gc=False):
    """A tool call made by the model."""

    function: Function | None = None
    custom: Custom | None = None
    type: str | None = None
    name: str | None = None
    arguments: Any = None
    input: Any = None


class Audio(msgspec.Struct, gc=False):
    """What the model said aloud."""

    transcript: str | None = None


class Answer(msgspec.Struct, gc=False):
    """The message of a choice."""

    content: Content = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | ToolCall | None = None
    function_call: Function | None = None
    refusal: str | None = None
    audio: Audio | None = None
    reasoning: Any = None
    thinking_blocks: Any = None
    provider_specific_fields: Any = None
    annotations: Any = None


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


class Datum(msgspec.Struct, gc=False):
    """One of the things that an answer lists: a vector, a picture, a part of a document."""

    object: str | None = None


class Response(msgspec.Struct, gc=False):
    """An answer: `choices` of chat and text completions, `output` of the Responses API, `content` of Anthropic's."""

    choices: list[Choice] | None = None
    output: list[Part] | str | None = None
    content: list[Part] | str | None = None
    text: str | Format | None = None
    incomplete_details: Incomplete | None = None
    data: list[Datum | str | int | float | bool | list[Any] | None] | Datum | str | None = None


Messages = list[Message | str | int | float | bool | list[Any] | None] | Message | str | None
AnyResponse = Response | str | list[Any] | None


class Envelopes(Protocol):
    """The attempts of a batch as their records have them, for what the structures here do not hold."""

    def prompt(self, row: int) -> Reading:
        """What the messages of an attempt say."""

    def answer(self, row: int) -> Reading:
        """What the answer of an attempt says."""

    def expects(self, row: int, side: str) -> bool:
        """Whether an attempt of its sort has content on the side ``prompt`` or ``answer``."""


class Collector:
    """Gathers the texts of a batch of attempts.

    `placeholders` stand where a gateway removed the text: they are not content. `envelopes` read what has another
    shape than the structures here. `input_chars` and `output_chars` count characters before anything was cut, one
    number per attempt, NaN where there is no text. `skipped` says what was beyond the budget of an attempt: its row,
    the channel, and how many characters. `unread` are attempts with a side (``prompt``, ``answer``) that says
    something in no known place.
    """

    def __init__(self, placeholders: frozenset[str] = frozenset(), envelopes: Envelopes | None = None) -> None:
        self.texts: list[Text] = []
        self.input_chars: list[float] = []
        self.output_chars: list[float] = []
        self.skipped: list[tuple[int, str, int]] = []
        self.unread: list[tuple[int, str]] = []
        self._row = self._size = 0  # the attempt at work, and the characters that it had so far
        self._hidden = False  # it has a placeholder
        self._envelopes = envelopes
        self._placeholders = placeholders
        self._longest_placeholder = max(map(len, placeholders), default=0)

    def collect(
        self,
        requests: Sequence[Messages],
        systems: Sequence[Content],
        responses: Sequence[AnyResponse],
        *,
        bodies: Collection[int] = (),
        results: Collection[int] = (),
    ) -> None:
        """Add attempts: their messages, system prompts that stand outside of these, and answers.

        Of the attempts `bodies` the messages are one, which holds the body of a request; of `results` the answer is
        that of a tool.
        """
        texts, longest, channels = self.texts, self._longest_placeholder, _CHANNELS
        for row, (messages, system, response) in enumerate(zip(requests, systems, responses, strict=True)):
            first = len(texts)
            self._row, self._size, self._hidden = row, 0, False
            strange = False
            if system:
                self._content("system", system)
            told, size = len(texts), self._size
            if bodies and row in bodies and self._body(messages):
                pass
            elif type(messages) is list:
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
                        elif message.role not in _SAID_BEFORE and content is None:
                            strange |= not self._wordless(message)
                    elif type(message) is str:
                        self._text("user", message)
                    elif type(message) is list and message:
                        self._loose("user", message)
            elif messages:
                self._message(messages)
                strange = type(messages) is Message and self._size == size
            if strange and self._envelopes is not None:
                del texts[told:]
                self._size = size
                self._outside("prompt", self._envelopes.prompt(row))
            self.input_chars.append(self._size or math.nan)
            asked, self._size = self._size, 0
            self._hidden = False
            if results and row in results and self._envelopes is not None:
                self._outside("answer", self._envelopes.answer(row))
            elif type(response) is Response:
                for choice in response.choices or ():
                    answer = choice.message
                    if answer is None:
                        if choice.text:
                            self._text("output", choice.text)
                    elif (
                        type(content := answer.content) is str
                        and longest < (length := len(content))
                        and not (answer.tool_calls or answer.reasoning_content or answer.function_call or choice.text)
                        and not (answer.refusal or answer.audio or answer.annotations)
                        and not (answer.thinking_blocks or answer.reasoning or answer.provider_specific_fields)
                    ):
                        self._size += length
                        texts.append(Text(row, "output", content))
                    else:
                        self._choice(choice, answer)
                if response.output or response.content or response.text:
                    self._answer(response)
                if not (self._size or self._hidden) and self._envelopes is not None and not _vectors(response.data):
                    self._outside("answer", self._envelopes.answer(row))
            elif response:
                self._outside("answer", read_answer(response))
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

    # ------------------------------------------------------------------------------------------------ envelopes
    def _outside(self, side: str, reading: Reading) -> None:
        """Take what an envelope says on one side of the attempt."""
        self._add(reading)
        expected = self._envelopes is None or self._envelopes.expects(self._row, side)
        if reading.is_unread(expected=expected):
            self.unread.append((self._row, side))

    def _add(self, reading: Reading) -> None:
        for channel, text in reading.texts:
            if channel == FOUND:
                size = self._size
                self._text("tool", text)
                self._size, channel = size, "output"
            self._text(channel, text)
        for name, arguments in reading.calls:
            self._tool_call(name, arguments)

    def _body(self, messages: Messages) -> bool:
        """Take the body of a request, which is the only message, by role; whether it is one that is known."""
        message = messages[0] if type(messages) is list and len(messages) == 1 else None
        if type(message) is not Message or type(message.content) is not str:
            return False
        reading = read_body(message.content)
        if reading is not None:
            self._add(reading)
        return reading is not None

    def _wordless(self, message: Message) -> bool:
        """Whether a turn without content is one that has none: an earlier call, or what refers to another item."""
        if message.summary is not None:
            self._add(read_answer(message.summary, "assistant"))
        return message.type in _WORDLESS or is_call(message.type)

    # ------------------------------------------------------------------------------------------------ pieces
    def _text(self, channel: str, text: str) -> None:
        """Add a piece of text."""
        length = len(text)
        if length <= self._longest_placeholder and (not text or text in self._placeholders):
            self._hidden = self._hidden or length > 0
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
            if type(message.output) is str:
                self._text("tool", message.output)
            elif message.output is not None:
                self._add(read_answer(message.output, "tool"))
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
        if is_call(part.type) and channel in ("output", "assistant"):  # a client can name its own words as it likes
            self._call_part(channel, part)
            return
        if part.text:
            self._text(channel, part.text)
        if part.refusal or part.thinking or part.transcript:
            for text in filter(None, (part.refusal, part.thinking, part.transcript)):
                self._text(channel, text)
        # What a tool or a document says is not what the user says, nor the model.
        if part.content:
            if is_result(part.type):
                self._add(read_answer(part.content, "tool"))
            else:
                self._loose("output" if channel == "output" else "tool", part.content)
        if part.tools:
            self._add(read_answer(part.tools, "tool"))
        if part.summary or part.citations or part.annotations:
            for said in filter(None, (part.summary, part.citations, part.annotations)):
                self._add(read_answer(said, channel))
        source = part.source
        if type(source) is Source and source.type == "text" and source.data:
            self._text("tool", source.data)

    def _call_part(self, channel: str, part: Part) -> None:
        """A tool call, which counts when it is made, and what the tool gave back if the provider called it."""
        if channel != "output":
            return
        given = part.arguments or part.input or part.action or part.operation or part.code or part.queries
        self._tool_call(called(part.name, part.type), given)
        for result in (part.output, part.outputs, part.results):
            if result:
                self._add(read_answer(result, "tool"))

    def _choice(self, choice: Choice, answer: Answer) -> None:
        if choice.text:
            self._text("output", choice.text)
        if answer.reasoning_content:
            self._text("output", answer.reasoning_content)
        self._content("output", answer.content)
        if answer.refusal:
            self._text("output", answer.refusal)
        if answer.audio is not None and answer.audio.transcript:
            self._text("output", answer.audio.transcript)
        for more in (answer.reasoning, answer.thinking_blocks, answer.provider_specific_fields, answer.annotations):
            if more:  # mostly what was said above, once more
                for channel, text in read_answer(more).texts:
                    if text not in (answer.reasoning_content, answer.content, answer.refusal):
                        self._text(channel, text)
        for name, arguments in map(_called, _listed(answer.tool_calls)):
            self._tool_call(name, arguments)
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
    found: list[tuple[int, str | None]] = []
    for row, response in enumerate(responses):
        if response is None or type(response) is str or type(response) is list:
            continue
        for choice in response.choices or ():
            if (answer := choice.message) is None:
                continue
            if answer.tool_calls:
                found += [(row, _called_name(call)) for call in _listed(answer.tool_calls)]
            if answer.function_call is not None:
                found.append((row, answer.function_call.name))
        if type(response.output) is list:
            found += [(row, called(item.name, item.type)) for item in response.output if is_call(item.type)]
        if type(response.content) is list:
            found += [(row, called(item.name, item.type)) for item in response.content if is_call(item.type)]
    return [(row, name) for row, name in found if name]


def bare(responses: Sequence[Any]) -> list[int]:
    """The rows whose answer has none of the fields that `tools_called` looks into: it has another envelope."""
    found = [
        row
        for row, response in enumerate(responses)
        if response is not None
        and (
            type(response) is str
            or type(response) is list
            or not (response.choices or response.output or response.content)
        )
    ]
    return [row for row in found if not _vectors(getattr(responses[row], "data", None))]


def _vectors(data: Any) -> bool:
    """Whether what an answer lists are embeddings: these are many, large, and nothing that can be read."""
    if type(data) is not list or not data:
        return False
    return all(getattr(datum, "object", None) == "embedding" for datum in data)


def _listed(calls: Any) -> list[Any]:
    return calls if type(calls) is list else [calls] if calls is not None else []


def _called_name(call: Any) -> str | None:
    inner = call.function or call.custom
    return inner.name if inner is not None else called(call.name, call.type)


def _called(call: ToolCall) -> tuple[str | None, object]:
    """Name and arguments of a tool call in a message."""
    if call.function is not None:
        return call.function.name, call.function.arguments
    if call.custom is not None:
        return call.custom.name, call.custom.input
    return called(call.name, call.type), call.arguments or call.input


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
