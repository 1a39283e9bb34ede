"""What the shipped content rules find in a folder of labelled texts, what they flag wrongly, and what they cost.

    python -m bench.detect_corpora FOLDER [--list FAMILY]

The folder holds ``prompts_*.jsonl`` and ``outputs_*.jsonl`` with the keys `text`, `label` and `family`. Instructions
hidden in documents (families ``indirect_*``) are scanned as what a tool returned, other prompts as what the user said,
outputs as what the model said. Harmless prompts are scanned as tool results too, in a column of their own.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from events.batch import Text
from exporters.detect import Scanner, load_rules

_BATCH = 500  # texts scanned at once
_PIECE = 4096  # bytes of a hostile text
_ROUNDS = 7


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="content rules over labelled texts: recall, false positives, cost")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", metavar="FAMILY", help="print which rule fired on which record of a family instead")
    arguments = parser.parse_args()
    started = time.process_time()
    scanner = Scanner(load_rules())
    loaded = time.process_time() - started
    scanner.scan([Text(0, channel, "") for channel in ("user", "tool", "output", "tool_call")])
    compiled = time.process_time() - started - loaded
    families = _read(arguments.folder)
    if arguments.list:
        for record, rules in _listed(scanner, families, arguments.list):
            print(f"{record}\t{' '.join(sorted(rules)) or '-'}")
        return
    print(f"{len(scanner.rules)} rules: {loaded:.2f} CPU seconds to load, {compiled:.2f} to compile without a cache\n")
    _print_rates(scanner, families)
    _print_cost(scanner, [text for texts in families.values() for _record, text in texts])


Families = dict[tuple[str, str], list[tuple[str, str]]]
"""By (label, family): records as (id, text)."""


def _read(folder: Path) -> Families:
    files = sorted([*folder.glob("prompts_*.jsonl"), *folder.glob("outputs_*.jsonl")])
    if not files:
        raise SystemExit(f"{folder}: no prompts_*.jsonl or outputs_*.jsonl")
    families: Families = {}
    for file in files:
        for line in file.open(encoding="utf-8"):
            record = json.loads(line)
            family = record["family"]
            if file.name.startswith("outputs_"):
                family = f"{file.stem}:{family}" if record["label"] == "clean" else file.stem
            families.setdefault((record["label"], family), []).append((record["id"], record["text"]))
    return families


def _channel(label: str, family: str) -> str:
    if family.startswith("outputs_"):
        return "output"
    return "tool" if family.startswith("indirect_") else "user"


def _fired(scanner: Scanner, texts: Sequence[str], channel: str) -> list[dict[str, str]]:
    """For each text the rules that fired, with their confidence."""
    out: list[dict[str, str]] = [{} for _ in texts]
    for start in range(0, len(texts), _BATCH):
        batch = [Text(start + index, channel, text) for index, text in enumerate(texts[start : start + _BATCH])]
        for detection in scanner.scan(batch):
            out[detection.row][detection.rule] = detection.confidence
    return out


def _listed(scanner: Scanner, families: Families, family: str) -> Iterator[tuple[str, dict[str, str]]]:
    for (label, name), records in families.items():
        if name == family:
            fired = _fired(scanner, [text for _record, text in records], _channel(label, name))
            yield from zip((record for record, _text in records), fired, strict=True)


def _print_rates(scanner: Scanner, families: Families) -> None:
    print("Share of texts with a detection, in percent: of medium or high confidence, of any, and as a tool result")
    print(f"{'label':<11} {'family':<34} {'texts':>6} {'medium+':>8} {'any':>7} {'tool':>7}  rules that fired most")
    for (label, family), records in sorted(families.items()):
        texts = [text for _record, text in records]
        fired = _fired(scanner, texts, _channel(label, family))
        certain = [{rule for rule, confidence in rules.items() if confidence != "low"} for rules in fired]
        as_tool = ""
        if label == "benign":
            shares = [any(word != "low" for word in rules.values()) for rules in _fired(scanner, texts, "tool")]
            as_tool = f"{100 * sum(shares) / len(texts):.2f}"
        most = Counter(rule for rules in certain for rule in rules).most_common(3)
        print(
            f"{label:<11} {family:<34} {len(texts):>6} {100 * sum(map(bool, certain)) / len(texts):>8.2f} "
            f"{100 * sum(map(bool, fired)) / len(texts):>7.2f} {as_tool:>7}  {', '.join(f'{r} {n}' for r, n in most)}"
        )


def _print_cost(scanner: Scanner, texts: list[str]) -> None:
    random.Random(0).shuffle(texts)
    hostile = random.Random(1)
    triggers = [
        "ignore",
        "all",
        "previous",
        "instructions",
        "system",
        "prompt",
        "reveal",
        "you",
        "are",
        "base64",
        "curl",
    ]
    kinds = {
        "real texts": texts[:2000],
        "trigger words": [" ".join(hostile.choices(triggers, k=_PIECE // 8)) for _ in range(64)],
        "digits": ["".join(hostile.choices("0123456789- ", k=_PIECE)) for _ in range(64)],
        "base64": ["".join(hostile.choices("ABCDEFghijkl0123+/", k=_PIECE)) for _ in range(64)],
        "combining marks": ["a" + "\u0301\u0316" * (_PIECE // 4) for _ in range(64)],
        "invisible letters": ["a\u200b" * (_PIECE // 4) for _ in range(64)],
        "CJK": ["".join(map(chr, hostile.choices(range(0x4E00, 0x9FFF), k=_PIECE // 3))) for _ in range(64)],
    }
    print("\nCPU microseconds per KB of UTF-8 (median of rounds; fastest and slowest), batches of 64 texts, by channel")
    work = [(kind, "user", samples) for kind, samples in kinds.items()]
    work += [("real texts", channel, kinds["real texts"]) for channel in ("tool", "output", "tool_call", "system")]
    for kind, channel, samples in work:
        size = sum(len(sample.encode("utf-8", "replace")) for sample in samples) / 1000
        rounds = []
        for _ in range(_ROUNDS):
            started = time.process_time()
            for start in range(0, len(samples), 64):
                scanner.scan([Text(row, channel, text) for row, text in enumerate(samples[start : start + 64])])
            rounds.append((time.process_time() - started) * 1e6 / size)
        print(f"{kind:<18} {channel:<10} {statistics.median(rounds):>8.1f}  ({min(rounds):.1f} to {max(rounds):.1f})")


if __name__ == "__main__":
    main()
