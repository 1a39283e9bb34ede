"""Runs every benchmark and prints the figures: a table, or with ``--json`` one JSON object."""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson
import yaml
from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest

from bench.hook import hook
from bench.lines import lean_lines
from bench.logs import FAT, LEAN, groups, write_logs
from bench.measure import Figure, cpu_seconds
from bench.replay import replay_pages
from bench.work import NOW, engine
from exercises import servers
from exporters.expose import Exposition
from exporters.metric_table import Table
from exporters.signals.cells import CellTable
from exporters.signals.labels import LabelSet
from exporters.signals.rollup import Rollup
from exporters.signals.series_keys import SeriesKeys
from exporters.sources import Chunk
from exporters.view.scrape_hold import ScrapeHold
from runtime.process import settle
from spec import load_spec
from spec.model import Family

ROUNDS = 5
MTAIL = Path(__file__).parent / "mtail" / "five.mtail"


def mtail(folder: Path, rounds: int) -> Iterator[Figure]:
    """Lines per processor second of the same five metrics, against mtail's; start-up subtracted."""
    program = str(servers.find("mtail"))
    theirs = [program, "-one_shot", "-progs", str(MTAIL), "-address", "127.0.0.1", "-port", "0", "-logs"]
    ours = [sys.executable, "-m", "bench.work", "five"]
    single = {**os.environ, "GOMAXPROCS": "1"}
    for kind, goal in (("lean", ">= 8"), ("fat", ">= 8")):
        ratios = []
        for _ in range(rounds):
            times = []
            for command in (theirs, ours):
                start = cpu_seconds([*command, str(folder / "empty.jsonl")], env=single)
                times.append(cpu_seconds([*command, str(folder / f"{kind}.jsonl")], env=single) - start)
            ratios.append(times[0] / times[1])
        yield Figure.of(f"mtail_{kind}", ratios, "times faster", goal, "mtail, the same five metrics, one core")


