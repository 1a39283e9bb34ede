"""Each log of ordinary use, replayed with the shipped spec: who was told of what."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from replay import replay, replay_engine
from replay.log_options import LogOptions
from replay.paging_report import pages_of
from spec import load_spec
from tests.ordinary.days import DAYS
from tests.support.litellm_lines import line

SPEC: Final = load_spec()


@dataclass(frozen=True, slots=True)
class Told:
    """What a log brought: its records, the alerts that woke somebody (one for each page), and those for chat."""

    records: int
    pages: tuple[str, ...]
    others: Counter[str]


@cache
def told(name: str, shared_keys: tuple[str, ...] = ()) -> Told:
    """Replay a log; `shared_keys` are declared as keys of applications in front of many people."""
    lines = [line(record) for record in DAYS[name]()]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "gateway.jsonl"
        log.write_bytes(b"".join(lines))
        outcome = replay(replay_engine(SPEC, LogOptions(shared_keys=shared_keys)), [log], until_quiet=True)
    assert outcome.rejected == 0
    incidents = pages_of(outcome, SPEC).incidents
    names = [incident.instances[0].rule.name for incident in incidents]
    paged = tuple(name for name, incident in zip(names, incidents, strict=True) for _ in incident.pages)
    others = Counter(name for name, incident in zip(names, incidents, strict=True) if not incident.pages)
    return Told(len(lines), paged, others)
