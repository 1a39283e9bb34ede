"""Content rules from their YAML: this folder's files, the user's overlays over them, checked and translated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Final

from events.batch import Text
from exporters.detect.model import Entry, Rule, RuleFile
from exporters.detect.normalize import normal
from exporters.detect.pattern import PatternError, alternatives, literal
from exporters.detect.scanner import Scanner
from exporters.detect.translations import Translations
from runtime.private_cache import PrivateCache
from spec.errors import Problem, ShapeError, nearest
from spec.validate import MISSING
from spec.yaml_source import Document, merged, placed, read_documents, typed, yaml_files

FOLDER: Final = FilePath(__file__).parent / "rules"
"""Where the shipped rules are."""

SHORTEST_CANARY: Final = 8
"""Bytes: a shorter one turns up in honest answers."""
LONGEST_CANARY: Final = 1_000
"""Bytes: the engine looks for a longer one no better."""
MOST_CANARIES: Final = 10_000
"""Canaries: each is an expression to compile."""


def load_rules(*overlays: FilePath, canaries: Sequence[str] = (), cache: FilePath | None = None) -> tuple[Rule, ...]:
    """The shipped rules with `overlays` (files, or folders of them) over them, in order of their names.

    An overlay names a rule to tune or switch off (``enabled: false``), or adds one; `words` lists merge the same way.
    Rules that an overlay changed or added are tried on their own examples. Each of `canaries`, secret strings that
    nothing honest ever says, becomes a rule over what models say and call. The folder `cache` keeps translations.

    Raises:
        YamlError: a file cannot be read or is not safe YAML.
        ShapeError: unknown or missing keys, wrong words, types or patterns, an example that a rule fails; every one
            with its place. Or a canary that is too short, which is not quoted.
    """
    shipped, own = _documents((FOLDER,), name=FOLDER.name), _documents(overlays)
    document = merged([*shipped, *own])
    shipped_data: dict[str, Any] = merged(shipped).data
    try:
        file = typed(document, RuleFile)
    except ShapeError as error:
        raise ShapeError([_hinted(problem, shipped_data.get("rules", {})) for problem in error.problems]) from None
    problems: list[Problem] = []
    translations = Translations(file.words, PrivateCache(cache, what="translated content rules") if cache else None)
    rules = [_rule(name, file.rules[name], file.words, translations, problems) for name in sorted(file.rules)]
    if not problems:
        changed = _changed(document.data, shipped_data)
        problems = [problem for rule in rules if rule.id in changed for problem in _failed(rule)]
    if problems:
        raise ShapeError(placed(problems, document.places))
    translations.save()
    return (*(rule for rule in rules if file.rules[rule.id].enabled), *_canary_rules(canaries))


def _changed(data: Mapping[str, Any], shipped: Mapping[str, Any]) -> set[str]:
    """Names of the rules that are not as shipped, because of themselves or of a word list that they use."""
    words: dict[str, list[str]] = data.get("words", {})
    lists = {name for name in shipped["words"] if words[name] != shipped["words"][name]}
    while users := {name for name, items in words.items() if _mentions(items, lists)} - lists:
        lists |= users
    return {
        name
        for name, entry in data["rules"].items()
        if entry != shipped["rules"].get(name) or _mentions([*entry["patterns"], *entry.get("unless", ())], lists)
    }


def _mentions(patterns: Sequence[str], lists: set[str]) -> bool:
    return any(f"{{{name}}}" in pattern for pattern in patterns for name in lists)


def _documents(paths: Sequence[FilePath], name: str = "") -> list[Document]:
    files = [file for path in paths for file in yaml_files(path)]
    return read_documents([(file, f"{name}/{file.name}" if name else "") for file in files])


def _hinted(problem: Problem, shipped: Mapping[str, object]) -> Problem:
    """A key that is missing in a rule that the shipped pack does not have may be a misspelt name."""
    if (
        len(problem.path) == 2
        and problem.path[0] == "rules"
        and problem.path[1] not in shipped
        and MISSING in problem.text
    ):
        return Problem(f"{problem.text}; the shipped rules have no {problem.path[1]!r}"
                       f"{nearest(str(problem.path[1]), shipped)}", problem.path, problem.place)  # fmt: skip
    return problem


def _rule(
    name: str, entry: Entry, words: Mapping[str, tuple[str, ...]], translations: Translations, problems: list[Problem]
) -> Rule:
    ignore_case = entry.case == "ignore"

    def translated(key: str, patterns: Sequence[str]) -> Iterator[str]:
        for index, pattern in enumerate(patterns):
            try:
                for alternative in alternatives(pattern, words):
                    yield translations.translate(alternative, ignore_case=ignore_case)
            except PatternError as error:
                problems.append(Problem(str(error), ("rules", name, key, index)))

    return Rule(
        id=name,
        detector=entry.detector,
        confidence=entry.confidence,
        channels=frozenset(entry.channels),
        expressions=tuple(translated("patterns", entry.patterns)),
        exceptions=tuple(translated("unless", entry.unless)),
        verify=entry.verify,
        announces=entry.announces,
        ignore_case=ignore_case,
        help=entry.help,
        languages=entry.languages,
        examples=entry.examples,
    )


def _failed(rule: Rule) -> Iterator[Problem]:
    """Why `rule` cannot be used as it is: the engine refuses it, or one of its own examples does."""
    scanner, channel = Scanner([rule]), min(rule.channels)
    try:
        scanner.scan([Text(0, channel, "")])
    except ValueError as error:
        yield Problem(str(error), ("rules", rule.id, "patterns"))
        return
    for key, texts, wanted in (("match", rule.examples.match, True), ("no_match", rule.examples.no_match, False)):
        for index, text in enumerate(texts):
            if bool(scanner.scan([Text(0, channel, text)])) != wanted:
                what = "the rule does not match this example" if wanted else "the rule matches this example"
                yield Problem(what, ("rules", rule.id, "examples", key, index))


def _canary_rules(canaries: Sequence[str]) -> list[Rule]:
    problems: list[Problem] = []
    rules: dict[str, Rule] = {}
    if len(canaries) > MOST_CANARIES:
        raise ShapeError([Problem(f"found {len(canaries)} canaries, expected at most {MOST_CANARIES}")])
    for number, canary in enumerate(canaries, 1):
        data = normal(canary.strip())
        if len(data) > LONGEST_CANARY:
            problems.append(Problem(f"canary {number} of {len(canaries)} has more than {LONGEST_CANARY} bytes"))
            continue
        if len(data) < SHORTEST_CANARY:
            problems.append(Problem(f"canary {number} of {len(canaries)} has less than {SHORTEST_CANARY} bytes"))
            continue
        name = f"canary_{hashlib.sha256(data).hexdigest()[:8]}"
        rules[name] = Rule(
            id=name,
            detector="canary_token",
            confidence="high",
            channels=frozenset(("output", "tool_call")),
            expressions=(literal(data),),
            help="A secret string that was planted to be found came out of the model.",
        )
    if problems:
        raise ShapeError(problems)
    return list(rules.values())
