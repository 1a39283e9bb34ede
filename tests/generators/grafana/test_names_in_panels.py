"""Names in panels: what an overlay removed vanishes, what is misspelt is an error, a new identity needs no code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from generators import grafana
from generators.grafana import dashboard
from generators.grafana.expressions import gauge, quantile, rate, series, signal
from generators.grafana.panel_data import Stat
from generators.grafana.query_builder import NotInSpecError, QueryBuilder, UnknownNameError
from spec import load_spec
from spec.lookup import signals_of
from tests.generators.programs import spec_with


def test_panels_of_a_signal_that_an_overlay_removed_are_left_out(tmp_path: Path) -> None:
    overlay = {
        "signals": {"validation_errors": {"enabled": False}},
        "alerts": {
            alert: {"enabled": False}
            for alert, entry in load_spec().alerts.items()
            if "validation_errors" in dict(signals_of(entry)).values()
        },
    }
    changed = spec_with(tmp_path, overlay)
    text = "".join(grafana.generate(changed).values())
    assert "llm_validation_errors" in "".join(grafana.generate(load_spec()).values())
    assert "llm_validation_errors" not in text


Q = QueryBuilder(load_spec())
MISSPELT: dict[str, Callable[[QueryBuilder], object]] = {
    "a metric": series("llm_attemps_total"),
    "a counter": rate("llm_attemps_total"),
    "a bucket": quantile(0.5, "llm_request_duration_second"),
    "a signal": signal("requests_by_acter"),
    "a label that is kept": rate("llm_attempts_total", by=["modle"]),
    "a label of a gauge": gauge("max", "llm_violating_groups", by=["alrt"]),
    "the signal of a threshold": lambda q: q.limit("requests_by_acter"),
    "the signal of a floor": lambda q: q.floor("requests_by_acter"),
    "a column that not every spec has": lambda q: q.has("requests_by_acter"),
    "an exporter": lambda q: q.absent("node-exportr"),
}


@pytest.mark.parametrize("ask", MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_name_is_an_error(ask: Callable[[QueryBuilder], object]) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean '\w+(-\w+)?'\?"):
        ask(Q)


def test_a_misspelt_name_stops_the_generation_of_its_dashboard() -> None:
    typo = Stat("Attempts", "Attempts.", {"attempts": rate("llm_attemps_total")})
    with pytest.raises(UnknownNameError, match="a panel names 'llm_attemps_total'"):
        dashboard.rows(load_spec(), dashboard.Board("tocsin-x", "X", "X.", (("X", (typo,)),)))


def test_a_label_that_an_overlay_removed_leaves_its_panel_out(tmp_path: Path) -> None:
    labels = [label for label in load_spec().families["llm_attempts_total"].labels if label != "model"]
    changed = spec_with(tmp_path, {"families": {"llm_attempts_total": {"labels": labels}}})
    with pytest.raises(NotInSpecError):
        QueryBuilder(changed).rate("llm_attempts_total", by=["model"])


def test_an_identity_with_a_place_is_a_choice_and_one_that_is_a_caller_is_counted(tmp_path: Path) -> None:
    hits = {"stream": "detections", "where": {"detector": ["jailbreak"]}, "by": "session", "window": "10m"}
    rest = {"help": "H.", "category": "content", "layer": "model", "anomaly": "input", "no_alert": "Looked at."}
    overlay = {
        "fields": {"session": {"filter": 6, "caller": True}},
        "signals": {"hits_by_session": {**hits, **rest, "answered": True}},
    }
    q = QueryBuilder(spec_with(tmp_path, overlay))
    assert q.filters[-1] == "session"
    assert 'llm_hits_by_session{tenant=~"$tenant",session=~"$session"}' in q.attacks()
    assert '"caller", "", "session")' in q.attacks(named=True)
    assert "session" not in q.attacks(by="actor")
    board = json.loads(grafana.generate(q.spec)["dashboards/tocsin-overview.json"])
    variable = board["templating"]["list"][-1]
    assert (variable["name"], variable["label"]) == ("session", "Session")
    assert variable["definition"] == 'label_values({__name__=~"llm_.+",session!=""}, session)'
