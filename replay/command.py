"""The command: logs in, a report on standard output, progress on standard error when a person watches."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

from exporters.engine import Engine
from replay import paging_report
from replay.log_options import LogOptions
from replay.log_reader import LogError
from replay.report import as_json, as_text
from replay.run import Outcome, replay, replay_engine
from replay.threshold_tuning import overlay
from runtime.beneath import write_named
from runtime.errors import TocsinError, report
from spec import Spec, load_spec

if TYPE_CHECKING:
    from replay.html.history import History

_QUIET: Final = 1.0
"""Seconds of work that nobody has to be told of."""
_TELLING: Final = 0.02
"""The part of the work from which on it tells how long the rest takes."""


def run(
    logs: Sequence[Path],
    about: LogOptions,
    *,
    form: Literal["text", "json"],
    until_quiet: bool,
    pages: bool = False,
    proposal: Path | None = None,
    page: Path | None = None,
) -> int:
    """Replay and print; the exit status: 0 it was replayed, 1 no record could be read, or something cannot be used.

    With `pages`, what is printed is who would have been paged; `proposal` is the overlay to write, `page` the HTML.
    """
    progress = Progress(sys.stderr)
    for file in (page, proposal):
        if file is not None and not file.parent.is_dir():
            print(f"tocsin: {file}: cannot be written: there is no folder {file.parent}", file=sys.stderr)
            return 1
    try:
        if page is not None:
            _check_twice_readable(logs)
        spec = load_spec(*about.overlays)
        engine = replay_engine(spec, about, compiling=progress.compiling)
        history = None if page is None else _history(spec)
        outcome = replay(engine, logs, until_quiet=until_quiet, progress=progress.show, watcher=history)
        html = _html(engine, outcome, spec, history, logs, progress) if history is not None else ""
    except TocsinError as error:
        return report(error)
    except OSError as error:
        print(f"tocsin: {error.filename}: cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        progress.clear()
    try:
        if page is not None:
            write_named(page, html)
        print(_report(outcome, spec, form, pages=pages, proposal=proposal))
    except OSError as error:
        print(f"tocsin: {error.filename}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    found = outcome.covered.coverage
    return 0 if found.records + found.duplicates else 1


def _check_twice_readable(logs: Sequence[Path]) -> None:
    for path in logs:
        if path.exists() and not path.is_file():
            raise LogError(f"{path}: not a regular file, and a report reads the logs twice; write it to a file first")


def _history(spec: Spec) -> History:
    import replay.html.page  # noqa: F401 - most runs do without what renders it; where that is missing, say so now
    from replay.html.history import History

    return History(spec)


def _html(
    engine: Engine, outcome: Outcome, spec: Spec, history: History, logs: Sequence[Path], progress: Progress
) -> str:
    from replay.html.evidence import evidence
    from replay.html.page import described, page
    from replay.html.redact import Redactor

    found = paging_report.pages_of(outcome, spec)
    instances = described(found)
    progress.begin("reading the lines behind the alerts")
    lines = evidence(engine, logs, instances, spec, Redactor(engine.rules), progress.show)
    return page(found, history, instances, lines, logs)


def _report(outcome: Outcome, spec: Spec, form: Literal["text", "json"], *, pages: bool, proposal: Path | None) -> str:
    screen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if screen else 0
    color = screen and not os.environ.get("NO_COLOR")
    if not pages:
        return as_json(outcome) if form == "json" else as_text(outcome, spec, width=width, color=color)
    found = paging_report.pages_of(outcome, spec)
    if proposal is not None:
        write_named(proposal, overlay(found.proposal, spec))
    return paging_report.as_json(found) if form == "json" else paging_report.as_text(found, width=width, color=color)


class Progress:
    """One line that is written over, and gone in the end. Nothing unless the stream is a terminal."""

    def __init__(self, stream: TextIO, *, quiet: float = _QUIET) -> None:
        self._stream = stream if stream.isatty() else None
        self._begun = time.monotonic()
        self._next = self._begun + quiet
        self._shown = False
        self._what = "replaying"

    def compiling(self, rules: int) -> None:
        """Say that content rules are compiled, which takes seconds."""
        if self._stream is not None:
            self._shown = True
            self._stream.write(f"\r\x1b[Kcompiling {rules} content rules, once ")
            self._stream.flush()

    def begin(self, what: str) -> None:
        """Other work begins; `what` says which."""
        self._begun, self._what = time.monotonic(), what

    def show(self, part: float) -> None:
        """Say which part is done, from 0 to 1; not more often than can be read."""
        now = time.monotonic()
        if self._stream is not None and now >= self._next:
            self._next, self._shown = now + 0.2, True
            left = _left((now - self._begun) * (1 - part) / part) if part >= _TELLING else ""
            self._stream.write(f"\r\x1b[K{self._what}: {part:.0%} of the logs{left} ")
            self._stream.flush()

    def clear(self) -> None:
        """Leave no trace."""
        if self._stream is not None and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _left(seconds: float) -> str:
    if seconds >= 90:
        return f", about {seconds / 60:.0f} minutes left"
    return f", about {max(1, round(seconds))} s left"
