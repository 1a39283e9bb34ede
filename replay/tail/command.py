"""The command: attempts and alerts on standard output until Ctrl-C, remarks on the sources on standard error."""

from __future__ import annotations

import glob
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from alerts import AlertInstance
from events.gateways.timestamps import rfc3339
from exporters.config import ExporterConfig, load_config
from replay import coverage
from replay.coverage import Covered
from replay.log_options import LogOptions
from replay.tail.columns import Lines, kind_of
from replay.tail.watch import Attempt, Watch, namer
from runtime.errors import TocsinError, report
from runtime.text import printable
from spec import Spec, load_spec
from spec.duration import Duration

PAUSE: Final = 0.02
"""Seconds between two looks that found nothing new. What is posted is removed two scrapes later, and of two Prometheus
servers the scrapes may come close together."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is shown: everything that fits each of these that is given. Nothing is left out of the counting."""

    actor: str = ""
    tenant: str = ""
    only: frozenset[str] = frozenset()

    def attempt(self, attempt: Attempt) -> bool:
        """Whether an attempt is shown. An account may be named by its id or by its label."""
        words = attempt.words
        return (
            (not self.actor or self.actor in (words["actor"], attempt.name))
            and (not self.tenant or self.tenant == words["tenant"])
            and (not self.only or bool(self.only & kind_of(attempt)))
        )

    def alert(self, instance: AlertInstance, name_of: Callable[[str], str]) -> bool:
        """Whether an alert is shown: with a chosen account or tenant, only those about it."""
        labels = instance.labels
        return (not self.actor or labels.get("actor") in (self.actor, name_of(self.actor))) and (
            not self.tenant or labels.get("tenant") == self.tenant
        )


def config_of_logs(logs: Sequence[Path], about: LogOptions) -> ExporterConfig:
    """The configuration of an exporter that follows these files.

    Raises:
        SpecError: the mapping cannot be used.
    """
    return about.config("log", [glob.escape(str(log.absolute())) for log in logs])


def run(config: Path | ExporterConfig, *, chosen: Filter, since: float | None, as_json: bool, accounts: bool) -> int:
    """Follow and print until SIGINT or SIGTERM; the exit status: 0 it was ended so, 1 something cannot be used.

    Then it says what was looked at. `since`: seconds before now from which attempts are shown and counted, Inf: all;
    None: only new ones. `accounts`: show ids instead of pseudonyms, as JSON always does.
    """
    # SIGINT as well: a shell that starts a program in the background has it ignored, and Python keeps to that.
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if isinstance(config, Path):
            config = load_config(config)
        spec = load_spec(*config.spec)
        name_of = str if accounts or as_json else namer(config)
        now = time.time()
        start = None if since is None else now - since
        watch = Watch(config, spec, since=start, name_of=name_of, now=now)
        try:
            printer = _json_lines if as_json else _text_lines(spec, sys.stdout)
            try:
                _follow(watch, printer, chosen, name_of)
            except KeyboardInterrupt:
                _print(_coverage(watch.covered(time.time()), as_json=as_json))
                sys.stdout.flush()
        finally:
            watch.close()
    except KeyboardInterrupt:
        return 0
    except TocsinError as error:
        return report(error, program="tocsin tail")
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"tocsin tail: {error.filename}: cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


Printer = Callable[[Attempt | AlertInstance], Iterator[str]]


def _follow(watch: Watch, printer: Printer, chosen: Filter, name_of: Callable[[str], str]) -> None:
    """Until an exception ends it."""
    while True:
        now, any_new = time.time(), False
        for item in watch.news(now):
            any_new = any_new or isinstance(item, Attempt)
            if chosen.attempt(item) if isinstance(item, Attempt) else chosen.alert(item, name_of):
                _print(printer(item))
        sys.stdout.flush()
        for remark in watch.remarks():
            print(f"tocsin tail: {printable(remark)}", file=sys.stderr)
        if not any_new:
            time.sleep(PAUSE)


def _coverage(found: Mapping[str, Covered], *, as_json: bool) -> Iterator[str]:
    """What was looked at of each source."""
    if as_json:
        yield json.dumps({"coverage": {name: coverage.as_data(covered) for name, covered in found.items()}})
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for name, covered in found.items():
        yield ""
        yield from coverage.lines(covered, width=width, title=f"Coverage of {name}" if len(found) > 1 else "Coverage")


def _print(lines: Iterator[str]) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _text_lines(spec: Spec, stream: TextIO) -> Printer:
    terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    lines = Lines(spec, color=terminal and not os.environ.get("NO_COLOR"))

    def text(item: Attempt | AlertInstance) -> Iterator[str]:
        width = shutil.get_terminal_size().columns if terminal else 0
        return lines.attempt(item, width) if isinstance(item, Attempt) else lines.alert(item, width)

    return text


def _json_lines(item: Attempt | AlertInstance) -> Iterator[str]:
    if isinstance(item, AlertInstance):
        yield json.dumps(
            {
                "alert": item.rule.name,
                "severity": item.rule.alert.severity,
                "labels": item.labels,
                "fired_at": rfc3339(item.fired_at),
                "resolved_at": None if item.resolved_at is None else rfc3339(item.resolved_at),
            }
        )
        return
    record = item.describe()
    if item.detections:
        record["llm.detections"] = [
            {"detector": found.detector, "rule_id": found.rule, "confidence": found.confidence}
            for found in item.detections
        ]
    yield json.dumps(record)


def seconds_since(text: str) -> float:
    """How far ``--since`` goes back, in seconds: a duration, or ``beginning`` for all there is.

    Raises:
        ValueError: it is neither.
    """
    return math.inf if text == "beginning" else float(Duration.parse(text))
