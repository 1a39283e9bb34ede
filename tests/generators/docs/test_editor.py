"""The schemas in a real editor's backend: what it marks, offers and explains."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from exporters import schema as exporter_schema
from generators.docs import schema
from spec import load_spec
from tests.support import editor
from tests.support.editor import Editor

SPEC = load_spec()
OVERLAY = "# yaml-language-server: $schema=my-tocsin/docs/schema/spec.schema.json\n"
CONFIG = "# yaml-language-server: $schema=my-tocsin/docs/schema/exporter.schema.json\n"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor beside a set of files that `tocsin generate --output my-tocsin` wrote."""
    try:
        program = editor.find()
    except editor.EditorMissing as missing:
        pytest.skip(str(missing))  # also with CI=true: neither Node nor the package is part of this project
    folder = tmp_path_factory.mktemp("editor")
    for path, text in {**schema.generate(SPEC), **exporter_schema.generate()}.items():
        (folder / "my-tocsin" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "my-tocsin" / path).write_text(text, encoding="utf-8")
    with Editor(program, folder) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (OVERLAY + "alerts:\n  LLMSpendBurst:\n    sevrity: low\n", 4, "Property sevrity is not allowed."),
        (OVERLAY + "alerts:\n  LLMSpendBurst:\n    severity: hihg\n", 4, '"critical", "high"'),
        (OVERLAY + "alerts:\n  LLMSpendBurst:\n    when: {vlaue: 3}\n", 4, "Property vlaue is not allowed."),
        (OVERLAY + "alert: {}\n", 2, "Property alert is not allowed."),
        (OVERLAY + "settings:\n  shift: 8 hours\n", 3, "Not a duration. Write 30s, 5m, 1h30m or 4d."),
        (CONFIG + "state_folder: s\nsources:\n  web:\n    gateway: litelm\n    paths: [a]\n", 5, '"litellm"'),
        (CONFIG + "state_folder: s\nsources:\n  web:\n    gateway: litellm\n    pahts: [a]\n", 6, "pahts"),
    ],
)
def test_a_mistake_is_marked_at_its_line(opened: Editor, text: str, line: int, message: str) -> None:
    (found,) = opened.problems(text)
    assert found[0] == line
    assert message in found[1]


@pytest.mark.parametrize(
    "text",
    [
        OVERLAY + "alerts: {LLMSpendBurst: {when: {value: 200}}}\n",
        CONFIG + "state_folder: s\nsources: {a: {gateway: litellm}}\n",
    ],
)
def test_what_is_right_is_not_marked(opened: Editor, text: str) -> None:
    assert opened.problems(text) == []


def test_tables_and_alerts_are_offered_with_what_they_are(opened: Editor) -> None:
    tables = opened.offered(OVERLAY + "|")
    assert {"alerts", "signals", "channels", "settings"} <= set(tables)
    assert [name for name, (_, said) in tables.items() if not said] == []
    alerts = opened.offered(OVERLAY + "alerts:\n  |")
    assert set(SPEC.alerts) <= set(alerts)
    assert "spends far more than usual" in alerts["LLMSpendBurst"][1]


def test_choosing_a_known_entry_changes_nothing_but_what_is_to_be_tuned(opened: Editor) -> None:
    """Not the defaults of a new entry: these are not what is shipped, and would switch off what somebody relies on."""
    assert opened.offered(OVERLAY + "|")["settings"][0] == "settings:\n  "
    alerts = opened.offered(OVERLAY + "alerts:\n  |")
    assert alerts["LLMSpendBurst"][0] == "LLMSpendBurst:\n  when:\n    value: 50"
    assert alerts["LLMCanaryLeaked"][0] == "LLMCanaryLeaked:\n  "
    keys = opened.offered(OVERLAY + "alerts:\n  LLMSpendBurst:\n    |")
    assert keys["one_shot"][0].strip() == "one_shot:"


def test_the_keys_of_an_alert_are_offered_with_what_they_mean(opened: Editor) -> None:
    keys = opened.offered(OVERLAY + "alerts:\n  LLMSpendBurst:\n    |")
    assert {"severity", "owner", "when", "summary", "triage", "enabled", "maturity"} <= set(keys)
    assert [name for name, (_, said) in keys.items() if not said] == []


def test_a_new_alert_is_offered_whole(opened: Editor) -> None:
    new = opened.offered(OVERLAY + "alerts:\n  MyOwn:\n    |")
    required = re.findall(r"^(\w+):", new["Alert"][0], re.MULTILINE)
    assert required == ["severity", "owner", "incident", "when", "summary", "meaning", "impact", "why", "triage"]


def test_names_of_signals_are_offered_with_what_they_measure(opened: Editor) -> None:
    text = OVERLAY + "alerts:\n  MyOwn:\n    when:\n      technique: threshold\n      signal: |"
    assert opened.offered(text)["spend_by_actor"] == ("spend_by_actor", "What an account spent.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            OVERLAY + "alerts:\n  LLMSpend|Burst:\n    severity: low\n",
            "spends far more than usual. Shipped: high, security",
        ),
        (OVERLAY + "alerts:\n  LLMSpendBurst:\n    seve|rity: low\n", "How bad: it picks the escalation"),
        (OVERLAY + "alerts:\n  LLMSpendBurst:\n    when:\n      val|ue: 3\n", "it alerts"),
        (OVERLAY + "signals:\n  spend_by|_actor:\n    enabled: true\n", "What an account spent."),
        (OVERLAY + "ale|rts:\n  LLMSpendBurst: {severity: low}\n", "When a signal becomes somebody's business."),
        (CONFIG + "state_folder: s\nsources:\n  web:\n    start|_at: end\n", "whether what is already there is read"),
    ],
)
def test_a_word_is_explained(opened: Editor, text: str, said: str) -> None:
    assert said in opened.hover(text)
