"""What an envelope says, and what a text is."""

from __future__ import annotations

from typing import Final

BINARY: Final = 200
"""Characters of ASCII without any white space from which on a text is data (base64, a vector), no words."""
REMOVED: Final = frozenset(("redacted-by-litellm", "redacted-by-tocsin"))
"""What stands in any place where a text was taken out on purpose."""
FOUND: Final = "found"
"""The channel of what a search found: strangers' words that a model may read next (``tool``), and an answer that leaves
the gateway (``output``). It is looked at as both, and counted once."""


class Reading:
    """What an envelope says.

    `texts` are pairs of channel and text in their order; a channel is one of `events.batch.Text`, or FOUND. `calls` are
    tool calls with arguments as they stand, `called` the names of all of them. `chars` were read. `missed` are the
    characters that stand in no known place, `missed_words` those of them in texts of several words.
    """

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.calls: list[tuple[str | None, object]] = []
        self.called: list[str] = []
        self.chars = 0
        self.missed = 0
        self.missed_words = 0

    def is_unread(self, *, expected: bool) -> bool:
        """Whether more stands in unknown places than was read; with no content `expected`, only sentences count."""
        return (self.missed if expected else self.missed_words) > self.chars

    def add(self, channel: str, text: str) -> None:
        """A piece of text."""
        self.texts.append((channel, text))
        self.chars += len(text)

    def call(self, name: str | None, arguments: object) -> None:
        """A tool call, which counts as something that was read even without arguments."""
        if name:
            self.called.append(name)
        if arguments:
            self.calls.append((name, arguments))
        self.chars += 1

    def miss(self, text: str) -> None:
        """A piece of text in an unknown place."""
        if text not in REMOVED and not is_data(text):
            self.missed += len(text)
            if is_sentence(text):
                self.missed_words += len(text)


def is_sentence(text: str) -> bool:
    """Whether a text is several words, and no name, address or number. Not all languages have spaces."""
    return " " in text or "\n" in text or not text.isascii()


def is_data(text: str) -> bool:
    """Whether a text is too long without a space to be words."""
    return len(text) >= BINARY and not is_sentence(text)