def parser(folder: Path, rounds: int) -> Iterator[Figure]:
    """Time of the full work over the time of ``orjson.loads`` on the same lines, group by group in turn."""
    for name, kind, content, goal in (
        ("lean", "lean", False, "<= 3.5"),
        ("fat", "fat", False, "<= 1.3"),
        ("fat_rules", "fat", True, "<= 2.2"),
    ):
        path = folder / f"{kind}.jsonl"
        ratios = [_against_orjson(path, content=content) for _ in range(max(1, rounds // 2))]
        reference = "orjson.loads of every line" + ("; texts read, content rules included" if content else "")
        yield Figure.of(f"orjson_{name}", ratios, "times as long", goal, reference)


def _against_orjson(path: Path, *, content: bool) -> float:
    worker = engine(load_spec(), content=content)
    settle()
    parsing = working = 0.0
    for group in groups(path):
        begun = time.process_time()
        for chunk in group:
            for text in chunk.splitlines():
                orjson.loads(text)
        between = time.process_time()
        worker.feed((Chunk.of("gw", data) for data in group), now=NOW)
        working += time.process_time() - between
        parsing += between - begun
    return working / parsing


def scrape(_folder: Path, rounds: int) -> Iterator[Figure]:
    """What a scrape of 10,000 counters costs, against children of prometheus-client."""
    no_created: Callable[[], None] = disable_created_metrics  # so that both print as many lines
    no_created()
    families, each = 10, 1000
    registry = CollectorRegistry()
    rollups = []
    for number in range(families):
        name = f"bench_{number}_total"
        child = Counter(name, "bench", ("model", "tenant", "outcome"), registry=registry)
        sets = {label: LabelSet(each) for label in ("model", "tenant", "outcome")}
        cells = CellTable(("model", "tenant", "outcome"), ("attempts",), label_sets=sets)
        keys = [(f"model-{place % 20}", f"tenant-{place}", "success") for place in range(each)]
        cells.add(cells.resolve(keys, [True] * each), {"attempts": np.arange(1.0, each + 1)})
        for place, key in enumerate(keys):
            child.labels(*key).inc(place + 1)
        family = Family(
            help="bench",
            type="counter",
            category="volumetric",
            layer="application",
            labels=("model", "tenant", "outcome"),
            measure="attempts",
        )
        rollups.append(Rollup(name, family, SeriesKeys(family, cells.dims, {}), cells))
    exposition, holds = Exposition(), [ScrapeHold() for _ in rollups]

    def ours() -> bytes:
        shown = [
            (rollup, hold.show(rollup.values(), now, 1.0, again=False))
            for rollup, hold in zip(rollups, holds, strict=True)
        ]
        return exposition.render(
            Table(rollup.name, "counter", "bench", rollup.family.labels, rollup.keys, values[:, 0])
            for rollup, values in shown
        )

    ratios = []
    for place in range(rounds * 3):
        now = 10.0 * place
        theirs_seconds, ours_seconds = _timed(lambda: generate_latest(registry)), _timed(ours)
        if place > 2:  # the first scrapes make label texts and hold new series
            ratios.append(theirs_seconds / ours_seconds)
    yield Figure.of("scrape_10k_vs_client", ratios, "times faster", ">= 20", "prometheus-client children")


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def memory(folder: Path, _rounds: int) -> Iterator[Figure]:
    """Resident memory of the exporter once it has read the fat log of 10,000 accounts and was scraped a few times."""
    values = []
    for number in range(2):
        with _exporter(folder / f"memory-{number}", folder / "fat.jsonl") as (port, pid):
            while _read_count(port) < FAT:
                time.sleep(0.3)
            values.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6)
    yield Figure.of("rss_10k_mb", values, "MB", "<= 64", "the running exporter, 10,000 accounts in the log")


def visible(folder: Path, rounds: int) -> Iterator[Figure]:
    """From a line on disk to its count in /metrics, of a series that exists."""
    log = folder / "visible.jsonl"
    lines = iter(list(lean_lines(400, 7)))
    log.write_bytes(b"".join(next(lines) for _ in range(200)))
    waits = []
    with _exporter(folder / "visible", log) as (port, _pid):
        while _read_count(port) < 200:
            time.sleep(0.1)
        for count in range(201, 201 + 12 * rounds):
            with log.open("ab") as file:
                file.write(next(lines))
            begun = time.perf_counter()
            while _read_count(port) < count:
                pass
            waits.append(1000 * (time.perf_counter() - begun))
    yield Figure.of("visible_ms", waits, "ms", "<= 100", "line on disk to /metrics")


@contextlib.contextmanager
def _exporter(folder: Path, log: Path) -> Iterator[tuple[int, int]]:
    """The exporter over one log as a process of its own: its port and process id."""
    folder.mkdir()
    port = servers.free_port()
    source = {"gateway": "litellm", "paths": [str(log)], "start_at": "beginning"}
    (folder / "fast.yaml").write_text("settings: {scrape_interval: 100ms}\n")
    config = {"listen": f"127.0.0.1:{port}", "state_folder": "state", "sources": {"gw": source}, "spec": ["fast.yaml"]}
    (folder / "tocsin.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "tocsin", "export", "--config", str(folder / "tocsin.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _read_count(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except OSError:
        return 0.0
    finally:
        connection.close()
    wanted = 'tocsin_records_read_total{source="gw"} '
    return next((float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted)), 0.0)


BENCHMARKS = (mtail, parser, scrape, memory, visible, replay_pages, hook)


def _table(figures: Iterable[Figure]) -> str:
    rows = [("figure", "median", "range", "unit", "goal", "", "reference")]
    for figure in figures:
        values = (f"{figure.value:.2f}", f"{figure.low:.2f} to {figure.high:.2f}")
        mark = "reached" if figure.reached else "not reached"
        rows.append((figure.name, *values, figure.unit, figure.goal, mark, figure.reference))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main(arguments: list[str] | None = None) -> None:
    """Run and print; progress goes to standard error."""
    parser_ = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser_.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser_.add_argument("--rounds", type=int, default=ROUNDS, help="how often each comparison is made (default: 5)")
    parser_.add_argument(
        "--only",
        nargs="*",
        default=[],
        help="names of benchmarks: mtail parser scrape memory visible replay_pages hook",
    )
    options = parser_.parse_args(arguments)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        print(f"bench: writing {LEAN:,} lean and {FAT:,} fat lines", file=sys.stderr)
        write_logs(folder)
        for benchmark in BENCHMARKS:
            if not options.only or benchmark.__name__ in options.only:
                print(f"bench: {benchmark.__name__}", file=sys.stderr)
                figures += benchmark(folder, options.rounds)
    load = statistics.mean(os.getloadavg())
    print(f"bench: load average {load:.1f} on {os.cpu_count()} processors", file=sys.stderr)
    if options.json:
        fields = ("value", "unit", "goal", "reference")
        print(json.dumps({figure.name: {field: getattr(figure, field) for field in fields} for figure in figures}))
    else:
        print(_table(figures))


if __name__ == "__main__":
    main()
