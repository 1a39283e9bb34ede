"""What reaches a terminal: fitted to its width, and never a control character that it did not choose itself."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from fcntl import ioctl
from typing import TextIO

import pytest

from exercises.demo import pages, show
from exercises.demo.terminal import Screen
from runtime.text import width_of
from tests.exercises.demo.deliveries import pagerduty, slack

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A pseudo-terminal of some width, and what was written to it."""

    def __init__(self, width: int, encoding: str = "utf-8") -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.stream: TextIO = os.fdopen(slave, "w", encoding=encoding)

    def text(self) -> str:
        self.stream.flush()
        os.set_blocking(self._master, False)
        parts = []
        try:
            while part := os.read(self._master, 65536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode().replace("\r\n", "\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture(params=[40, 72, 200])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(request.param)
    yield opened
    opened.close()


def a_page() -> pages.Page:
    page = pages.read(pagerduty())
    assert page is not None
    return page


def test_a_box_has_the_width_of_the_terminal(terminal: Terminal) -> None:
    screen = Screen(terminal.stream, {"TERM": "xterm"})
    show.page(screen, a_page())
    plain = _STYLE.sub("", terminal.text())
    framed = [line for line in plain.splitlines() if line and "http" not in line]
    assert len(framed) > 10
    assert {width_of(line) for line in framed} == {screen.width}
    assert screen.width == min(os.get_terminal_size(terminal.stream.fileno()).columns, 110)


def test_links_stay_in_one_piece(terminal: Terminal) -> None:
    show.page(Screen(terminal.stream, {"TERM": "xterm"}), a_page())
    words = _STYLE.sub("", terminal.text()).split()
    for alert in a_page().alerts:
        assert {alert.runbook_url, alert.dashboard_url} <= set(words)


@pytest.mark.parametrize(
    ("environment", "colour", "boxes"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colours_and_boxes(environment: dict[str, str], colour: bool, boxes: bool) -> None:
    terminal = Terminal(80)
    show.page(Screen(terminal.stream, environment), a_page())
    text = terminal.text()
    terminal.close()
    assert ("\x1b[" in text, "┌" in text) == (colour, boxes)


def test_without_a_terminal_it_is_plain() -> None:
    stream = io.StringIO()
    screen = Screen(stream, {"TERM": "xterm"})
    show.page(screen, a_page())
    assert "\x1b" not in stream.getvalue()
    assert "┌" not in stream.getvalue()
    assert "Who        u-boris" in stream.getvalue()


def test_a_stream_that_knows_ascii_alone() -> None:
    terminal = Terminal(80, "ascii")
    screen = Screen(terminal.stream, {"TERM": "xterm"})
    screen.box("head", [("Who", "zoë", "")])
    text = _STYLE.sub("", terminal.text())
    terminal.close()
    assert text.startswith("+- head ---")
    assert "zo\\xeb" in text


@pytest.mark.parametrize("evil", ["\x1b[2J", "\r", "\x07", "\x9b31m", "\u202e", "a\nb", "\x1b]0;title\x07"])
def test_labels_steer_no_terminal(evil: str) -> None:
    """Also in colour, where the only escapes are the screen's own."""
    terminal = Terminal(80)
    screen = Screen(terminal.stream, {"TERM": "xterm"})
    page = pages.read(pagerduty(incident=f"data_leakage/{evil}", severity=f"{evil}", owner=evil))
    message = pages.read(slack(f"[HIGH] {evil}"))
    assert page is not None
    assert message is not None
    show.page(screen, page)
    show.note(screen, message)
    screen.line(evil)
    screen.box(evil, [(evil, evil, "bold")])
    text = _STYLE.sub("", terminal.text())
    terminal.close()
    assert all(letter == "\n" or letter.isprintable() for letter in text)
    assert evil not in text


def test_an_update_tells_only_what_is_new() -> None:
    stream = io.StringIO()
    show.page(Screen(stream, {}), a_page(), known={"LLMBulkSensitiveOutput"})
    assert "PAGE, UPDATED to pager-security (PagerDuty)" in stream.getvalue()
    assert "Alert      LLMCanaryLeaked" in stream.getvalue()
    assert "Alert      LLMBulkSensitiveOutput" not in stream.getvalue()


@pytest.mark.parametrize(
    ("answered", "says"),
    [("none", "NO. "), ("up to 3", "YES. The model answered up to 3 of the hits"), ("unknown, see the log", "unknown")],
)
def test_answered_and_blocked_are_never_confused(answered: str, says: str) -> None:
    alert = pages.Alert("LLMJailbreakRepeated", "", answered=answered)
    assert show.answered(alert)[1].startswith(says)
