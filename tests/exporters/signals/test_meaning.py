"""What of a signal may change while its windows run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import xxhash

from exporters.signals.meaning import COUNTS, TELLS, has_meaning, meaning
from spec import Spec
from spec.duration import Duration
from spec.model import Signal
from tests.support.engines import SPEC, ScrapedEngine, feed, make_engine, shown
from tests.support.litellm_lines import line, record

NOW = 1_795_000_000.0
SIGNAL = SPEC.signals["actor_ranges"]


def _full() -> ScrapedEngine:
    engine = make_engine()
    feed(engine, "gw", [line(record(NOW, "a"))], now=NOW)
    for scrape in range(3):
        engine.scrape(NOW + scrape * 15)
    return engine


def _once(signal: Signal) -> str:
    """The hash that versions before this one saved: of all keys that there were."""
    keys = "help category layer anomaly stream measure field where at_least by window metric unit answered no_alert"
    said = {key: getattr(signal, key) for key in keys.split()}
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(said, enc_hook=float))


def _reworded() -> Spec:
    signals = {
        name: msgspec.structs.replace(signal, help=f"Now {signal.help}", layer="model", anomaly="output", no_alert="x")
        for name, signal in SPEC.signals.items()
    }
    return msgspec.structs.replace(SPEC, signals=signals)


def test_every_key_of_a_signal_counts_or_tells() -> None:
    assert sorted(COUNTS + TELLS) == sorted(Signal.__struct_fields__)


def test_windows_go_on_when_a_signal_is_only_reworded() -> None:
    before, after = _full(), make_engine(_reworded())
    assert after.load(before.save()) == []
    expected, values = shown(before.scrape(NOW + 45)), shown(after.scrape(NOW + 45))
    assert expected["llm_requests_by_actor"]
    assert expected["llm_actor_ranges"]
    assert values == expected


@pytest.mark.parametrize("added_before", [True, False])
def test_sums_go_on_when_another_signal_joins_them_or_leaves(added_before: bool) -> None:
    spend = SPEC.signals["spend_by_actor"]
    added = {"input_by_actor": msgspec.structs.replace(spend, field="input_tokens")}
    signals = added | SPEC.signals if added_before else SPEC.signals | added
    more = msgspec.structs.replace(SPEC, signals=signals)
    before, after, again = _full(), make_engine(more), make_engine()
    assert after.load(before.save()) == ["signals"]  # one of them starts anew
    assert again.load(after.save()) == []
    for engine in (after, again):
        values = shown(engine.scrape(NOW + 45))
        assert values["llm_spend_by_actor"] == shown(before.scrape(NOW + 45))["llm_spend_by_actor"] != {}
        assert not values.get("llm_input_by_actor")


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("stream", "rejects"),
        ("measure", "sum"),
        ("field", "model"),
        ("where", {"outcome": ("failure",)}),
        ("at_least", {"cost_usd": 1.0}),
        ("by", "tenant"),
        ("window", Duration(60)),
        ("metric", "up"),
        ("answered", True),
    ],
)
def test_what_is_counted_is_its_meaning(key: str, other: Any) -> None:
    assert key in COUNTS
    changed = msgspec.structs.replace(SIGNAL, **{key: other})
    assert meaning(changed) != meaning(SIGNAL)
    assert not has_meaning(changed, meaning(SIGNAL))
    assert not has_meaning(changed, _once(SIGNAL))


def test_the_hash_of_an_earlier_version_is_known() -> None:
    before, after = _full(), make_engine()
    data = before.save()
    signals = data["state"]["signals"]
    for name, tracker in signals["trackers"].items():
        tracker["print"] = _once(SPEC.signals[name])
    for flow in signals["flows"]:
        names = [member.split()[0] for member in flow["members"]]
        flow["members"] = [f"{name} {_once(SPEC.signals[name])}" for name in names]
    for name, peaks in data["view"]["peaks"].items():
        peaks["print"] = _once(SPEC.signals[name])
    assert signals["trackers"]
    assert signals["flows"]
    assert data["view"]["peaks"]
    assert after.load(data) == []
    assert shown(after.scrape(NOW + 45)) == shown(before.scrape(NOW + 45))
