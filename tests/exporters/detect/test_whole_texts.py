"""The rules read whole texts: where in a long one an attack stands does not matter."""

from __future__ import annotations

import pytest

from exporters.detect import Rule, Scanner
from tests.support.engines import decoded, make_engine
from tests.support.litellm_lines import line, record

FILLER = "The quarterly report lists the figures of every branch. "
NOW = 1_795_000_000.0


@pytest.mark.parametrize("before", [0, 4_600, 6_000, 60_000, 500_000])
@pytest.mark.parametrize(("role", "detector"), [("user", "jailbreak"), ("tool", "indirect_injection")])
def test_an_attack_is_seen_wherever_it_stands(
    scanner: Scanner, rules: tuple[Rule, ...], role: str, detector: str, before: int
) -> None:
    rule = next(rule for rule in rules if rule.detector == detector and role in rule.channels)
    count = before // len(FILLER)
    text = FILLER * count + "\n" + rule.examples.match[0] + "\n" + FILLER * (count + 200)
    asked = {**record(NOW, "a"), "messages": [{"role": role, "content": text}]}
    batch = decoded(make_engine(content=True), line(asked))
    assert rule.id in {detection.rule for detection in scanner.detect(batch)}


def test_the_filler_alone_is_harmless(scanner: Scanner) -> None:
    batch = decoded(make_engine(content=True), line(record(NOW, "a", prompt=FILLER * 20_000)))
    assert scanner.detect(batch) == []
