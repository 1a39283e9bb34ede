"""Who is woken, when, and by what."""

from __future__ import annotations

import itertools
import re
import zoneinfo
from collections.abc import Iterator
from typing import ClassVar, Final

from spec.checks.base import Gravity, Issue
from spec.duration import Duration
from spec.errors import Path
from spec.model import Escalation, SeverityName, Spec, Tier

_GRAVE: Final[tuple[SeverityName, ...]] = ("critical", "high")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS: Final = re.compile(r"https?://[^\s@?#]+")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


class EscalationTimesIncrease:
    """The first tier of an escalation is at 0, and each later one after the one before."""

    id: ClassVar[str] = "TOC003"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Escalations without tiers, with a late first one, or out of order."""
        for name, chain in spec.escalations.items():
            path: Path = ("escalations", name, "tiers")
            if not chain.tiers:
                yield Issue("found no tier, expected at least one", path)
                continue
            if chain.tiers[0].after > 0:
                yield Issue(f"found {chain.tiers[0].after}, expected 0m for the first tier", (*path, 0, "after"))
            for index, (before, tier) in enumerate(itertools.pairwise(chain.tiers), start=1):
                if tier.after <= before.after:
                    text = f"found {tier.after}, expected more than {before.after}, the tier before"
                    yield Issue(text, (*path, index, "after"))
            for index, tier in enumerate(chain.tiers):
                if not tier.notify:
                    yield Issue("found nobody to notify, expected at least one channel", (*path, index, "notify"))


class GraveAlertsPage:
    """Critical and high reach a paging channel at once, at any hour, and have at least two tiers."""

    id: ClassVar[str] = "TOC004"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Escalations of high severities that could stay unheard."""
        for name in _GRAVE:
            if name not in spec.severities:
                continue
            if spec.severities[name].page != "always":
                text = f"found {spec.severities[name].page!r}, expected 'always' for {name}"
                yield Issue(text, ("severities", name, "page"))
            for path, chain in _chains(spec, name):
                if len(chain.tiers) < 2:
                    yield Issue(f"found {len(chain.tiers)} tier, expected at least two for {name}", path)
                if chain.tiers and not _pages(spec, chain.tiers[0]):
                    yield Issue(f"found no paging channel in the first tier, expected one for {name}", path)


class NeverMeansNever:
    """Low, and every severity that says `page: never`, notifies no paging channel."""

    id: ClassVar[str] = "TOC005"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Quiet severities that page."""
        for name, severity in spec.severities.items():
            if name == "low" and severity.page != "never":
                yield Issue(f"found {severity.page!r}, expected 'never' for low", ("severities", name, "page"))
            if name != "low" and severity.page != "never":
                continue
            for path, chain in _chains(spec, name):
                for index, tier in enumerate(chain.tiers):
                    if _pages(spec, tier):
                        text = f"found a paging channel, expected none for {name}, which never pages"
                        yield Issue(text, (*path, index, "notify"))


class PagingHoursKept:
    """A severity that pages only in some hours has no tier that pages outside them."""

    id: ClassVar[str] = "TOC006"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Paging tiers without the hours of their severity."""
        for name, severity in spec.severities.items():
            if severity.page in ("always", "never"):
                continue
            for path, chain in _chains(spec, name):
                for index, tier in enumerate(chain.tiers):
                    if _pages(spec, tier) and tier.during != severity.page:
                        text = f"found a paging channel without `during: {severity.page}`, expected it for {name}"
                        yield Issue(text, (*path, index))


class EscalationFitsSla:
    """The first tier for what is not acknowledged (contained) comes no later than the SLA for it."""

    id: ClassVar[str] = "TOC007"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Tiers that come after the promise is broken."""
        for name, severity in spec.severities.items():
            limits: tuple[tuple[str, Duration | None], ...] = (
                ("acknowledged", severity.sla.acknowledge),
                ("contained", severity.sla.contain),
            )
            for path, chain in _chains(spec, name):
                for state, limit in limits:
                    found = [(index, tier) for index, tier in enumerate(chain.tiers) if tier.unless == state]
                    if found and limit is not None and found[0][1].after > limit:
                        text = f"found {found[0][1].after}, expected at most {limit}, the SLA of {name} to be {state}"
                        yield Issue(text, (*path, found[0][0], "after"))


class SecretsByReference:
    """Channels name secrets by file; no secret, and no address that is one, is in the spec."""

    id: ClassVar[str] = "TOC008"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Channels that lack a secret, or seem to hold one."""
        for name, channel in spec.channels.items():
            path: Path = ("channels", name)
            if channel.type == "email":
                if not re.fullmatch(r"[^@\s:/]+@[^@\s:/]+", channel.target):
                    yield Issue("expected a mail address as target", (*path, "target"))
            elif channel.type == "webhook":
                if channel.target and not _ADDRESS.fullmatch(channel.target):
                    text = "expected an address without user, password or query: such parts are secrets"
                    yield Issue(text, (*path, "target"))
            elif not channel.secret:
                yield Issue(f"key 'secret' is missing: the file that holds the secret of the {channel.type}", path)
            elif "://" in channel.target:
                yield Issue("found an address, expected it in the secret file: such addresses are secrets", path)
            if channel.secret and not _FILE_NAME.fullmatch(channel.secret):
                # The value is not repeated: it may be the secret.
                yield Issue("expected the plain name of a file in settings.secrets_folder", (*path, "secret"))


class CalendarsReadable:
    """Calendars have a known time zone, at least one day, and hours HH:MM that are in order."""

    id: ClassVar[str] = "TOC009"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Calendars that mean nothing."""
        for name, calendar in spec.calendars.items():
            path: Path = ("calendars", name)
            try:
                zoneinfo.ZoneInfo(calendar.timezone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                yield Issue(f"found {calendar.timezone!r}, expected a time zone, e.g. 'UTC'", (*path, "timezone"))
            if not calendar.days:
                yield Issue("found no day, expected at least one", (*path, "days"))
            clocks = {"from": calendar.from_, "to": calendar.to}
            wrong = [key for key, text in clocks.items() if not _CLOCK.fullmatch(text)]
            for key in wrong:
                yield Issue(f"found {clocks[key]!r}, expected a time of day, e.g. '08:00'", (*path, key))
            if not wrong and calendar.from_ >= calendar.to:
                yield Issue(f"found {calendar.to!r}, expected later than {calendar.from_!r}", (*path, "to"))


def _chains(spec: Spec, severity: SeverityName) -> Iterator[tuple[Path, Escalation]]:
    for name in dict.fromkeys(spec.severities[severity].escalation.values()):
        if name in spec.escalations:
            yield ("escalations", name, "tiers"), spec.escalations[name]


def _pages(spec: Spec, tier: Tier) -> bool:
    return any(spec.channels[name].pages for name in tier.notify if name in spec.channels)
