"""The command: the demo on a terminal, or its pages as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final, Literal

from exercises.demo import traffic
from exercises.demo.run import DemoFailed, run
from exercises.demo.screen import Screen
from exercises.demo.stop import Stop, Stopped
from exercises.demo.traffic import RecordingsMissing

_GONE: Final = "Every process that was started has ended, and the temporary folder is gone."


def demo(*, once: bool, form: Literal["text", "json"], limit: float, recordings: Path | None = None) -> int:
    """Run the demo and print.

    Returns:
        The exit status: 0 the pages came (or it was stopped after that), 1 they did not, 128 and the number of the
        signal when it was stopped before.
    """
    screen = Screen(sys.stderr if form == "json" else sys.stdout)
    with Stop() as stop:
        try:
            outcome = run(screen, stop, recordings=recordings or traffic.RECORDINGS, once=once, limit=limit)
        except Stopped as stopped:
            screen.line()
            screen.line(f"Stopped by {stopped}. {_GONE}")
            return 128 + stopped.number
        except (DemoFailed, RecordingsMissing) as error:
            screen.line()
            for part in f"The demo failed: {error}".splitlines():
                screen.line(part)
            return 1
        if form == "json":
            print(json.dumps(outcome.as_data(), indent=2))
        screen.line()
        screen.line(_GONE)
    return 0
