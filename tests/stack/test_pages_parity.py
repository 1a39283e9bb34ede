"""What a replay calls a page is what a real Alertmanager with our routes sends to a pager."""

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml

from alerts import AlertInstance, compile_alerts
from alerts.incidents import incidents, key_of
from exercises.capture import capture_channels
from exercises.servers import Alertmanager, CaptureReceiver, Delivery
from generators.alertmanager import configuration
from spec import load_spec, names
from tests.conftest import RealServer
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

END = 22.0
"""Seconds that are played; notifications about what changed last come up to a group interval later."""


def played(rules: dict[tuple[str, str], object], begin: float) -> list[AlertInstance]:
    """One of each case. Times in seconds from `begin`."""

    def instance(name: str, since: float, until: float | None = None, family: str = "", **labels: str) -> AlertInstance:
        rule = rules[name, family or name]
        end = None if until is None else begin + until
        return AlertInstance(rule, labels, begin + since, 9.0, None, end)  # type: ignore[arg-type]

    def person(name: str, who: str, since: float, until: float | None = None) -> AlertInstance:
        return instance(name, since, until, actor=who, tenant="lab")

    guessed = "LLMPasswordGuessing"
    return [
        person("LLMJailbreakRepeated", "joined", 0),
        person("LLMPromptInjectionRepeated", "joined", 3),  # the same incident: an update
        person("LLMCanaryLeaked", "joined", 0),  # another severity: a page of its own
        person("LLMSpendBurst", "twice", 0, 4),
        person("LLMSpendBurst", "twice", 14),
        person("LLMIndirectInjectionSeen", "incubating", 0),
        person("LLMRequestFlood", "medium", 0),
        *(
            instance(guessed, 1, None if place == 0 else 9, source_range=f"192.0.2.{place}", trusted="false")
            for place in range(12)
        ),
        instance(names.STORM, 1, 10, guessed, alert=guessed),  # and number 0 outlives it
        *(person("LLMToolAttack", f"many-{place}", 5) for place in range(10)),
        instance(names.STORM, 5, None, "LLMToolAttack", alert="LLMToolAttack"),
        person("LLMToolAttack", "early", 0),  # before its storm
    ]


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def posted(instance: AlertInstance, now: float) -> dict[str, object]:
    over = instance.resolved_at is not None and now >= instance.resolved_at
    labels = {"alertname": instance.rule.name, "incident_key": key_of(instance)}
    return {
        "labels": {**instance.rule.static_labels, **instance.labels, **labels},
        "annotations": {"summary": instance.rule.name},
        "startsAt": rfc3339(instance.fired_at),
        "endsAt": rfc3339(instance.resolved_at if over and instance.resolved_at else now + 60),
    }


def pages(deliveries: tuple[Delivery, ...]) -> Counter[tuple[str, str]]:
    """How often each pager was told to open an incident that was not open."""
    found: Counter[tuple[str, str]] = Counter()
    opened: set[tuple[str, str]] = set()
    for delivery in deliveries:
        body = delivery.body
        if not delivery.path.startswith("/pagerduty/"):
            continue
        channel, key = delivery.path.rpartition("/")[2], (delivery.path, body["dedup_key"])
        if body["event_action"] == "resolve":
            opened.discard(key)
        elif key not in opened:
            opened.add(key)
            found[channel, body["payload"]["custom_details"]["incident"]] += 1
    return found


def test_a_real_alertmanager_pages_as_often(tmp_path: Path, real_server: RealServer) -> None:
    real_server("alertmanager")
    (tmp_path / "overlay.yaml").write_text("settings: {evaluation_interval: 1s}\n")
    spec = load_spec(tmp_path / "overlay.yaml")
    rules: dict[tuple[str, str], object] = {(rule.name, rule.family): rule for rule in compile_alerts(spec)}
    routes = yaml.safe_load(configuration.generate(spec)[configuration.PATH])
    with CaptureReceiver() as receiver:
        captured = yaml.safe_dump(capture_channels(routes, receiver.url, tmp_path / "secrets"), sort_keys=False)
        with Alertmanager(tmp_path / "alertmanager", captured) as server:
            begin = time.time() + 0.5
            instances = played(rules, begin)
            while (now := time.time()) < begin + END:
                sent = [posted(instance, now) for instance in instances if instance.fired_at <= now]
                if sent:
                    requests.post(f"{server.url}/api/v2/alerts", json=sent, timeout=PATIENCE).raise_for_status()
                time.sleep(0.4)
            found = pages(receiver.deliveries)
    expected = Counter(
        (page.channel, incident.key) for incident in incidents(instances, spec) for page in incident.pages
    )
    assert found == expected
    assert expected["pager-security", "budget_abuse/twice"] == 2
    assert expected["pager-security", "password_guessing/192.0.2.0"] == 1
    assert sum(expected.values()) == 8
