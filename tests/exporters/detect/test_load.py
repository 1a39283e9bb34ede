from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from events.batch import Text
from exporters.detect import Rule, Scanner, load_rules
from spec.errors import ShapeError, SpecError, YamlError

Overlay = Callable[[str], Path]

NEW = """
rules:
  says_abracadabra:
    detector: jailbreak
    confidence: low
    channels: [user, tool]
    help: Somebody does magic.
    patterns: ['{magic}']
    examples: {match: [Abracadabra!], no_match: [abra]}
words:
  magic: [abracadabra, hocus pocus]
"""


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    def write(text: str) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def by_id(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


def test_an_overlay_tunes_a_rule_and_leaves_the_rest(overlay: Overlay, rules: tuple[Rule, ...]) -> None:
    tuned = by_id(load_rules(overlay("rules: {forged_role: {confidence: low, channels: [user, output]}}")))
    assert tuned["forged_role"].confidence == "low"
    assert tuned["forged_role"].channels == {"user", "output"}
    assert tuned["forged_role"].expressions == by_id(rules)["forged_role"].expressions
    assert {name: rule for name, rule in tuned.items() if name != "forged_role"} == {
        name: rule for name, rule in by_id(rules).items() if name != "forged_role"
    }


def test_an_overlay_disables_a_rule(overlay: Overlay, rules: tuple[Rule, ...]) -> None:
    left = by_id(load_rules(overlay("rules: {forged_role: {enabled: false}}")))
    assert set(left) == set(by_id(rules)) - {"forged_role"}


def test_an_overlay_adds_a_rule_and_a_word_list(overlay: Overlay) -> None:
    rules = load_rules(overlay(NEW))
    added = by_id(rules)["says_abracadabra"]
    found = Scanner([added]).scan([Text(0, "user", "Hocus  Pocus"), Text(1, "output", "abracadabra")])
    assert [(hit.row, hit.detector, hit.rule, hit.confidence) for hit in found] == [
        (0, "jailbreak", "says_abracadabra", "low")
    ]


def test_later_overlays_and_folders_come_over_earlier_ones(tmp_path: Path, overlay: Overlay) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yaml").write_text("rules: {says_abracadabra: {confidence: medium}}")
    (folder / "b.yaml").write_text("rules: {says_abracadabra: {confidence: high}}")
    assert by_id(load_rules(overlay(NEW), folder))["says_abracadabra"].confidence == "high"


def test_an_empty_overlay_changes_nothing(overlay: Overlay, rules: tuple[Rule, ...]) -> None:
    assert load_rules(overlay("")) == rules


@pytest.mark.parametrize(
    ("old", "new", "place", "why"),
    [
        ("confidence: low", "confidence: hgh", "5:5", "expected one of high, low, medium (did you mean 'high'?)"),
        ("detector: jailbreak", "detector: jailbrake", "4:5", "(did you mean 'jailbreak'?)"),
        ("[user, tool]", "[user, tol]", "6:22", "(did you mean 'tool'?)"),
        ("[user, tool]", "[]", "", "length >= 1"),
        ("help:", "halp:", "7:5", "unknown key 'halp', expected one of detector"),
        ("    help: Somebody does magic.\n", "", "3:3", "key 'help' is missing"),
        ("patterns: ['{magic}']", "patterns: 3", "8:5", "expected a list"),
        ("'{magic}'", "3", "8:16", "expected text; put it in quotes"),
        ("'{magic}'", "'{magik}'", "8:16", "the word list 'magik' does not exist (did you mean 'magic'?)"),
        ("'{magic}'", "'(?=a)b'", "8:16", "at character 1: only (?:...) groups are known"),
        ("hocus pocus", "'{magic}'", "8:16", "in the word list 'magic'"),
        ("'{magic}'", "'(a{128}){128}'", "8:5", "the pattern engine refuses"),
        ("Abracadabra!", "simsalabim", "9:24", "does not match this example"),
        ("[abra]", "[abracadabra]", "9:50", "matches this example"),
        ("says_abracadabra:", "Says-Abra:", "3:3", "expected text like"),
        ("rules:", "rulse:", "2:1", "(did you mean 'rules'?)"),
        ("[user, tool]", "[user", "", "not YAML"),
        ("    confidence: low\n", "    confidence: low\n    confidence: low\n", "6:5", "twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(overlay: Overlay, old: str, new: str, place: str, why: str) -> None:
    assert old in NEW
    path = overlay(NEW.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load_rules(path)
    assert why in str(caught.value)
    assert f"{path}:{place}" in str(caught.value) or not place


def test_a_misspelt_name_of_a_shipped_rule_is_told(overlay: Overlay) -> None:
    with pytest.raises(ShapeError, match=r"no 'forged_rule'.*did you mean 'forged_role'"):
        load_rules(overlay("rules: {forged_rule: {enabled: false}}"))


def test_every_mistake_is_told_at_once(overlay: Overlay) -> None:
    broken = NEW.replace("'{magic}'", "'a*b', '^c'")
    with pytest.raises(ShapeError) as caught:
        load_rules(overlay(broken))
    assert len(caught.value.problems) == 2


def test_a_changed_word_list_is_tried_on_the_examples_of_the_rules_that_use_it(overlay: Overlay) -> None:
    with pytest.raises(ShapeError, match=r"rules\.forged_role\.examples\.match"):
        load_rules(overlay("words: {forged_role: [nothing of the kind]}"))


def test_a_word_list_within_a_word_list_counts_too(overlay: Overlay) -> None:
    with pytest.raises(ShapeError, match=r"rules\.override_instructions\.examples\.match"):
        load_rules(overlay("words: {orders: [nothing of the kind]}"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")
    with pytest.raises(YamlError, match=r"no \*\.yaml file"):
        load_rules(tmp_path)


SECRET = "Quince-4711-Zeppelin"


def test_a_canary_is_found_in_what_the_model_says_and_calls() -> None:
    canary = load_rules(canaries=[SECRET])[-1]
    assert canary.id == "canary_" + hashlib.sha256(SECRET.encode()).hexdigest()[:8]
    channels = ("user", "system", "assistant", "tool", "output", "tool_call")
    said = f"the word is {SECRET.lower()}."
    found = Scanner([canary]).scan([Text(row, channel, said) for row, channel in enumerate(channels)])
    assert [(hit.row, hit.detector, hit.confidence) for hit in found] == [
        (4, "canary_token", "high"),
        (5, "canary_token", "high"),
    ]


def test_a_canary_beyond_ascii_is_found_however_it_is_written() -> None:
    canary = load_rules(canaries=["Ｑｕｉｔｔｅ-ёлка"])[-1]
    found = Scanner([canary]).scan([Text(0, "output", "quitte-\u200bе\u0308лка"), Text(1, "output", "quitte-лка")])
    assert [hit.row for hit in found] == [0]


def test_the_same_canary_twice_is_one_rule(rules: tuple[Rule, ...]) -> None:
    assert len(load_rules(canaries=[SECRET, f" {SECRET}\n"])) == len(rules) + 1


def test_a_canary_is_never_written_anywhere(capfd: pytest.CaptureFixture[str]) -> None:
    rules = load_rules(canaries=[SECRET])
    found = Scanner(rules[-1:]).scan([Text(0, "output", SECRET)])
    told = [repr(rules[-1]), repr(found), repr(rules), *capfd.readouterr()]
    with pytest.raises(ShapeError) as caught:
        load_rules(canaries=[SECRET, SECRET[:6]])
    told.append(str(caught.value))
    assert "canary 2 of 2" in told[-1]
    assert not [text for text in told if SECRET[:6].lower() in text.lower()]


def test_the_overlay_in_the_documentation_loads(overlay: Overlay, rules: tuple[Rule, ...]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "detection.md").read_text(encoding="utf-8")
    own = by_id(load_rules(overlay(page.split("```yaml\n")[1].split("```")[0])))
    assert set(own) ^ set(by_id(rules)) == {"forged_role", "asks_for_project_kestrel"}
    assert own["payment_card"].confidence == "high"
