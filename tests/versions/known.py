"""The table of what is not as it should be: `known.yaml`, checked.

    python -m tests.versions.known

writes it into docs/gateways/litellm.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from spec.load import load_spec
from tests.support.litellm_versions import VERSIONS
from tests.versions.crowd import NO_POSTS, POSTS, WAYS
from tests.versions.features import FEATURES, Feature

_FILE: Final = Path(__file__).with_name("known.yaml")
PAGE: Final = Path(__file__).parents[2] / "docs" / "gateways" / "litellm.md"
_BEGIN: Final = "<!-- versions: written by `python -m tests.versions.known` -->\n"
_END: Final = "<!-- versions: end -->\n"
MISSING: Final = "missing"
WRONG: Final = "wrong"
CHANCE: Final = "chance"
_WORDS: Final = {MISSING: "no", WRONG: "**wrong**", CHANCE: "by chance"}
_WHOSE: Final = {
    MISSING: "LiteLLM does not report it",
    WRONG: "Tocsin's fault, to be mended",
    CHANCE: "LiteLLM reports it sometimes",
}
_BY_NAME: Final = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class Known:
    """Features that are not right in some versions.

    `kind`: MISSING is what LiteLLM does not report, so that nobody can know it; WRONG is a fault of Tocsin's own, to be
    mended; CHANCE is what LiteLLM reports sometimes. `blind` are the alerts that cannot see what they should.
    """

    features: tuple[str, ...]
    versions: tuple[str, ...]
    ways: tuple[str, ...]
    kind: str
    why: str
    blind: tuple[str, ...]


def load() -> list[Known]:
    """All entries.

    Raises:
        ValueError: One names a feature, version, way, kind or alert that does not exist.
    """
    alerts = {*load_spec().alerts}
    found = []
    for entry in yaml.safe_load(_FILE.read_text()):
        known = Known(
            features=tuple(entry["features"]),
            versions=tuple(entry.get("versions", VERSIONS)),
            ways=tuple(entry.get("ways", WAYS)),
            kind=entry["kind"],
            why=entry["why"],
            blind=tuple(entry.get("blind", ())),
        )
        for part, allowed in (
            (known.features, {*_BY_NAME}),
            (known.versions, {*VERSIONS}),
            (known.ways, {*WAYS}),
            ((known.kind,), {*_WORDS}),
            (known.blind, alerts),
        ):
            if unknown := {*part} - allowed:
                raise ValueError(f"{_FILE.name}: {', '.join(sorted(unknown))}: not one of {', '.join(sorted(allowed))}")
        found.append(known)
    return found


def ways_of(version: str, feature: Feature) -> list[str]:
    """The ways in which a feature can be asked of a version."""
    return [way for way in feature.ways if not (way == POSTS and version in NO_POSTS)]


def expected(version: str) -> dict[tuple[str, str], Known]:
    """What is known of a version, by feature and way.

    Raises:
        ValueError: Two entries say something of the same.
    """
    found: dict[tuple[str, str], Known] = {}
    for known in load():
        if version not in known.versions:
            continue
        for name in known.features:
            for way in known.ways:
                if way not in ways_of(version, _BY_NAME[name]):
                    continue
                if (name, way) in found:
                    raise ValueError(f"{_FILE.name}: {name} of {version} by {way} has two entries")
                found[name, way] = known
    return found


# ---------------------------------------------------------------------------------------------------------- the page
def table() -> str:
    """What the page says of the versions: a row for the features that are not right everywhere, then the reasons."""
    by_version = {version: expected(version) for version in VERSIONS}
    notes = [known for known in load() if any(known in found.values() for found in by_version.values())]
    numbers = {known: number for number, known in enumerate(notes, 1)}
    odd = [feature for feature in FEATURES if any(name == feature.name for f in by_version.values() for name, _ in f)]
    lines = ["| what | " + " | ".join(VERSIONS) + " |", "|---" * (len(VERSIONS) + 1) + "|"]
    alike: dict[str, list[str]] = {}
    for feature in odd:
        cells = [_cell(feature, version, by_version[version], numbers) for version in VERSIONS]
        alike.setdefault(" | ".join(cells), []).append(feature.title)
    lines += [f"| {'; '.join(titles)} | {cells} |" for cells, titles in alike.items()]
    right = "; ".join(feature.title for feature in FEATURES if feature not in odd)
    lines += ["", f"Right in every version, by the hook and by posts: {right}.", ""]
    for known in notes:
        blind = (
            f" Blind: {', '.join(f'[{name}](../../runbooks/{name}.md)' for name in known.blind)}."
            if known.blind
            else ""
        )
        lines.append(f"{numbers[known]}. {_WHOSE[known.kind]}: {known.why}{blind}")
    return "\n".join(lines) + "\n"


def _cell(feature: Feature, version: str, known: Mapping[tuple[str, str], Known], numbers: Mapping[Known, int]) -> str:
    ways = ways_of(version, feature)
    said = {way: known.get((feature.name, way)) for way in ways}
    words = {way: "yes" if one is None else f"{_WORDS[one.kind]} ({numbers[one]})" for way, one in said.items()}
    if len({*words.values()}) == 1:
        return words[ways[0]]
    return "; ".join(f"{way}: {word}" for way, word in words.items())


def page_with_table(text: str) -> str:
    """The page with the newest table.

    Raises:
        ValueError: It has no place for one.
    """
    pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{PAGE.name} has no place for the table of versions, or several")
    return pattern.sub(lambda _: f"{_BEGIN}\n{table()}\n{_END}", text)


def main() -> int:
    """Write the table into the page."""
    PAGE.write_text(page_with_table(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
