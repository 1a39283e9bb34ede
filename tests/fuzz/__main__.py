"""``python -m tests.fuzz``: one target for longer, or one file alone."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from tests.fuzz.engine import Fault, run, tried
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("file", type=Path, nargs="?", help="an input to try alone; what it raises is shown as it is")
    parser.add_argument("--inputs", type=int, help="how many inputs; as many as `make test` without it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--survey", action="store_true", help="go on after a fault, and list each different one")
    given = parser.parse_args()
    logging.disable()
    target = TARGETS[given.target]
    if given.file is not None:
        answer, share = tried(target, given.file.read_bytes(), counted=True)
        print(answer, f"{share:.0%} of the steps that are allowed", sep="\n")
        return
    begun = time.process_time()
    faults: dict[Fault, bytes] = {}

    def noted(fault: Fault, data: bytes) -> bool:
        if fault not in faults or len(data) < len(faults[fault]):
            faults[fault] = data
        return bool(given.survey)

    ran = run(target, given.inputs or target.inputs, seed=given.seed, passed_over=noted)
    seconds = time.process_time() - begun
    print(
        f"{target.name}: {ran.inputs} inputs, {ran.answers} different answers, "
        f"{ran.inputs / seconds:.0f} a CPU second, {ran.dearest:.0%} of the steps that are allowed"
    )
    for (kind, where), data in faults.items():
        print(f"  {kind} in {where}: {data[:200]!r}")


if __name__ == "__main__":
    main()
