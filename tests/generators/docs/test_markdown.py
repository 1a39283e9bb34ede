"""Nothing that an overlay says becomes HTML, a link or structure in a page: read by a reader that allows all of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from generators.alertmanager import configuration
from generators.docs import metrics_page, runbooks
from generators.docs.markdown import cell, code, fenced, prose
from generators.prometheus import rule_file
from spec import Spec, load_spec
from tests.generators.programs import RealServer, run

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "<!-- hidden",
    "--> shown",
    "[click](javascript:alert(1))",
    "[click][ref]\n\n[ref]: javascript:alert(1)",
    "![picture](https://evil.example/x.png)",
    "<https://evil.example>",
    "<javascript:alert(1)>",
    "&lt;script&gt; &#106;avascript:alert(1)",
    "\n\n# Heading",
    "# Heading",
    "> quoted",
    "- item",
    "+ item",
    "1. item",
    "1) item",
    "---",
    "===",
    "***",
    "___",
    "~~~\ncode\n~~~",
    "```\ncode\n```",
    "    indented code",
    "| a | b |\n|---|---|\n| c | d |",
    "*bold* **bold** _it_ __it__ ~~gone~~",
    "`code` and `open",
    "``a`<b>`` `c``<i>",
    "`<b>",
    "a\\`<b>`\\",
    "\\[x\\](javascript:alert(1))",
    "line\r\nline\u2028line\u2029line\x0b\x0c",
    "![[x]](y) [![a](b)](c)",
    "text\n===",
    "text\n---",
    "x\\",
    "x\\|y || z",
    "[^1]: note",
    "{{ actor }} {% raw %}",
)
PLAIN = "plain words"
SPEC = load_spec()


def structure(text: str) -> list[str]:
    """What kinds of blocks, links and marks a page has, in order; code between backticks aside."""
    out: list[str] = []
    for token in READER.parse(text):
        out += (
            [token.type]
            if token.type != "inline"
            else [
                f"{part.type} {part.attrs.get('href', '')}"
                for part in token.children or ()
                if part.type not in ("text", "code_inline", "text_special")
            ]
        )
    return out


def with_text(text: str) -> Spec:
    """The shipped spec with `text` wherever an overlay may write prose."""
    alerts = {
        name: msgspec.structs.replace(
            alert,
            **{
                field: text if isinstance(value, str) else (text,) * len(value)
                for field in (
                    "summary",
                    "description",
                    "meaning",
                    "impact",
                    "why",
                    "triage",
                    "look_at",
                    "false_positives",
                )
                if (value := getattr(alert, field, None))
            },
        )
        for name, alert in SPEC.alerts.items()
    }
    signals = {name: msgspec.structs.replace(signal, help=text) for name, signal in SPEC.signals.items()}
    incidents = {name: msgspec.structs.replace(incident, title=text) for name, incident in SPEC.incidents.items()}
    return msgspec.structs.replace(SPEC, alerts=alerts, signals=signals, incidents=incidents)


@pytest.fixture(scope="module")
def plain_pages() -> dict[str, list[str]]:
    return {name: structure(text) for name, text in pages(PLAIN).items()}


def pages(text: str) -> dict[str, str]:
    spec = with_text(text)
    made = runbooks.generate(spec)
    chosen = ("LLMSpendBurst", "LLMAlertStorm", "README")
    return {name: page for name, page in made.items() if any(word in name for word in chosen)} | metrics_page.generate(
        spec
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_changes_no_page_but_its_words(text: str, plain_pages: dict[str, list[str]]) -> None:
    for name, page in pages(text).items():
        assert structure(page) == plain_pages[name], name


def shape(text: str) -> list[str]:
    return [part for part in structure(text) if not part.startswith(("softbreak", "hardbreak"))]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1 <>&;#[](){}!*_`~|\\-+=.:/\n\t\"'", max_size=60))
def test_any_text_is_shown_as_words_in_a_paragraph_a_list_and_a_table(text: str) -> None:
    assert shape("x\n\n" + prose(text) + "\n\nx") in (shape("x\n\nwords\n\nx"), shape("x\n\nx"))
    assert shape(f"- x {prose(text)}") == shape("- x words")
    table = "| a | b |\n|---|---|\n| x {} | y |\n"
    assert shape(table.format(cell(text))) == shape(table.format("words"))
    assert "<td>y</td>" in READER.render(table.format(cell(text)))
    assert shape(table.format(f"`x{code(text)}x`")) == shape(table.format("`x`"))
    assert shape(f"```\n{fenced(text)}\n```\n") == shape("```\nwords\n```\n")


@pytest.mark.stack
@pytest.mark.parametrize("text", ["\n".join(HOSTILE), "{{ .x }} {{ actor }}", "{{"])
def test_prometheus_and_alertmanager_take_hostile_texts(text: str, tmp_path: Path, real_server: RealServer) -> None:
    spec = with_text(text)
    (tmp_path / "rules.yaml").write_text(rule_file.generate(spec)[rule_file.PATH], encoding="utf-8")
    content, said = run(real_server, "promtool", "check", "rules", tmp_path / "rules.yaml")
    assert content, said
    routes = configuration.generate(spec)[configuration.PATH]
    (tmp_path / "alertmanager.yml").write_text(routes, encoding="utf-8")
    content, said = run(real_server, "amtool", "check-config", tmp_path / "alertmanager.yml")
    assert content, said


def test_code_in_the_specs_own_texts_stays_code() -> None:
    assert prose("Look at `up{job}` first, a_b and 3 < 4.") == "Look at `up{job}` first, a_b and 3 &lt; 4."
    assert prose("5. of them, 3 - 1") == "5\\. of them, 3 - 1"
