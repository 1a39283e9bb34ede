"""Pointing the channels of an Alertmanager configuration at a capture receiver."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from exercises.capture import capture_channels
from generators.alertmanager import configuration
from spec import load_spec

URL = "http://127.0.0.1:1"
MINE: dict[str, Any] = {
    "global": {"smtp_from": "a@b.example", "http_config": {"proxy_url": "http://proxy.example"}},
    "route": {"receiver": "tocsin/one", "routes": [{"receiver": "a team?", "matchers": ['x="y"']}]},
    "receivers": [
        {
            "name": "tocsin/one",
            "pagerduty_configs": [
                {"routing_key_file": "/etc/secrets/pager", "send_resolved": True, "description": "{{ .Status }}"},
                {"service_key": "inline-secret", "url": "https://events.example/"},
            ],
            "slack_configs": [{"api_url_file": "/etc/secrets/slack", "channel": "#c", "title": "t"}],
            "email_configs": [{"to": "a@b.example", "auth_password_file": "/etc/secrets/mail", "send_resolved": True}],
            "webhook_configs": [
                {
                    "url": "https://tickets.example/x",
                    "send_resolved": True,
                    "max_alerts": 5,
                    "http_config": {
                        "authorization": {"type": "Token", "credentials": "inline-secret"},
                        "proxy_url": "http://proxy.example",
                        "tls_config": {"ca_file": "/etc/ca"},
                    },
                },
                {
                    "url": "https://tickets.example/y",
                    "http_config": {"basic_auth": {"username": "u", "password": "inline-secret"}},
                },
            ],
        },
        {
            "name": "a team?",
            "opsgenie_configs": [{"api_key": "inline-secret"}],
            "email_configs": [{"to": "b@b.example"}],
        },
        {"name": "tocsin/heartbeat"},
    ],
}


def test_every_integration_goes_to_its_path(tmp_path: Path) -> None:
    before = copy.deepcopy(MINE)
    captured = capture_channels(MINE, URL, tmp_path / "secrets")
    assert before == MINE
    assert captured["route"] == MINE["route"]
    assert captured["global"] == {"smtp_from": "a@b.example"}
    one, team, silent = captured["receivers"]

    first, second = one["pagerduty_configs"]
    assert (first["url"], second["url"]) == (f"{URL}/pagerduty/tocsin/one",) * 2
    assert (first["send_resolved"], first["description"]) == (True, "{{ .Status }}")
    assert Path(first["routing_key_file"]).read_text() == "tocsin/one"
    assert "service_key" not in second

    (slack,) = one["slack_configs"]
    assert Path(slack.pop("api_url_file")).read_text() == f"{URL}/slack/tocsin/one"
    assert slack == {"channel": "#c", "title": "t"}

    mail, token, basic = one["webhook_configs"]
    assert mail == {"url": f"{URL}/email/tocsin/one", "send_resolved": True}
    assert (token["url"], token["max_alerts"]) == (f"{URL}/webhook/tocsin/one", 5)
    authorization = token["http_config"].pop("authorization")
    assert token["http_config"] == {}
    assert authorization["type"] == "Token"
    assert Path(authorization["credentials_file"]).read_text() == "tocsin/one"
    assert basic["http_config"]["basic_auth"]["username"] == "u"

    assert team == {
        "name": "a team?",
        "webhook_configs": [
            {"url": f"{URL}/opsgenie/a%20team%3F", "send_resolved": True},
            {"url": f"{URL}/email/a%20team%3F", "send_resolved": False},
        ],
    }
    assert silent == {"name": "tocsin/heartbeat"}


def test_nothing_of_the_real_channels_is_left(tmp_path: Path) -> None:
    text = yaml.safe_dump(capture_channels(MINE, URL, tmp_path)["receivers"])
    assert "/etc/" not in text
    assert "example" not in text
    assert "inline-secret" not in text


def test_every_secret_has_a_file_of_its_own(tmp_path: Path) -> None:
    captured = capture_channels(MINE, URL, tmp_path)
    named = yaml.safe_dump(captured).count(str(tmp_path))
    assert named == len(list(tmp_path.iterdir())) == 5


def test_the_generated_configuration_keeps_its_routes_and_words(tmp_path: Path) -> None:
    config = yaml.safe_load(configuration.generate(load_spec())[configuration.PATH])
    captured = capture_channels(config, URL, tmp_path)
    assert {key: value for key, value in captured.items() if key != "receivers"} == {
        key: value for key, value in config.items() if key != "receivers"
    }
    given = {receiver["name"]: receiver for receiver in config["receivers"]}
    for receiver in captured["receivers"]:
        for slack in receiver.get("slack_configs", ()):
            assert slack["text"] == given[receiver["name"]]["slack_configs"][0]["text"]
    assert [receiver["name"] for receiver in captured["receivers"]] == list(given)
