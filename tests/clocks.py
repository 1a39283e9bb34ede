"""Run tests at other times, in other time zones and locales: ``python -m tests.clocks [MOMENT...] [-- ARGUMENTS]``.

Without the name of a moment all of them, one after the other; without arguments for pytest the fast tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from exercises.programs import ServerMissingError, find
from tests.support.clock import MOMENTS, at

ROOT = Path(__file__).parents[1]
FAST = ("-m", "not stack and not slow", "-n", "auto", "-q")
IN_EVERY_RUN = (
    "tests/test_support.py",
    "tests/spec/test_duration.py",
    "tests/alerts/test_incidents.py",
    "tests/exporters/test_feed_gaps.py",
    "tests/exporters/signals/test_sequence_gaps.py",
    "tests/exporters/sources/test_growth.py",
    "tests/exporters/sources/test_rename.py",
    "tests/replay/tail/test_columns.py",
    "tests/replay/test_arrival.py",
    "tests/replay/test_paging_report.py",
    "--deselect=tests/replay/test_paging_report.py::test_recorded_attacks_page_and_a_proposal_keeps_to_the_budget",
    "tests/exercises/test_recording.py",
)
"""Where times are made, compared or written, as far as it takes few seconds: `make test` runs these at each moment."""
UNDER_LEAPS = ("tests/exporters/test_feed_gaps.py", "tests/exporters/sources", "tests/exporters/hooks/test_writing.py")
"""What has to stand a clock that is set while it runs."""


def main(arguments: list[str]) -> int:
    """Run; the exit status is 1 when a test failed anywhere.

    Returns:
        2 when there is no such moment, or no library to move the clock with.
    """
    names, _, rest = " ".join(arguments).partition("--")
    chosen = [moment for moment in MOMENTS if not names.strip() or moment.name in names]
    if not chosen:
        print(f"{names.strip()!r} is no moment. There are: {'; '.join(one.name for one in MOMENTS)}", file=sys.stderr)
        return 2
    try:
        library = find("libfaketime")
    except ServerMissingError as missing:
        print(missing, file=sys.stderr)
        return 2
    failed = []
    for moment in chosen:
        print(f"== {moment.name}: {moment.utc}, {moment.zone}, {moment.locale}", flush=True)
        if pytest_run(rest.split() or FAST, at(moment, library)).returncode:
            failed.append(moment.name)
    if not names.strip():
        print("== a clock that leaps", flush=True)
        if pytest_run(["-p", "tests.support.leaps", *UNDER_LEAPS], dict(os.environ)).returncode:
            failed.append("a clock that leaps")
    for name in failed:
        print(f"failed at: {name}", file=sys.stderr)
    return 1 if failed else 0


def pytest_run(
    arguments: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, with nothing left in its cache; `quiet` keeps what it says in the result."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=dict(environment), check=False, capture_output=quiet, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
