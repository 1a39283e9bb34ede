"""The Alertmanager configuration: who hears of which alert, what holds back what, and that no secret is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import spec as spec_room
from generators.alertmanager import configuration
from generators.alertmanager.configuration import PATH, SUBTREE_PATH
from generators.prometheus import rule_file
from spec import Spec, load_spec
from tests.generators.programs import Document, RealServer, alertmanager_of, receivers, rules_of, run, spec_with

SEVERITIES = ("critical", "high", "medium", "low")


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def written() -> Document:
    """The spec as it is written, so that what is expected owes nothing to the code under test."""
    folder = Path(spec_room.__file__).parent
    tables: Document = {}
    for path in folder.glob("*.yaml"):
        tables |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return tables


@pytest.fixture(scope="module")
def config(shipped: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yaml"
    path.write_text(configuration.generate(shipped)[PATH], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def grafted(shipped: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that somebody else wrote, with the subtree hung in as its comment says."""
    theirs: Document = {
        "route": {
            "receiver": "theirs",
            "group_by": ["alertname"],
            "routes": [
                {"matchers": ['team="db"'], "receiver": "dba"},
                {"matchers": ['severity=~".+"'], "receiver": "all"},
            ],
        },
        "receivers": [{"name": "theirs"}, {"name": "dba"}, {"name": "all"}],
        "inhibit_rules": [],
        "time_intervals": [],
    }
    subtree = yaml.safe_load(configuration.generate(shipped)[SUBTREE_PATH])
    theirs["route"]["routes"] = [*subtree.pop("routes"), *theirs["route"]["routes"]]
    for key, entries in subtree.items():
        theirs[key] += entries
    path = tmp_path_factory.mktemp("grafted") / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(theirs), encoding="utf-8")
    return path


def expected(written: Document, severity: str, owner: str, maturity: str) -> list[str]:
    """Who hears first: everybody of the first tier; of what still proves itself only chats, else what wakes nobody."""
    channels = written["channels"]
    tier = written["escalations"][written["severities"][severity]["escalation"][owner]]["tiers"][0]["notify"]
    if maturity == "incubating":
        quiet = [name for name in tier if not channels[name].get("pages")]
        tier = [name for name in quiet if channels[name]["type"] == "slack"] or quiet
    return sorted(f"tocsin/{name}" for name in tier)


def labels_of(document: Document) -> dict[tuple[str, str], dict[str, str]]:
    """The labels of every generated alert, by name and family, with its templates filled in."""
    found = {}
    for group in document["groups"]:
        for rule in group["rules"]:
            if "alert" in rule and rule["alert"] != rule_file.WATCHDOG:
                labels = {
                    **rule["labels"],
                    "alertname": rule["alert"],
                    "incident_key": f"{rule['labels']['incident']}/x",
                }
                found[rule["alert"], labels["alert_family"]] = labels
    return found


# ----------------------------------------------------------------------------------------------------------- routes
@pytest.mark.stack
@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_alert_of_every_severity_reaches_whom_the_spec_names(
    real_server: RealServer, tmp_path: Path, shipped: Spec, written: Document, severity: str
) -> None:
    """Every alert as it is generated when an overlay gives it that severity."""
    overlay = {"alerts": {name: {"severity": severity} for name in shipped.alerts}}
    spec = spec_with(tmp_path, overlay)
    path = tmp_path / "alertmanager.yaml"
    path.write_text(configuration.generate(spec)[PATH], encoding="utf-8")
    every = labels_of(rules_of(spec))
    assert {name for name, _ in every} >= {name for name, entry in written["alerts"].items() if _on(entry)}
    wrong = {}
    for key, labels in every.items():
        source = written["alerts"][labels["alert_family"]]
        assert (labels["tocsin_severity"], labels["owner"]) == (severity, source["owner"])
        want = expected(written, severity, source["owner"], source.get("maturity", "stable"))
        if (got := receivers(real_server, path, labels)) != want:
            wrong[key] = (got, want)
    assert not wrong


def _on(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("enabled", True) and entry.get("maturity") != "sandbox")


@pytest.mark.stack
@pytest.mark.parametrize("maturity", ["stable", "incubating"])
@pytest.mark.parametrize("owner", ["security", "platform"])
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("where", ["alone", "grafted"])
def test_severity_owner_and_maturity_choose_the_receivers(
    real_server: RealServer,
    config: Path,
    grafted: Path,
    written: Document,
    where: str,
    severity: str,
    owner: str,
    maturity: str,
) -> None:
    """Also those that no alert has today; and the site's word in `severity` plays no part."""
    labels = {"alertname": "LLMNew", "tocsin_severity": severity, "owner": owner, "maturity": maturity}
    labels |= {"severity": "page", "incident_key": "a/b"}
    found = receivers(real_server, grafted if where == "grafted" else config, labels)
    assert found == expected(written, severity, owner, maturity)


