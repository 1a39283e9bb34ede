"""Channels of the spec as integrations of Alertmanager 0.25. Secrets are read from files, never written here."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final

from spec import Spec
from spec.model import Channel, Settings

PREFIX: Final = "tocsin/"
"""Begins the names of our receivers and time intervals, so that they clash with nobody's."""

_SLACK_ESCAPES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
"""Source: Slack's reference, "escaping text". Alertmanager does not do it, and an account may be called <!channel>."""
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")


def receiver_name(channel: str) -> str:
    """The name of the receiver of a channel."""
    return PREFIX + channel


def receiver(spec: Spec, channel: str) -> dict[str, Any]:
    """The receiver of a channel; one that says nothing for a channel that is not in the spec."""
    if channel not in spec.channels:
        return {"name": receiver_name(channel)}
    kind, integration = _integration(channel, spec.channels[channel], spec.settings)
    return {"name": receiver_name(channel), f"{kind}_configs": [integration]}


def _integration(name: str, channel: Channel, settings: Settings) -> tuple[str, dict[str, Any]]:
    match channel.type:
        case "pagerduty":
            return "pagerduty", _pagerduty(channel, settings)
        case "slack":
            return "slack", _slack(channel, settings)
        case "email":
            return "email", _email(channel, settings)
        case "webhook":
            return "webhook", _webhook(name, channel, settings)


def _pagerduty(channel: Channel, settings: Settings) -> dict[str, Any]:
    return {
        "routing_key_file": _secret(channel, settings),
        "send_resolved": True,
        "client": "Tocsin",
        "description": _page("title"),
        "severity": _page("urgency"),
        "class": "{{ .CommonLabels.incident }}",
        "group": "{{ .GroupLabels.incident_key }}",
        "details": {
            "firing": _page("text"),
            "resolved": "{{ range .Alerts.Resolved }}{{ .Annotations.summary }}\n{{ end }}",
            "severity": "{{ .CommonLabels.tocsin_severity }}",
            "incident": "{{ .GroupLabels.incident_key }}",
            "owner": "{{ .CommonLabels.owner }}",
        },
        "links": [
            {"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "Runbook"},
            {"href": "{{ (index .Alerts 0).Annotations.dashboard_url }}", "text": "Dashboard"},
        ],
    }


def _slack(channel: Channel, settings: Settings) -> dict[str, Any]:
    escaped = "".join(f' | reReplaceAll "{raw}" "{safe}"' for raw, safe in _SLACK_ESCAPES)
    return {
        "api_url_file": _secret(channel, settings),
        **({"channel": channel.target} if channel.target else {}),
        "send_resolved": True,
        "username": "Tocsin",
        "color": _page("color"),
        "fallback": _page("title", escaped),
        "title": _page("title", escaped),
        "title_link": "{{ (index .Alerts 0).Annotations.dashboard_url }}",
        "text": _page("slack", escaped),
    }


def _email(channel: Channel, settings: Settings) -> dict[str, Any]:
    login = {"auth_username": settings.smtp_from, "auth_password_file": _secret(channel, settings)}
    return {
        "to": channel.target,
        "from": settings.smtp_from,
        "smarthost": settings.smtp_smarthost,
        **(login if channel.secret else {}),
        "require_tls": settings.smtp_smarthost.rpartition(":")[0] not in _LOCAL,
        "send_resolved": True,
        "headers": {"Subject": _page("title")},
        "html": _page("mail"),
        "text": _page("text"),
    }


def _webhook(name: str, channel: Channel, settings: Settings) -> dict[str, Any]:
    # 0.25 reads no address from a file. An unset one fails loudly, in the log and the metrics of Alertmanager.
    out: dict[str, Any] = {"url": channel.target or f"http://set-a-target-in-your-overlay.invalid/{name}"}
    out["send_resolved"] = True
    if channel.secret:
        out["http_config"] = {"authorization": {"credentials_file": _secret(channel, settings)}}
    return out


def _secret(channel: Channel, settings: Settings) -> str:
    return str(PurePosixPath(settings.secrets_folder) / channel.secret)


def _page(name: str, escaped: str = "") -> str:
    """A piece of a page from the folder of templates; ``| escaped`` in it becomes what the channel needs."""
    text = (files("generators.alertmanager") / "templates" / f"{name}.tmpl").read_text(encoding="utf-8")
    return text.rstrip("\n").replace(" | escaped", escaped)
