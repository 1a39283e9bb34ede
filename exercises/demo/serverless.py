"""The demo where no server can be had: the recordings through what `tocsin replay --pages` runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exercises.demo import traffic
from exercises.recording import Recordings
from replay import paging_report
from replay.log_options import LogOptions
from replay.paging_report import Pages
from replay.run import Progress, replay, replay_engine
from spec import Spec, load_spec


@dataclass(frozen=True, slots=True)
class Replayed:
    """Who would have been paged."""

    why: str
    """Why no server could be had."""
    expected: Mapping[str, str]
    """Alerts that have to page, with whom they are about."""
    pages: Pages

    @property
    def missing(self) -> list[str]:
        """Expected alerts that would have paged nobody about whom they should be."""
        paging = (incident for incident in self.pages.incidents if incident.pages)
        came = {
            (instance.rule.name, incident.key.partition("/")[2])
            for incident in paging
            for instance in incident.instances
        }
        return [name for name, who in self.expected.items() if (name, who) not in came]

    def as_data(self) -> dict[str, Any]:
        """As plain data for JSON; `replay` is what `tocsin replay --pages --format json` prints."""
        return {
            "evaluator": "replay",
            "why": self.why,
            "expected": list(self.expected),
            "missing": self.missing,
            "replay": paging_report.as_data(self.pages),
        }


def run(recordings: Recordings, why: str, progress: Progress) -> Replayed:
    """Replay the recorded day with the attacks of the demo in it.

    Raises:
        LogError: a recording cannot be read.
        OSError: the temporary folder cannot be written.
    """
    spec = load_spec()
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-", ignore_cleanup_errors=True) as folder:
        canaries = Path(folder) / "canaries.txt"
        canaries.write_text("".join(f"{text}\n" for text in recordings.canaries), encoding="utf-8")
        engine = replay_engine(spec, LogOptions(canaries=canaries, shared_keys=recordings.shared_keys))
    logs = [recordings.benign, *(attack.path for attack in traffic.attacks(recordings))]
    outcome = replay(engine, logs, progress=progress)
    return Replayed(why, expected(recordings, spec), paging_report.pages_of(outcome, spec))


def expected(recordings: Recordings, spec: Spec) -> dict[str, str]:
    """The alerts that have to page, with whom they are about.

    What goes to chat or tickets alone wakes nobody, so no page can be expected of it.
    """
    return {
        name: attack.group[1]
        for attack in traffic.attacks(recordings)
        for name in sorted(attack.alerts)
        if name in spec.alerts and spec.severities[spec.alerts[name].severity].page == "always"
    }
