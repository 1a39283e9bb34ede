"""The command: the demo on a terminal, or its pages as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final, Literal

from exercises.demo import traffic
from exercises.demo.run import DemoFailedError, run
from exercises.demo.screen import Screen
from exercises.demo.stop import Stop, Stopped
from exercises.demo.traffic import RecordingsMissingError
from runtime.errors import report

_GONE: Final = "Every process that was started has ended, and the temporary folder is gone."


def demo(*, once: bool, form: Literal["text", "json"], limit: float, recordings: Path | None = None) -> int:
    """Run the demo and print; `limit` in seconds, `recordings` a folder (None: those of the checkout).

    Returns:
        The exit status: 0 the pages came (or it was stopped after that), 1 they did not, 128 and the number of the
        signal when it was stopped before.
    """
    stream = sys.stderr if form == "json" else sys.stdout
    screen = Screen(stream)
    with Stop() as stop:
        try:
            status, last = 0, _GONE
            try:
                outcome = run(screen, stop, recordings=recordings or traffic.RECORDINGS, once=once, limit=limit)
                if form == "json":
                    print(json.dumps(outcome.as_data(), indent=2), flush=True)
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
