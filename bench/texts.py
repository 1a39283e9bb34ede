"""What long prompts cost: decoding, reading by all content rules and counting, beside parsing the line alone.

    python -m bench.texts [--json]

One attempt a line; the prompts are ordinary prose. Milliseconds of processor time an attempt, the median of rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from bench.lines import fat_lines
from bench.work import NOW, engine
from exporters.sources import Chunk
from runtime.process import settle
from spec import load_spec

SIZES: Final = {"4 KB": 4_000, "100 KB": 100_000, "1 MB": 1_000_000}
ROUNDS: Final = 7
_TOGETHER: Final = 4_000_000
"""Characters of prompts in one measurement."""


def prompt_of(size: int) -> str:
    """Prose of `size` characters, out of the prompts of the benchmark's log."""
    words: list[str] = []
    total = 0
    for line in fat_lines(100_000, 11):
        for message in orjson.loads(line)["messages"]:
            words.append(str(message["content"]))
            total += len(words[-1]) + 1
        if total >= size:
            break
    return "\n".join(words)[:size]


def _processor_time(work: Callable[..., object], *arguments: Any, **options: Any) -> float:
    begun = time.process_time()
    work(*arguments, **options)
    return time.process_time() - begun


def _parse(lines: list[bytes]) -> None:
    for line in lines:
        orjson.loads(line)


def costs(size: int) -> dict[str, float]:
    """Milliseconds an attempt whose prompt has `size` characters: `parse` alone, and `all` that Tocsin does."""
    prompt, count = prompt_of(size), max(1, _TOGETHER // size)
    model: dict[str, Any] = orjson.loads(next(iter(fat_lines(1, 3))))
    model["messages"] = [{"role": "user", "content": prompt}]
    worker = engine(load_spec(), content=True)
    spent: dict[str, list[float]] = {"parse": [], "all": []}
    for turn in range(ROUNDS + 1):
        lines = [orjson.dumps({**model, "id": f"{turn}-{n}", "litellm_call_id": f"{turn}-{n}"}) for n in range(count)]
        data = b"\n".join(lines) + b"\n"
        settle()
        spent["parse"].append(_processor_time(_parse, lines))
        spent["all"].append(_processor_time(worker.feed, [Chunk.of("gw", data)], now=NOW))
    return {name: 1e3 * statistics.median(times[1:]) / count for name, times in spent.items()}  # the first compiles


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.texts", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    figures = {name: costs(size) for name, size in SIZES.items()}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{'prompt':>10}{'orjson.loads':>16}{'all':>12}{'times':>9}{'MB/s':>9}    (ms of processor time an attempt)")
    for name, figure in figures.items():
        speed = SIZES[name] / figure["all"] / 1e3
        print(
            f"{name:>10}{figure['parse']:16.4f}{figure['all']:12.4f}{figure['all'] / figure['parse']:9.1f}{speed:9.0f}"
        )


if __name__ == "__main__":
    main()