@pytest.mark.stack
@pytest.mark.parametrize("where", ["alone", "grafted"])
def test_every_later_tier_reaches_whom_the_spec_names(
    real_server: RealServer, config: Path, grafted: Path, written: Document, where: str
) -> None:
    path, seen = grafted if where == "grafted" else config, 0
    for severity, entry in written["severities"].items():
        for owner, escalation in entry["escalation"].items():
            for number, tier in enumerate(written["escalations"][escalation]["tiers"][1:], start=2):
                labels = {"alertname": "TocsinNotAcknowledged", "tocsin_severity": severity, "owner": owner}
                found = receivers(real_server, path, {**labels, "tier": str(number), "incident_key": "a/b"})
                assert found == sorted(f"tocsin/{name}" for name in tier["notify"]), (severity, owner, number)
                seen += 1
    assert seen > 10


def test_a_later_tier_keeps_its_hours_and_waits_for_nothing(shipped: Spec) -> None:
    later = _subtree(shipped)["routes"][1]
    assert (later["matchers"], later["group_wait"]) == (['tier!=""'], "0s")
    hours = {tuple(route["matchers"]): route.get("active_time_intervals") for route in later["routes"]}
    assert hours['tocsin_severity="medium"', 'owner="security"', 'tier="2"'] == ["tocsin/business"]
    assert hours['tocsin_severity="high"', 'owner="security"', 'tier="2"'] is None


@pytest.mark.stack
def test_alerts_of_others_stay_with_them(real_server: RealServer, grafted: Path) -> None:
    assert receivers(real_server, grafted, {"alertname": "Disk", "team": "db", "severity": "critical"}) == ["dba"]
    assert receivers(real_server, grafted, {"alertname": "Watchdog", "severity": "none"}) == ["all"]
    assert receivers(real_server, grafted, {"alertname": "Odd"}) == ["theirs"]


@pytest.mark.stack
def test_nothing_vanishes_that_no_route_knows(real_server: RealServer, config: Path) -> None:
    chats = ["tocsin/chat-platform", "tocsin/chat-security"]
    assert receivers(real_server, config, {"alertname": "X", "tocsin_severity": "hgih", "owner": "security"}) == chats
    assert receivers(real_server, config, {"alertname": "X", "severity": "critical"}) == ["tocsin/chat-security"]
    # A known severity without a known owner: the severity's route has no leaf for it, so the chat of the subtree hears.
    lost = {"alertname": "X", "tocsin_severity": "critical", "owner": "nobody"}
    assert receivers(real_server, config, lost) == ["tocsin/chat-security"]


@pytest.mark.stack
def test_the_watchdog_goes_to_the_heartbeat_alone(real_server: RealServer, shipped: Spec, config: Path) -> None:
    labels = {"alertname": rule_file.WATCHDOG, **rule_file.watchdog_labels(shipped)}
    assert receivers(real_server, config, labels) == ["tocsin/heartbeat"]


def test_the_watchdog_is_repeated_often_and_at_once(shipped: Spec) -> None:
    route = _subtree(shipped)["routes"][0]
    assert route["matchers"] == [f'alertname="{rule_file.WATCHDOG}"']
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "1m", "1m")


def test_one_incident_is_one_notification(shipped: Spec) -> None:
    tree = _subtree(shipped)
    assert tree["group_by"] == ["incident_key"]
    assert not any("group_by" in route for route in _below(tree))


def test_critical_waits_for_nothing_but_a_storm(shipped: Spec) -> None:
    """One second, in which a storm can hold back the single alerts that arrive with it; the others one evaluation."""
    tree = _subtree(shipped)
    waits = {route["matchers"][0]: route.get("group_wait") for route in tree["routes"] if "matchers" in route}
    assert waits['tocsin_severity="critical"'] == "1s"
    assert waits['tocsin_severity="high"'] is None
    assert tree["group_wait"] == "15s"


def test_a_storm_holds_back_its_own_family_alone(shipped: Spec) -> None:
    (rule,) = alertmanager_of(shipped)["inhibit_rules"]
    assert rule == {
        "source_matchers": ['alertname="LLMAlertStorm"'],
        "target_matchers": ['alertname!="LLMAlertStorm"', 'alert_family!=""'],
        "equal": ["alert_family"],
    }
    labels = labels_of(rules_of(shipped))
    storms = [family for name, family in labels if name == "LLMAlertStorm"]
    assert storms
    for family in storms:  # a label that both lack would count as equal
        assert labels["LLMAlertStorm", family]["alert_family"] == labels[family, family]["alert_family"] == family


