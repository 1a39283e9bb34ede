"""Where notifications and their links lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final
from urllib.parse import urlsplit

from spec.checks.base import Gravity, Issue
from spec.model import Channel, Spec

_NOWHERE: Final = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid|test)\.?", re.IGNORECASE)
"""Names that RFC 2606 keeps out of the domain name system."""
_BASE: Final = re.compile(r"https?://[^\s{}<>\"\\]+", re.IGNORECASE)
_TEMPLATE: Final = re.compile(r"\{\{|\}\}")


class AddressesLeadSomewhere:
    """Links, and the channels that alerts notify, lead to an address that can exist: not to a placeholder."""

    id: ClassVar[str] = "TOC047"
    severity: ClassVar[Gravity] = "warning"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Placeholders that nobody has replaced."""
        settings = spec.settings
        for key, what in (("runbook_base_url", "runbooks"), ("dashboard_base_url", "dashboards")):
            host = _host(getattr(settings, key))
            if _NOWHERE.fullmatch(host):
                text = f"{host} is a placeholder, so no link to {what} works; set your own address in an overlay"
                yield Issue(text, ("settings", key))
        notified = {name for chain in spec.escalations.values() for tier in chain.tiers for name in tier.notify}
        mail = False
        for name, channel in spec.channels.items():
            if name not in notified:
                continue
            mail = mail or channel.type == "email"
            if text := _nowhere(channel):
                yield Issue(f"{text}; alerts for this channel reach nobody", ("channels", name, "target"))
        for key in ("smtp_from", "smtp_smarthost") if mail else ():
            host = _mail_host(getattr(settings, key))
            if _NOWHERE.fullmatch(host):
                yield Issue(f"{host} is a placeholder, so mail may not arrive; set your own", ("settings", key))


class AddressesAreWhole:
    """A base address of links is an http or https address; no target has `{{ }}`, which Alertmanager evaluates."""

    id: ClassVar[str] = "TOC048"
    severity: ClassVar[Gravity] = "warning"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Addresses that are cut off in a notification, or change on the way."""
        for key in ("runbook_base_url", "dashboard_base_url"):
            if not _BASE.fullmatch(getattr(spec.settings, key)):
                text = "expected http:// or https:// and an address without spaces, quotes or braces"
                yield Issue(f"{text}: links in pages would break", ("settings", key))
        for name, channel in spec.channels.items():
            path = ("channels", name, "target")
            if _TEMPLATE.search(channel.target):
                yield Issue("found {{ or }}: Alertmanager evaluates it as a template", path)
            elif channel.type == "slack" and re.search(r"\s", channel.target):
                yield Issue("found a space, expected the name of a channel, such as '#llm-security', or its id", path)


def _nowhere(channel: Channel) -> str:
    """Why nobody is behind a channel; "" as far as can be told."""
    if channel.type == "webhook":
        if not channel.target:
            return "no target is set"
        host = _host(channel.target)
    elif channel.type == "email":
        host = _mail_host(channel.target)
    else:
        return ""
    return f"{host} is a placeholder" if _NOWHERE.fullmatch(host) else ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _mail_host(text: str) -> str:
    """The host of a mail address or of ``host:port``."""
    return text.rpartition("@")[2].partition(":")[0].strip("<> ")
