"""What is installed for whom: a running exporter needs little, and each other command says what it lacks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_MODULES = {"markdown-it-py": "markdown_it", "prometheus-client": "prometheus_client", "pyyaml": "yaml"}
"""Distributions whose module has another name."""
_EXPORTER_ROOMS = ("runtime", "spec", "events", "alerts", "exporters")


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=]", line)[0] for line in requirements}


def _locked(name: str) -> set[str]:
    text = (_ROOT / "requirements" / name).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def _imports(room: str, module: str) -> bool:
    wanted = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)
    # The hooks run inside gateways, as distributions of their own.
    paths = (path for path in (_ROOT / room).rglob("*.py") if "hooks" not in path.parts)
    return any(wanted.search(path.read_text(encoding="utf-8")) for path in paths)


def test_the_exporters_lock_has_what_the_exporter_needs_and_nothing_else() -> None:
    assert _locked("runtime.lock") == _names(_PROJECT["dependencies"])


def test_the_rooms_of_the_exporter_import_no_extra() -> None:
    extras = set().union(*(_names(lines) for lines in _PROJECT["optional-dependencies"].values())) - {"tocsin"}
    for name in extras - _names(_PROJECT["dependencies"]):
        module = _MODULES.get(name, name.replace("-", "_"))
        assert [room for room in _EXPORTER_ROOMS if _imports(room, module)] == [], name


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        (("generate", "--check"), "jinja2", "generate"),
        (("replay", "--report", "page.html", "CHANGELOG.md"), "jinja2", "generate"),
        (("demo", "--once"), "requests", "demo"),
    ],
)
def test_a_command_says_which_extra_it_lacks(command: tuple[str, ...], missing: str, extra: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; import tocsin; sys.exit(tocsin.main({list(command)!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=_ROOT, check=False, timeout=600
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"needs the package {missing}" in ended.stderr
    assert f"'tocsin[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr
