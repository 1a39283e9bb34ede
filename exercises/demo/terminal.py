"""Text for a person: lines and boxes that fit the terminal, or plain text where there is none.

Everything that is shown may come from a log, so whatever could steer a terminal is escaped here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO

from runtime.text import printable, width_of, wrapped

_LEAST: Final = 40
_MOST: Final = 110
_WITHOUT_TERMINAL: Final = 100
_RESET: Final = "\x1b[0m"
STYLES: Final[Mapping[str, str]] = {
    "critical": "1;97;41",
    "high": "1;31",
    "medium": "33",
    "low": "36",
    "good": "32",
    "bold": "1",
    "dim": "2",
    "link": "4",
}
_UNICODE: Final = ("┌", "─", "┐", "│", "└", "┘")
_ASCII: Final = ("+", "-", "+", "|", "+", "+")


class Screen:
    """A stream that people read. Colours and boxes only on a terminal; NO_COLOR switches the colours off."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self.stream = stream
        terminal = stream.isatty() and environment.get("TERM") != "dumb"
        self.colour = terminal and not environment.get("NO_COLOR")
        self.boxes = terminal
        self._corners = _UNICODE if _can_encode(stream, "".join(_UNICODE)) else _ASCII

    @property
    def width(self) -> int:
        """Characters in a line, as the window is now."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            columns = _WITHOUT_TERMINAL
        return max(_LEAST, min(columns or _WITHOUT_TERMINAL, _MOST))

    def line(self, text: str = "", style: str = "", indent: str = "") -> None:
        """A paragraph, wrapped."""
        for part in wrapped(printable(text), self.width - len(indent)) or [""]:
            self._write(indent + self._styled(part, style))

    def box(self, title: str, rows: Iterable[tuple[str, str, str]], style: str = "") -> None:
        """A frame around rows of a name, a text, and the style of the text.

        A text without a name takes the whole line. Without a terminal there is no frame.
        """
        given = [(printable(name), printable(text), look) for name, text, look in rows]
        column = max((width_of(name) for name, _, _ in given), default=0) + 2
        width = self.width
        inner = width - 4 if self.boxes else width - 2
        left, line, right, side, low_left, low_right = self._corners
        head = next(iter(wrapped(printable(title), inner - 2)), "")
        if self.boxes:
            filled = line * (width - 5 - width_of(head))
            self._write(f"{left}{line} {self._styled(head, style)} {filled}{right}")
        else:
            self._write(self._styled(head, style))
        for name, text, look in given:
            for part, lead in self._row(name, text, column if name else 0, inner):
                rest = " " * (inner - width_of(lead) - width_of(part))
                shown = self._styled(lead, "dim") + self._styled(part, look)
                fits = width_of(lead) + width_of(part) <= inner
                self._write(
                    f"{side} {shown}{rest} {side if fits else ''}".rstrip() if self.boxes else f"  {shown}".rstrip()
                )
        if self.boxes:
            self._write(f"{low_left}{line * (width - 2)}{low_right}")

    def _row(self, name: str, text: str, column: int, inner: int) -> Iterator[tuple[str, str]]:
        link = text.startswith(("http://", "https://"))
        if link and column + width_of(text) > inner:
            # An address is of use only in one piece, so it gets a line of its own, and may stick out.
            yield "", name
            yield text, ""
            return
        for number, part in enumerate(wrapped(text, inner - column) or [""]):
            yield part, (name if not number else "").ljust(column)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}{_RESET}" if self.colour and style and text else text

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self.stream.flush()


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
