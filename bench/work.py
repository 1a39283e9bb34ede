"""What the benchmarks run as processes of their own: ``python -m bench.work five FILE`` and the like."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from events.gateways import gateway
from exporters.assembly import rules_cache
from exporters.detect import Scanner, load_rules
from exporters.engine import Engine
from exporters.exporter import BUDGET, TOGETHER
from exporters.expose import Exposition
from exporters.memory import Memory
from exporters.signals.state import HORIZON, SignalState
from exporters.sources.file import FileTail
from exporters.view import PrometheusView
from runtime.process import settle
from spec import Spec, load_spec

NOW = 1_800_000_000.0
"""After every line of the logs."""


def engine(spec: Spec, *, content: bool, horizon: int = HORIZON) -> Engine:
    """An engine over one source, as the exporter makes it."""
    state = SignalState(spec, gateways=("litellm",), sources=("gw",), horizon=horizon)
    PrometheusView(state)  # somebody looks on
    scanner = Scanner(load_rules(), cache=rules_cache()) if content else None
    return Engine(state, {"gw": gateway("litellm", state.columns, content=content)}, [scanner] if scanner else [])


def five_metrics() -> Engine:
    """Only what a log-to-metrics tool does: requests, both kinds of tokens, latency and errors by model."""
    spec = load_spec()
    names = ("llm_attempts_total", "llm_tokens_total", "llm_request_duration_seconds", "llm_errors_total")
    families = {name: spec.families[name] for name in names}
    narrow = {"llm_attempts_total": ("model", "outcome"), "llm_errors_total": ("model", "error_class")}
    for name, family in families.items():
        labels = narrow.get(name, ("model", *family.split))
        families[name] = msgspec.structs.replace(family, labels=labels)
    split = {"direction": {"input": "input_tokens", "output": "output_tokens"}}
    families["llm_tokens_total"] = msgspec.structs.replace(families["llm_tokens_total"], split=split)
    return engine(msgspec.structs.replace(spec, families=families, signals={}, alerts={}), content=False, horizon=0)


def read_whole(path: Path, worker: Engine) -> int:
    """Read a file to its end; the number of bytes."""
    tail = FileTail("gw", [str(path)], start_at="beginning")
    total = 0
    while size := worker.feed(tail.read(BUDGET, now=NOW), now=NOW, most=TOGETHER):
        total += size
    tail.close()
    return total


def main(arguments: list[str]) -> None:
    """Do one job on one file."""
    job, path = arguments[0], Path(arguments[1])
    if job == "five":
        worker = five_metrics()
    elif job == "full":
        worker = engine(load_spec(), content=False)
    settle()
    read_whole(path, worker)
    Exposition().render(Memory(worker).scrape(NOW))


if __name__ == "__main__":
    main(sys.argv[1:])
