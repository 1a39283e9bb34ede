"""Every dashboard: what is wrong with broken ones, what each category shows, and that every query has an answer."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from alerts import compile_alerts
from exercises.servers import Prometheus
from generators import GENERATORS, grafana
from generators.grafana.boards.coverage_panels import WATCHING, WHY_NOT
from generators.grafana.dashboard import Board as Made
from generators.grafana.query_builder import shows
from generators.links import DASHBOARD_UID, category_uid, runbook_url
from generators.prometheus import rule_file
from spec import Spec, catalogue, load_spec
from spec.model import Category
from tests.generators.grafana.dashboard_checks import (
    Board,
    Metrics,
    expanded,
    faults,
    named,
    panels_of,
    rows_of,
    targets_of,
)
from tests.generators.grafana.made_up_company import ATTACK, GROUPS, SHARES, TOTALS, Company, Exporter
from tests.generators.programs import RealServer, spec_with

_RULES = 15.0
"""How much faster than in production the alerts of the live tests are."""
_CATEGORIES = get_args(Category)

Boards = Mapping[str, Board]
"""Dashboards by uid."""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def boards(spec: Spec) -> Boards:
    return _boards(spec)


@pytest.fixture(scope="module")
def board(boards: Boards) -> Board:
    """The overview, which has panels of every kind."""
    return boards[DASHBOARD_UID]


@pytest.fixture(scope="module")
def metrics(spec: Spec) -> Metrics:
    return _metrics(spec)


def _metrics(spec: Spec) -> Metrics:
    return {metric.name: metric for metric in (*catalogue(spec), *catalogue(spec, expand_histograms=True))}


def _boards(spec: Spec) -> Boards:
    return {board["uid"]: board for board in map(json.loads, grafana.generate(spec).values())}


# --------------------------------------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("made", grafana.BOARDS, ids=lambda made: made.uid)
def test_nothing_is_wrong_with_it(made: Made, boards: Boards, metrics: Metrics) -> None:
    assert faults(boards[made.uid], metrics) == []


def test_they_are_generated_with_the_rest(spec: Spec) -> None:
    assert "grafana" in GENERATORS
    assert grafana.generate(spec) == grafana.generate(load_spec())
    names = ("overview", *_CATEGORIES)
    assert sorted(grafana.generate(spec)) == sorted(f"dashboards/tocsin-{name}.json" for name in names)


def test_each_leads_to_all_others_with_time_and_choices(boards: Boards) -> None:
    for uid, board in boards.items():
        links = {link["url"]: link for link in board["links"]}
        others = {f"/d/{other}" for other in boards if other != uid}
        assert {url for url in links if url.startswith("/d/")} == others
        assert all(links[url]["keepTime"] and links[url]["includeVars"] and links[url]["tooltip"] for url in others)


def test_all_have_the_same_choices(boards: Boards) -> None:
    for board in boards.values():
        assert [variable["name"] for variable in board["templating"]["list"]] == [
            "datasource",
            "gateway",
            "tenant",
            "model",
            "actor",
            "end_user",
        ]


def test_descriptions_say_what_the_choices_do(boards: Boards) -> None:
    for panel in (panel for board in boards.values() for panel in panels_of(board)):
        used = {name for target in panel["targets"] for name in re.findall(r'=~"\$(\w+)"', target["expr"])}
        said = re.search(r"\(Filtered by (.*)\.\)$", panel["description"])
        assert bool(used) == (said is not None), panel["title"]
        if said:
            assert len(said[1].split(", ")) == len(used), panel["title"]


def test_titles_fit_on_a_laptop(boards: Boards) -> None:
    """A column of the grid has some 57 pixels there, a letter of a title seven, the sign of its description thirty."""
    for panel in (panel for board in boards.values() for panel in panels_of(board)):
        assert 7 * len(panel["title"]) + 30 <= 57 * panel["gridPos"]["w"], panel["title"]


def test_what_can_be_empty_says_what_that_means(boards: Boards) -> None:
    """A table or a single value that shows nothing; a 0 that a query makes itself is no silence."""
    for board in boards.values():
        for panel in panels_of(board):
            never_empty = any("vector(" in target["expr"] for target in panel["targets"])
            if panel["type"] != "timeseries" and board["uid"] != DASHBOARD_UID and not never_empty:
                assert panel["fieldConfig"]["defaults"].get("noValue"), (board["uid"], panel["title"])


# ------------------------------------------------------------------------------------------------------ the categories
@pytest.mark.parametrize("category", _CATEGORIES)
def test_everything_of_a_category_is_on_its_dashboard(category: str, boards: Boards, spec: Spec) -> None:
    text = " ".join(query for _, query in targets_of(boards[category_uid(category)]))
    mine = [metric.name for metric in catalogue(spec) if metric.category == category]
    mine += [signal.metric for signal in spec.signals.values() if signal.category == category and signal.metric]
    assert mine
    assert [name for name in mine if not shows(text, name)] == []


def test_every_alert_stands_on_the_dashboard_of_its_category_with_its_runbook(boards: Boards, spec: Spec) -> None:
    for rule in compile_alerts(spec):
        if rule.name != rule.family:
            continue  # a storm stands for the alert of its family
        category = rule.static_labels["category"]
        table = named(boards[category_uid(category)], f"Alerts on {category} signals")
        assert f'"alertname", "{rule.name}"' in table["targets"][0]["expr"]
        options = {
            override["matcher"]["options"]: {item["id"]: item["value"] for item in override["properties"]}
            for override in _overrides(table)
        }
        (link,) = options["Alert"]["links"]
        assert link["url"].replace("${__value.raw}", rule.name) == runbook_url(spec, rule.name)


def test_each_says_its_purpose_before_anything_else(boards: Boards) -> None:
    for category in _CATEGORIES:
        board = boards[category_uid(category)]
        heading = next(iter(rows_of(board)))
        assert heading.startswith("Now: ")
        assert heading.removeprefix("Now: ").lower() in board["description"].lower()


def test_panels_of_the_overview_lead_to_where_there_is_more(board: Board, boards: Boards) -> None:
    links = {link["title"]: link["url"] for panel in panels_of(board) for link in panel.get("links", ())}
    for category in _CATEGORIES:
        path, _, kept = links[f"More: {category}"].partition("?")
        assert path.removeprefix("/d/") in boards
        assert kept == "${__url_time_range}&${__all_variables}"
    (strip,) = (panel for panel in panels_of(board) if panel["title"] == "Firing by category")
    urls = [item["value"][0]["url"] for o in _overrides(strip) for item in o["properties"][1:]]
    assert [url.partition("?")[0].removeprefix("/d/") for url in urls] == [category_uid(name) for name in _CATEGORIES]


def test_a_signal_that_an_overlay_adds_gets_a_panel(tmp_path: Path) -> None:
    entry = {"help": "Cancelled attempts of an account.", "category": "error", "layer": "application"}
    rest = {"anomaly": "behaviour", "where": {"error_class": ["cancelled"]}, "by": "actor", "window": "20m"}
    more = {"help": "Attempts by model.", "category": "temporal", "layer": "model", "type": "counter"}
    overlay = {
        "signals": {"cancelled_attempts": {**entry, **rest, "no_alert": "Only looked at.", "answered": True}},
        "families": {"llm_model_attempts_total": {**more, "measure": "attempts", "labels": ["model"]}},
    }
    changed = spec_with(tmp_path, overlay)
    found = _boards(changed)
    titles = {
        uid: {panel["title"] for panel in rows_of(found[uid])[f"More {uid[7:]} signals"]}
        for uid in ("tocsin-error", "tocsin-temporal")
    }
    assert titles["tocsin-error"] == {"Cancelled attempts in 20m", "Cancelled attempts, answered"}
    assert titles["tocsin-temporal"] == {"Model attempts per minute"}
    assert [fault for board in found.values() for fault in faults(board, _metrics(changed))] == []


def test_a_category_without_alerts_has_a_dashboard_still(tmp_path: Path, metrics: Metrics) -> None:
    spec = load_spec()
    gone = {r.name for r in compile_alerts(spec) if r.static_labels["category"] == "temporal" and r.name == r.family}
    found = _boards(spec_with(tmp_path, {"alerts": {name: {"enabled": False} for name in gone}}))
    titles = {panel["title"] for panel in panels_of(found["tocsin-temporal"])}
    assert "Alerts firing" not in titles
    assert "Requests off hours" in titles
    assert faults(found["tocsin-temporal"], metrics) == []


# ------------------------------------------------------------------------------------------------ broken dashboards
def _first(board: Board, kind: str) -> Board:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def _overrides(panel: Board) -> list[dict[str, Any]]:
    return list(panel["fieldConfig"]["overrides"])


def _set_query(text: str) -> Callable[[Board], object]:
    return lambda board: _first(board, "timeseries")["targets"][0].update(expr=text)


BROKEN: dict[str, tuple[Callable[[Board], object], str]] = {
    "old schema": (lambda b: b.update(schemaVersion=12), "schema 12"),
    "no uid": (lambda b: b.update(uid=None), "no uid"),
    "editable": (lambda b: b.update(editable=True), "editable"),
    "same id twice": (lambda b: b["panels"][3].update(id=b["panels"][2]["id"]), "2 panels with id"),
    "unknown type": (lambda b: b["panels"][1].update(type="graph"), "graph"),
    "overlap": (lambda b: b["panels"][2]["gridPos"].update(x=0), "lies over"),
    "over the edge": (lambda b: b["panels"][1]["gridPos"].update(w=25), "does not fit"),
    "data source by name": (lambda b: b["panels"][1].update(datasource="Prometheus"), "data source 'Prometheus'"),
    "target without one": (lambda b: b["panels"][1]["targets"][0].pop("datasource"), "data source None"),
    "annotation of another": (lambda b: b["annotations"]["list"][0].update(datasource="x"), "data source 'x'"),
    "no choice": (lambda b: b["templating"]["list"].pop(1), "no variable gateway"),
    "no source choice": (lambda b: b["templating"]["list"].pop(0), "no variable for the data source"),
    "one tenant only": (lambda b: b["templating"]["list"][2].update(multi=False), "cannot be All or several"),
    "All is a list": (lambda b: b["templating"]["list"][2].update(allValue=None), "All leaves out"),
    "no description": (lambda b: b["panels"][1].update(description=""), "no description"),
    "no title": (lambda b: b["panels"][1].update(title=""), "no title"),
    "no query": (lambda b: b["panels"][1].update(targets=[]), "no query"),
    "unknown unit": (lambda b: b["panels"][1]["fieldConfig"]["defaults"].update(unit="secs"), "unit 'secs'"),
    "thresholds as text": (
        lambda b: b["panels"][1]["fieldConfig"]["defaults"]["thresholds"].update(steps=""),
        "thresholds ''",
    ),
    "thresholds without a rest": (
        lambda b: b["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(value=0),
        "thresholds [",
    ),
    "thresholds of a column": (
        lambda b: _overrides(_first(b, "table"))[0]["properties"].append(
            {"id": "thresholds", "value": {"steps": None}}
        ),
        "thresholds None",
    ),
    "unknown field": (
        lambda b: _first(b, "table")["transformations"][-1]["options"]["renameByName"].update({"Value #Q": "Q"}),
        "no field Value #Q",
    ),
    "unknown column": (
        lambda b: _overrides(_first(b, "table"))[0]["matcher"].update(options="Nobody"),
        "no column Nobody",
    ),
    "no PromQL": (_set_query("sum(("), "does not parse"),
    "unknown metric": (_set_query("sum(llm_made_up)"), "no metric llm_made_up"),
    "unknown label": (_set_query('sum(llm_violating_groups{tenant="x"})'), "has no label tenant"),
    "grouped by nothing": (_set_query("sum by (tenant) (llm_violating_groups)"), "nothing has the label tenant"),
    "bare counter": (_set_query("sum(llm_requests_total)"), "is a counter"),
    "rate of a gauge": (_set_query("sum(rate(llm_violating_groups[$__rate_interval]))"), "is no counter"),
    "rate over a fixed time": (_set_query("sum(rate(llm_requests_total[5m]))"), "rate over 5m"),
    "unknown variable": (_set_query('sum(up{job=~"$cluster"})'), "no variable cluster"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_checks_find_what_is_broken(name: str, board: Board, metrics: Metrics) -> None:
    spoil, expected = BROKEN[name]
    spoiled = copy.deepcopy(board)
    spoil(spoiled)
    found = faults(spoiled, metrics)
    assert any(expected in text for text in found), found


# ------------------------------------------------------------------------------------------------------ made-up data
def test_made_up_data_has_every_name_and_no_other(spec: Spec, metrics: Metrics) -> None:
    company = Company(spec, started=0.0, attacked=50.0)
    names = {metric.name for metric in catalogue(spec)}
    assert {*TOTALS, *GROUPS, *(name for name, _, _ in ATTACK)} <= names
    published = {
        name: set(dict(labels)) for own in (0, 1) for _, name, labels, _ in company.samples(99.0, external=bool(own))
    }
    expected = {metric.name: set(metric.labels) for metric in catalogue(spec, expand_histograms=True)}
    assert published == {name: labels for name, labels in expected.items() if name != "up"}
    for label, shares in SHARES.items():
        allowed = spec.fields[label].values if label in spec.fields else ()
        assert not allowed or set(shares) <= set(allowed), label


def test_made_up_counters_never_fall(spec: Spec) -> None:
    company = Company(spec, started=0.0, attacked=2_000.0)
    before: dict[object, float] = {}
    for at in range(0, 6_000, 60):
        for metric, name, labels, value in company.samples(float(at), external=False):
            if metric.type in ("counter", "histogram"):
                assert value >= before.get((name, labels), 0.0), name
                before[name, labels] = value


# ------------------------------------------------------------------------------------------------- against Prometheus
@pytest.fixture(scope="module", params=["all exporters", "only Tocsin"])
def live(
    request: pytest.FixtureRequest, real_server: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, Boards, bool]]:
    """A Prometheus that reads the made-up company under attack and evaluates the generated rules, faster."""
    real_server("prometheus")
    folder = tmp_path_factory.mktemp("dashboards")
    fast = spec_with(folder, {"settings": {"time_scale": _RULES}})
    rules = folder / "rules.yaml"
    rules.write_text(rule_file.generate(fast)[rule_file.PATH], encoding="utf-8")
    everything = request.param == "all exporters"
    now = time.time()
    with Exporter(Company(fast, now - 10_000, now - 2_000)) as exporter:
        jobs: list[dict[str, Any]] = [{"job_name": "tocsin", "static_configs": [{"targets": [exporter.address]}]}]
        if everything:
            jobs.append({**jobs[0], "job_name": "others", "metrics_path": "/others"})
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": jobs,
        }
        with Prometheus(folder / "prometheus", yaml.safe_dump(config)) as server:
            server.wait_for('count(ALERTS{alertstate="firing"}) >= 2')
            server.wait_for("rate(llm_attempts_total[8s]) > 0")
            yield server, _boards(fast), everything


@pytest.mark.stack
def test_every_query_has_an_answer(live: tuple[Prometheus, Boards, bool]) -> None:
    """Of what Tocsin publishes always; of other exporters where they are.

    What keeps only values over 0 is asked for all values; what looks a day back has nothing to look at here.
    """
    server, boards, everything = live
    foreign = [name for name, metric in load_spec().external.items() if metric.exporter != "prometheus"]
    asked = [(title, query) for board in boards.values() for title, query in targets_of(board)]
    assert len(asked) > 250
    empty = [(title, query) for title, query in asked if not server.query(_sent(query))]
    for title, query in empty:
        if title == WHY_NOT.title:  # nothing is in the way, and the panel beside it says so
            (watching,) = server.query(named(boards["tocsin-overview"], WATCHING.title)["targets"][0]["expr"])
            assert watching.value == 1
        elif "ALERTS" in query:
            assert title == "Firing, by alert", title
        elif " offset " not in query and (everything or not any(shows(query, name) for name in foreign)):
            assert " > 0" in query, (title, query)
            assert server.query(_sent(query.replace(" > 0", ""))), (title, query)
    without = [query for _, query in empty if any(shows(query, name) for name in foreign)]
    assert bool(without) is not everything, "without other exporters, their panels are empty"


@pytest.mark.stack
def test_firing_alerts_stand_in_the_table_of_their_category(live: tuple[Prometheus, Boards, bool]) -> None:
    server, boards, _ = live
    counts, over, _ = (
        target["expr"] for target in named(boards["tocsin-content"], "Alerts on content signals")["targets"]
    )
    firing = {sample.labels["alertname"]: sample for sample in server.query(_sent(counts))}
    assert firing["LLMCanaryLeaked"].value == firing["LLMJailbreakRepeated"].value == 1
    assert firing["LLMIndirectInjectionSeen"].value == 0
    assert firing["LLMJailbreakRepeated"].labels["condition"].startswith("jailbreak hits ≥ 3 in ")
    groups = {sample.labels["alertname"]: sample.value for sample in server.query(_sent(over))}
    assert set(groups) == set(firing)
    assert groups["LLMCanaryLeaked"] == 1


@pytest.mark.stack
def test_every_choice_has_values_and_selects(live: tuple[Prometheus, Boards, bool]) -> None:
    server, boards, _ = live
    board = boards[DASHBOARD_UID]
    chosen = {"gateway": "litellm", "tenant": "(support|research)", "model": "gpt-4o-mini", "actor": "u-9e07"}
    chosen["end_user"] = "a-41c07d9be210"
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", expanded(variable["query"]["query"]))
            assert asked is not None
            values = server.get(f"/api/v1/label/{asked[2]}/values", **{"match[]": asked[1]})["data"]
            assert re.fullmatch(chosen[variable["name"]], " ".join(values)) or any(
                re.fullmatch(chosen[variable["name"]], value) for value in values
            )
    for title, query in (asked for each in boards.values() for asked in targets_of(each)):
        server.query(_sent(query, chosen))  # raises when Prometheus refuses it
        if title == "Accounts with attack hits":
            callers = {sample.labels["caller"] for sample in server.query(_sent(query, chosen))}
            assert callers == {chosen["actor"], chosen["end_user"]}


@pytest.mark.stack
def test_firing_alerts_say_who_and_whether_it_was_answered(live: tuple[Prometheus, Boards, bool]) -> None:
    server, boards, _ = live
    queries = [target["expr"] for target in named(boards[DASHBOARD_UID], "What fires, and was it answered")["targets"]]
    since, answered, hits = ({_alert(s.labels): s.value for s in server.query(_sent(query))} for query in queries)
    assert set(answered) == set(hits) <= set(since)
    canary = ("1", "LLMCanaryLeaked", "u-b2f8", "research")
    assert (answered[canary], hits[canary]) == (1, 2)
    jailbreak = ("2", "LLMJailbreakRepeated", "u-9e07", "support")
    assert (answered[jailbreak], hits[jailbreak]) == (2, 9)
    assert ("2", "LLMPasswordGuessing", "203.0.113.0/24", "") in since
    assert not any(name == "TocsinWatchdog" for _, name, _, _ in since)


def _alert(labels: Any) -> tuple[str, str, str, str]:
    return labels["order"], labels["alertname"], labels["about"], labels.get("tenant", "")


def _sent(query: str, values: dict[str, str] | None = None) -> str:
    return expanded(query.replace("$__rate_interval", "10s").replace("$__range", "1m"), values)