def test_quiet_hours_hold_for_what_wakes_people_and_for_nothing_else(tmp_path: Path) -> None:
    overlay = {
        "escalations": {"security-medium": {"tiers": [{"after": "0m", "notify": ["pager-security", "chat-security"]}]}}
    }
    spec = spec_with(tmp_path, overlay)
    document = alertmanager_of(spec)
    assert document["time_intervals"] == [
        {
            "name": "tocsin/business",
            "time_intervals": [
                {
                    "times": [{"start_time": "08:00", "end_time": "20:00"}],
                    "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                    "location": "Europe/Paris",
                }
            ],
        }
    ]
    medium = next(r for r in _subtree(spec)["routes"] if r.get("matchers") == ['tocsin_severity="medium"'])
    hours = {
        route["receiver"]: route.get("active_time_intervals")
        for route in medium["routes"]
        if route["matchers"] == ['owner="security"']
    }
    assert hours == {"tocsin/pager-security": ["tocsin/business"], "tocsin/chat-security": None}


def test_hours_of_a_tier_hold_for_all_of_its_channels(tmp_path: Path) -> None:
    tier = {"after": "0m", "notify": ["chat-security", "tickets"], "during": "business"}
    spec = spec_with(tmp_path, {"escalations": {"security-medium": {"tiers": [tier]}}})
    medium = next(r for r in _subtree(spec)["routes"] if r.get("matchers") == ['tocsin_severity="medium"'])
    routes = [route for route in medium["routes"] if 'owner="security"' in route["matchers"]]
    assert routes
    assert all(route["active_time_intervals"] == ["tocsin/business"] for route in routes)


# -------------------------------------------------------------------------------------------------------- receivers
def test_the_head_names_each_secret_file_whole(shipped: Spec) -> None:
    """A name that a line break cuts in two cannot be searched for, nor copied."""
    secrets = {channel.secret for channel in shipped.channels.values() if channel.secret}
    assert any("-" in name for name in secrets)
    for text in configuration.generate(shipped).values():
        head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        assert secrets <= set(head.replace(",", " ").replace(". ", " ").replace(".\n", " ").split())


def test_secrets_are_only_ever_in_files(shipped: Spec) -> None:
    document = alertmanager_of(shipped)
    folder = shipped.settings.secrets_folder
    files = {str(value) for key, value in _pairs(document["receivers"]) if key.endswith("_file")}
    secrets = {channel.secret for channel in shipped.channels.values()} - {""}
    assert files == {f"{folder}/{name}" for name in secrets}
    forbidden = {"api_url", "routing_key", "service_key", "credentials", "auth_password", "auth_secret", "password"}
    assert not forbidden & {key for key, _ in _pairs(document)}


def test_each_kind_of_channel(tmp_path: Path) -> None:
    overlay = {
        "channels": {
            "privacy": {"secret": "smtp-password"},
            "tickets": {"target": "https://tickets.example/hook"},
            "heartbeat": {"type": "webhook", "target": "https://heartbeat.example/tocsin"},
        },
        "settings": {"smtp_smarthost": "mail.example.org:587"},
        "escalations": {"security-low": {"tiers": [{"after": "0m", "notify": ["tickets", "privacy"]}]}},
    }
    found = {entry["name"]: entry for entry in alertmanager_of(spec_with(tmp_path, overlay))["receivers"]}
    assert found["tocsin/tickets"]["webhook_configs"] == [
        {
            "url": "https://tickets.example/hook",
            "send_resolved": True,
            "http_config": {"authorization": {"credentials_file": "/etc/alertmanager/secrets/ticket-webhook"}},
        }
    ]
    assert found["tocsin/heartbeat"]["webhook_configs"][0]["url"] == "https://heartbeat.example/tocsin"
    (mail,) = found["tocsin/privacy"]["email_configs"]
    assert mail["to"] == "privacy-office@example.org"
    assert (mail["smarthost"], mail["require_tls"]) == ("mail.example.org:587", True)
    assert mail["auth_password_file"] == "/etc/alertmanager/secrets/smtp-password"
    (slack,) = found["tocsin/chat-security"]["slack_configs"]
    assert (slack["api_url_file"], slack["channel"]) == ("/etc/alertmanager/secrets/slack-security", "#llm-security")
    (pager,) = found["tocsin/pager-security"]["pagerduty_configs"]
    assert pager["routing_key_file"] == "/etc/alertmanager/secrets/pagerduty-security"


