"""What the pages for users name is there: commands with their options, files, links, metrics, alerts."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

import tocsin
from events.gateways.litellm import call_types
from generators.prometheus.rule_file import WATCHDOG
from spec import catalogue, load_spec, names
from tests.support.pages import PAGES, ROOT, anchors, blocks, prose
from tests.versions import guardrails

SPEC = load_spec()
LINKED = (*PAGES, ROOT / "SECURITY.md", ROOT / "exporters/hooks/litellm/README.md", *(ROOT / "runbooks").glob("*.md"))
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ENDS = frozenset({"|", "||", "&&", ";", ">", "2>", "&"})


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[list[str]]:
    """Every command line that a page shows, in words, without its redirections."""
    text = page.read_text(encoding="utf-8")
    shown = [
        line for block in blocks(text) if block.language not in ("yaml", "json", "ini") for line in joined(block.text)
    ]
    for line in (*shown, *_CODE.findall(prose(text))):
        try:
            words = shlex.split(line.removeprefix("$ "), comments=True)
        except ValueError:  # an apostrophe in what a command printed
            continue
        yield list(takewhile(lambda word: word not in _ENDS, words))


def joined(text: str) -> list[str]:
    """Lines, those that end in a backslash put together."""
    return re.sub(r"\\\n\s*", " ", text).splitlines()


@cache
def told_by(*command: str) -> str:
    """The help of tocsin, or of one of its commands."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit, match="0"):
        tocsin.main([*command, "--help"])
    return out.getvalue()


@cache
def source_of(module: str) -> str:
    """The text of a module of this checkout, which names its options; "" when there is none."""
    found = importlib.util.find_spec(module)
    return Path(found.origin).read_text(encoding="utf-8") if found and found.origin else ""


def unknown(words: list[str], told: str) -> list[str]:
    """The options among words that a program does not tell of."""
    options = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--"]
    return [option for option in options if not re.search(rf"{re.escape(option)}\b(?!-)", told)]


def test_commands_of_tocsin_exist_with_their_options() -> None:
    known = re.search(r"\{([a-z,]+)\}", told_by())
    assert known
    checked = 0
    for page in PAGES:
        for name, command, *words in (line for line in commands(page) if len(line) > 1):
            if Path(name).name == "tocsin" and re.fullmatch("[a-z]+", command):
                assert command in known[1].split(","), f"{title(page)}: tocsin {command}"
                inner = re.search(r"\{([a-z,]+)\}\s+\.\.\.", told_by(command))
                if inner:  # a group of commands, of which a page may name the group alone
                    assert not words or words[0] in inner[1].split(","), f"{title(page)}: tocsin {command} {words}"
                help_text = told_by(command, *words[:1]) if inner else told_by(command)
                assert unknown(words, help_text) == [], f"{title(page)}: tocsin {command} {words}"
                checked += 1
    assert checked > 30


def test_modules_that_are_run_exist_with_their_options() -> None:
    checked = set()
    for page in PAGES:
        for line in commands(page):
            if "python" in line[0:1] or line[:1] == [".venv/bin/python"]:
                flag, module, *words = line[1:]
                assert flag == "-m", f"{title(page)}: {line}"
                if module == "pytest":
                    continue
                assert "__main__" in source_of(module), f"{title(page)}: {line}"
                assert unknown(words, source_of(module)) == [], f"{title(page)}: {line}"
                checked.add(module)
    assert {"exercises.listen", "tests.recordings.webhook", "bench.hook"} <= checked


def test_targets_of_make_exist() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {word for page in PAGES for line in commands(page) if line[:1] == ["make"] for word in line[1:]}
    targets = {word for word in shown if re.fullmatch("[a-z]+", word)}
    assert {"setup", "demo", "test"} <= targets <= known


def test_files_of_the_checkout_that_commands_name_exist() -> None:
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()}
    shown = {word for page in PAGES for line in commands(page) for word in line if word.partition("/")[0] in tops}
    paths = {word.partition("::")[0] for word in shown if "/" in word and "NAME" not in word}
    paths = {path for path in paths if not path.startswith((".", "docs/adr"))}
    assert [path for path in sorted(paths) if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", LINKED, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{title(page)}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{title(page)}: {link}"


def test_every_page_can_be_reached_from_the_first() -> None:
    found, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in found:
            continue
        found.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(prose(page.read_text(encoding="utf-8"))))
        left += [path for link in links if link.endswith(".md") and (path := (page.parent / link).resolve()).exists()]
    assert [title(page) for page in LINKED if page not in found] == []


def test_metrics_that_are_named_exist() -> None:
    known = {metric.name for metric in catalogue(SPEC)} | {"tocsin_litellm", "tocsin_hook", "tocsin_severity"}
    known |= {guardrail.name for guardrail in guardrails.load()}
    known |= {*call_types.LABELS}
    families = tuple(name for name in known if name.startswith("llm_"))
    for page in PAGES:
        for name in re.findall(r"\b(?:llm|tocsin)_[a-z0-9_]+\b(?!\*)", page.read_text(encoding="utf-8")):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in known or base in families, f"{title(page)}: {name}"


def test_alerts_that_are_named_exist() -> None:
    known = {*SPEC.alerts, *names.ESCALATIONS.values(), WATCHDOG}
    for page in PAGES:
        for name in re.findall(r"\b(?:LLM|Tocsin)(?:[A-Z][a-z]+)+\b", page.read_text(encoding="utf-8")):
            assert name in known, f"{title(page)}: {name}"


def test_the_drawing_of_the_rooms_is_that_of_the_tree() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawing = page.partition("## The rooms")[2].split("```")[1]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room for layer in layers for room in layer.split(" | ")]
    assert re.findall(rf"(?<=[ ])({'|'.join(rooms)})/ ", drawing) == rooms, "the order of import-linter's layers"
    for room in rooms:
        for folder in (ROOT / room).iterdir():
            if any(folder.rglob("*.py")) or any(folder.glob("*.json")):
                assert f" {folder.name}/ " in drawing, f"{room}/{folder.name} is not in the drawing"
