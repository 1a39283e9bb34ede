"""Sends every channel of an Alertmanager configuration to a capture receiver, and leaves the routes as they are."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SUFFIX = "_configs"
_KEPT = ("pagerduty", "slack", "webhook")
"""Integrations that speak their own protocol to the receiver. Any other becomes a webhook."""
_REPLACED = frozenset(
    {"url", "url_file", "api_url", "api_url_file", "http_config"}
    | {"routing_key", "routing_key_file", "service_key", "service_key_file"}
)


def capture_channels(config: Mapping[str, Any], receiver_url: str, folder: Path) -> dict[str, Any]:
    """A copy of a configuration that delivers every notification to a capture receiver.

    Nothing of it reaches a real channel: what cannot be pointed elsewhere, such as e-mail, becomes a webhook. Secrets
    are replaced by files in `folder` that hold the name of their receiver.

    Args:
        config: An Alertmanager configuration, such as a generated one, as parsed YAML.
        receiver_url: Base URL of the receiver, without a slash at the end.
        folder: Where the secret files go; created when absent.

    Returns:
        The configuration. A receiver called NAME delivers to the path /INTEGRATION/NAME, for example
        /pagerduty/tocsin/pager-security, /slack/NAME, /webhook/NAME or /email/NAME. One without any integration still
        says nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = (folder.absolute() / f"secret-{number}" for number in itertools.count(1))
    captured = copy.deepcopy(dict(config))
    captured.get("global", {}).pop("http_config", None)  # a proxy there would be asked for the receiver too
    captured["receivers"] = [_receiver(receiver, receiver_url, files) for receiver in captured.get("receivers", ())]
    return captured


def _receiver(receiver: dict[str, Any], receiver_url: str, files: Iterator[Path]) -> dict[str, Any]:
    name = receiver["name"]
    out: dict[str, Any] = {"name": name}
    for key, integrations in receiver.items():
        if not key.endswith(_SUFFIX):
            continue
        kind = key.removesuffix(_SUFFIX)
        url = f"{receiver_url}/{kind}/{quote(name)}"
        target = out.setdefault(f"{kind if kind in _KEPT else 'webhook'}{_SUFFIX}", [])
        target.extend(_integration(kind, integration, name, url, files) for integration in integrations)
    return out


def _integration(
    kind: str, integration: Mapping[str, Any], name: str, url: str, files: Iterator[Path]
) -> dict[str, Any]:
    out = {key: value for key, value in integration.items() if key not in _REPLACED}
    match kind:
        case "slack":
            out["api_url_file"] = _secret(files, url)
        case "pagerduty":
            out["url"] = url
            out["routing_key_file"] = _secret(files, name)
        case "webhook":
            out["url"] = url
        case _:
            # Alertmanager sends the end of an alert by default, but not by e-mail.
            return {"url": url, "send_resolved": integration.get("send_resolved", kind != "email")}
    if login := _login(integration.get("http_config", {}), name, files):
        out["http_config"] = login
    return out


def _login(http: Mapping[str, Any], name: str, files: Iterator[Path]) -> dict[str, Any]:
    """What of an HTTP client's settings still makes sense: no proxy, no TLS, nobody to ask for a token."""
    out: dict[str, Any] = {}
    if authorization := http.get("authorization"):
        kept = {key: value for key, value in authorization.items() if key == "type"}
        out["authorization"] = {**kept, "credentials_file": _secret(files, name)}
    if basic := http.get("basic_auth"):
        out["basic_auth"] = {"username": basic.get("username", ""), "password_file": _secret(files, name)}
    return out


def _secret(files: Iterator[Path], content: str) -> str:
    path = next(files)
    path.write_text(content, encoding="utf-8")
    return str(path)
