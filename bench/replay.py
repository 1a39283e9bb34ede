"""How fast `tocsin replay --pages` goes through a busy gateway's log: ``python -m bench.replay``.

Busy: a hundred attempts a second of ten thousand accounts, with prompts and answers, content rules included.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.lines import fat_lines
from bench.measure import Figure
from replay import replay, replay_engine
from replay.paging_report import as_text, pages_of
from spec import load_spec

LINES: Final = 50_000
"""Lines of a log of its own: eight minutes of such a gateway."""


def replay_pages(folder: Path, rounds: int) -> Iterator[Figure]:
    """Seconds that the log `fat.jsonl` in `folder` spans, for each second of one processor."""
    spec = load_spec()
    speeds = []
    for _ in range(max(2, rounds // 2)):
        engine = replay_engine(spec)
        begun = time.process_time()
        outcome = replay(engine, [folder / "fat.jsonl"])
        as_text(pages_of(outcome, spec), width=100)
        if outcome.start is None or outcome.end is None:
            raise RuntimeError("the log holds no attempt")
        speeds.append((outcome.end - outcome.start) / (time.process_time() - begun))
    yield Figure.of(
        "replay_pages_speed",
        speeds,
        "times real time",
        ">= 200",
        "100 attempts a second, 10,000 accounts, with content",
    )


def main() -> None:
    """Write a log, replay it, print the figure."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        with (folder / "fat.jsonl").open("wb") as file:
            file.writelines(fat_lines(LINES, 1))
        for figure in replay_pages(folder, 6):
            mark = "reached" if figure.reached else "not reached"
            print(
                f"{figure.name}: {figure.value:.0f} ({figure.low:.0f} to {figure.high:.0f}) {figure.unit}, "
                f"goal {figure.goal}: {mark}; {figure.reference}"
            )


if __name__ == "__main__":
    main()