def test_what_is_still_to_be_done_is_said(shipped: Spec, tmp_path: Path) -> None:
    for text in configuration.generate(shipped).values():
        assert "TocsinWatchdog goes nowhere yet" in text
        assert "from a file: tickets." in text
    overlay = {
        "channels": {
            "tickets": {"target": "https://tickets.example/hook"},
            "heartbeat": {"type": "webhook", "target": "https://heartbeat.example/tocsin"},
        }
    }
    for text in configuration.generate(spec_with(tmp_path, overlay)).values():
        assert "goes nowhere" not in text
        assert "Set `target`" not in text


# ----------------------------------------------------------------------------------------------------------- amtool
@pytest.mark.stack
@pytest.mark.parametrize("which", ["alone", "grafted"])
def test_amtool_accepts_it(real_server: RealServer, config: Path, grafted: Path, which: str) -> None:
    content, said = run(real_server, "amtool", "check-config", config if which == "alone" else grafted)
    assert content, said


@pytest.mark.stack
@pytest.mark.parametrize(
    "overlay",
    [
        pytest.param({"settings": {"time_scale": 60}}, id="a drill"),
        pytest.param({"settings": {"scrape_interval": "1m", "evaluation_interval": "1m"}}, id="slow"),
        pytest.param({"calendars": {"business": {"from": "00:00", "to": "24:00", "timezone": "UTC"}}}, id="all day"),
        pytest.param({"channels": {"chat-security": {"target": ""}}}, id="channel of the webhook"),
    ],
)
def test_amtool_accepts_overlays(real_server: RealServer, tmp_path: Path, overlay: Document) -> None:
    tiers = {"tiers": [{"after": "0m", "notify": ["pager-security", "privacy"], "during": "business"}]}
    spec = spec_with(tmp_path, {"escalations": {"security-medium": tiers}, **overlay})
    path = tmp_path / "alertmanager.yaml"
    path.write_text(configuration.generate(spec)[PATH], encoding="utf-8")
    content, said = run(real_server, "amtool", "check-config", path)
    assert content, said


@pytest.mark.stack
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("receiver: tocsin/pager-security", "receiver: tocsin/pager-securty"),
        ("routing_key_file", "routing_key_fil"),
        ('tocsin_severity!=""', 'tocsin_severity!""'),
    ],
)
def test_amtool_refuses_a_broken_one(real_server: RealServer, tmp_path: Path, config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "alertmanager.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert not run(real_server, "amtool", "check-config", path)[0]


@pytest.mark.stack
def test_a_route_that_shadows_another_is_seen(
    real_server: RealServer, tmp_path: Path, config: Path, written: Document
) -> None:
    """The control of the routing tests: without `continue`, the chat never hears."""
    path = tmp_path / "alertmanager.yaml"
    text = "".join(line for line in config.read_text(encoding="utf-8").splitlines(True) if "continue:" not in line)
    path.write_text(text, encoding="utf-8")
    labels = {"alertname": "X", "tocsin_severity": "critical", "owner": "security", "maturity": "stable"}
    assert receivers(real_server, path, labels) == ["tocsin/pager-security"]
    assert expected(written, "critical", "security", "stable") == ["tocsin/chat-security", "tocsin/pager-security"]


def test_both_files_say_what_they_are(shipped: Spec) -> None:
    files = configuration.generate(shipped)
    assert "serves nobody else" in files[PATH]
    assert "Append each list here" in files[SUBTREE_PATH]
    for text in files.values():
        assert text.startswith("# Generated by tocsin")
        assert all(len(line) <= 120 for line in text.splitlines() if line.startswith("#"))
    whole, part = (yaml.safe_load(files[path]) for path in (PATH, SUBTREE_PATH))
    assert whole["route"]["routes"] == part["routes"]


def _subtree(spec: Spec) -> Document:
    (tree,) = alertmanager_of(spec)["route"]["routes"]
    return dict(tree)


def _below(route: Document) -> list[Document]:
    children = route.get("routes", [])
    return [*children, *(grandchild for child in children for grandchild in _below(child))]


def _pairs(data: Any) -> list[tuple[str, Any]]:
    if isinstance(data, dict):
        return [pair for key, value in data.items() for pair in ((key, value), *_pairs(value))]
    if isinstance(data, list):
        return [pair for item in data for pair in _pairs(item)]
    return []
