"""The command: the demo on a terminal, or its pages as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final, Literal

from exercises.demo import serverless, traffic
from exercises.demo.interrupt import Stop, Stopped
from exercises.demo.run import DemoFailedError, NoServersError, run
from exercises.demo.terminal import Screen
from exercises.demo.traffic import RecordingsMissingError
from replay import paging_report
from replay.command import Progress
from runtime.errors import report

_GONE: Final = "Every process that was started has ended, and the temporary folder is gone."


def demo(*, once: bool, form: Literal["text", "json"], limit: float, recordings: Path | None = None) -> int:
    """Run the demo and print; `limit` in seconds, `recordings` a folder (None: those of the checkout).

    Returns:
        The exit status: 0 the pages came (or it was stopped after that), or the replay shows them where there is no
        server; 1 they did not; 128 and the number of the signal when it was stopped before.
    """
    stream = sys.stderr if form == "json" else sys.stdout
    screen = Screen(stream)
    with Stop() as stop:
        try:
            status, last = 0, _GONE
            try:
                folder = recordings or traffic.RECORDINGS
                try:
                    outcome = run(screen, stop, recordings=folder, once=once, limit=limit)
                    if form == "json":
                        print(json.dumps(outcome.as_data(), indent=2), flush=True)
                except NoServersError as error:
                    replay(screen, stop, folder, str(error), form)
                    last = ""
            except Stopped as stopped:
                status, last = 128 + stopped.number, f"Stopped by {stopped}. {_GONE}"
            except (DemoFailedError, RecordingsMissingError) as error:
                status, last = 1, f"The demo failed: {error}"
            screen.line()
            for part in last.splitlines():
                screen.line(part)
        except BrokenPipeError:
            # Nobody reads any more, for instance behind `head`. The interpreter must not try again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            return 1
        except OSError as error:
            return report(error)
    return status


def replay(screen: Screen, stop: Stop, folder: Path, why: str, form: Literal["text", "json"]) -> None:
    """Show who would have been paged, where no server can say it.

    Raises:
        DemoFailedError: not who should have been.
    """
    screen.line(f"The live demo cannot run here: {why}", "high")
    screen.line()
    screen.line("Instead, the recorded day is replayed with no server, as `tocsin replay --pages` does with your logs.")
    progress = Progress(screen.stream, quiet=0.0)
    try:
        with stop.armed():
            found = serverless.run(traffic.load(folder), why, progress.show)
    finally:
        progress.clear()
    if form == "json":
        print(json.dumps(found.as_data(), indent=2), flush=True)
    else:
        screen.line()
        print(
            paging_report.as_text(found.pages, width=screen.width if screen.boxes else 0, color=screen.colour),
            flush=True,
        )
    if found.missing:
        raise DemoFailedError(f"these alerts would have paged nobody: {', '.join(found.missing)}")
