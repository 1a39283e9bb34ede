"""Where the time of the full work goes, stage by stage, beside what parsing alone would take.

    python -m bench.stages [--json]

Microseconds of processor time a line, in medians over the batches of the second half of each log, when all accounts
are known. Measuring adds about a hundredth.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import orjson

from bench.logs import groups, write_logs
from bench.work import NOW, engine
from events.batch import EventBatch
from events.gateways.litellm import adapter as columns
from events.gateways.unwrapping import plain_adapter
from exporters.engine import Engine
from exporters.sources import Chunk
from runtime.process import settle
from spec import load_spec

LOGS: Final = {
    "lean": ("lean", False),
    "fat": ("fat", False),
    "fat, texts read": ("fat", True),
}
"""Log and whether texts are read, by the name of a column."""

PARSE: Final = "orjson.loads of every line, for comparison"
TOTAL: Final = "all"


class Stopwatch:
    """Times stages that may be inside of each other: each is given only the time that is not an inner one's."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)  # seconds, by stage
        self._patches = ExitStack()
        self._open: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, as part of `stage`."""

        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            self._switch()
            self._open.append(stage)
            try:
                return function(*arguments, **options)
            finally:
                self._switch()
                self._open.pop()

        return run

    def watch(self, stage: str, owner: Any, *names: str) -> None:
        """Let these functions of `owner` be part of `stage`, until `close`."""
        for name in names:
            self._patches.enter_context(patch.object(owner, name, self.timed(stage, getattr(owner, name))))

    def close(self) -> None:
        """Take the watches away."""
        self._patches.close()


def _watched(worker: Engine, watch: Stopwatch) -> None:
    gateway: Any = plain_adapter(worker._adapters["gw"])
    state: Any = worker.state
    table = state.families.tables["events"]
    watch.watch("the rest", worker, "feed")
    watch.watch("columns", worker, "decode")
    watch.watch("typed decoding", gateway._decoder, "decode")
    watch.watch("columns: records to fields", columns, "transposed")
    watch.watch("columns: numbers and times", columns, "number_columns", "instants_of")
    watch.watch("columns: identities", gateway, "_identities")
    watch.watch("columns: labels, keys, addresses", gateway, "_dimensions", "_actors")
    watch.watch("columns: errors and verdicts", gateway, "_errors", "_verdicts")
    watch.watch("columns: texts and tool calls", gateway, "_texts", "_tool_calls")
    watch.watch("duplicates", state, "new_events")
    watch.watch("content rules", worker, "detect")
    watch.watch("joining, giving memory back", EventBatch, "joined", "detach")
    watch.watch("counting: the rest", state, "take")
    watch.watch("counting: cells and histograms", table, "resolve", "add")
    watch.watch("counting: requests settled", state.requests, "settle")
    watch.watch("windows: of flows", state.signals, "_take_flow")
    watch.watch("windows: of rare hits, distinct values", state.signals, "_take_rare")


def stages(path: Path, *, content: bool) -> dict[str, float]:
    """Microseconds a line, by stage."""
    worker, watch = engine(load_spec(), content=content), Stopwatch()
    _watched(worker, watch)
    if content:
        worker.detect(EventBatch("gw", "litellm", 1))  # nothing has to be compiled later
    settle()
    batches: list[dict[str, float]] = []
    for group in groups(path):
        lines = sum(chunk.count(b"\n") for chunk in group)
        begun = time.process_time()
        for chunk in group:
            for text in chunk.splitlines():
                orjson.loads(text)
        parsing = time.process_time() - begun
        watch.spent.clear()
        worker.feed((Chunk.of("gw", data) for data in group), now=NOW)
        spent = {PARSE: parsing, **watch.spent, TOTAL: sum(watch.spent.values())}
        batches.append({stage: 1e6 * seconds / lines for stage, seconds in spent.items()})
    watch.close()
    half = batches[len(batches) // 2 :]
    return {stage: statistics.median(batch.get(stage, 0.0) for batch in half) for stage in half[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.stages", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        print("bench: writing the logs", file=sys.stderr)
        write_logs(Path(name))
        figures: dict[str, dict[str, float]] = {}
        for column, (log, content) in LOGS.items():
            print(f"bench: {column}", file=sys.stderr)
            figures[column] = stages(Path(name) / f"{log}.jsonl", content=content)
    if options.json:
        print(json.dumps(figures))
        return
    names = [*dict.fromkeys(stage for spent in figures.values() for stage in spent)]
    names.sort(
        key=lambda stage: (stage == TOTAL, stage == PARSE, -max(spent.get(stage, 0) for spent in figures.values()))
    )
    print(f"{'µs of processor time a line':44}" + "".join(f"{column:>17}" for column in figures))
    for stage in names:
        print(f"{stage:44}" + "".join(f"{spent.get(stage, 0):17.2f}" for spent in figures.values()))
    ratios = (spent[TOTAL] / spent[PARSE] for spent in figures.values())
    print(f"{'all, in times of orjson.loads':44}" + "".join(f"{ratio:17.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
