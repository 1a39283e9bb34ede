"""The table of LiteLLM's guardrails: `guardrails.yaml`, checked.

    python -m tests.versions.guardrails

writes it into docs/gateways/litellm.md.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from spec.vocabulary import VERDICTS
from tests.support.litellm_versions import VERSIONS
from tests.versions.known import PAGE

_FILE: Final = Path(__file__).with_name("guardrails.yaml")
_BEGIN: Final = "<!-- guardrails: written by `python -m tests.versions.guardrails` -->\n"
_END: Final = "<!-- guardrails: end -->\n"


@dataclass(frozen=True, slots=True)
class Stops:
    """How a guardrail stops a request: the exception, its status code ("" for none) and its message."""

    exception: str
    code: int | str
    says: str


@dataclass(frozen=True, slots=True)
class Also:
    """What else an integration writes: `when`, and the verdict that is given."""

    when: str
    status: str
    verdict: str
    masked: bool = False
    mode: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration. `status` is what it writes of a request that it stopped, by the first version that writes it.

    `callback`: it is no guardrail to LiteLLM but a callback, in no folder of guardrails.
    """

    name: str
    since: str
    until: str = VERSIONS[-1]
    callback: bool = False
    stops: Stops | None = None
    status: dict[str, str | None] = field(default_factory=dict)
    verdict: str = "block"
    note: str = ""
    also: tuple[Also, ...] = ()


def load() -> list[Integration]:
    """All integrations.

    Raises:
        ValueError: One names a version or verdict that does not exist.
        TypeError: One has a field that does not exist.
    """
    found = []
    for entry in yaml.safe_load(_FILE.read_text()):
        stops, also = entry.pop("stops", None), entry.pop("also", ())
        one = Integration(**entry, stops=stops and Stops(**stops), also=tuple(Also(**more) for more in also))
        if unknown := {one.since, one.until, *one.status} - {*VERSIONS}:
            raise ValueError(f"{one.name}: no such version: {', '.join(sorted(unknown))}")
        if unknown := {one.verdict, *(more.verdict for more in one.also)} - {*VERDICTS}:
            raise ValueError(f"{one.name}: no such verdict: {', '.join(sorted(unknown))}")
        found.append(one)
    return found


def table() -> str:
    """What the page says of the guardrails, a row for each."""
    lines = [
        "| integration | since | stops a request with | its `guardrail_status` then | verdict | also |",
        "|---" * 6 + "|",
    ]
    for one in load():
        name = f"{one.name} (callback)" if one.callback else one.name
        stops = "never" if one.stops is None else f"`{one.stops.exception}` {one.stops.code}".rstrip()
        also = [
            f"{more.when}: `{more.status}`{', with counts of what it masked' if more.masked else ''}: "
            f"`{more.verdict}`{f' ({more.note})' if more.note else ''}"
            for more in one.also
        ]
        verdict = f"`{one.verdict}`" if one.stops else ""
        cells = (name, one.since, stops, _statuses(one), verdict, "; ".join(filter(None, (one.note, *also))))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _statuses(one: Integration) -> str:
    said = [
        f"{f'`{status}`' if status else 'no entry'}{'' if version == one.since else f' from {version}'}"
        for version, status in one.status.items()
    ]
    return ", ".join(said)


def page_with_table(text: str) -> str:
    """The page with the newest table.

    Raises:
        ValueError: It has no place for one.
    """
    pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{PAGE.name} has no place for the table of guardrails, or several")
    return pattern.sub(lambda _: f"{_BEGIN}\n{table()}\n{_END}", text)


def main() -> int:
    """Write the table into the page."""
    PAGE.write_text(page_with_table(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
