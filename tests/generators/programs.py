"""The ecosystem's own checkers, and generated files cut down to what a test looks at."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from generators.alertmanager import configuration
from generators.prometheus import promtool_tests, rule_file
from spec import Spec, load_spec
from tests.support.waiting import PATIENCE

Document = dict[str, Any]
RealServer = Callable[[str], Path]
"""The fixture `real_server`."""


def run(find: RealServer, name: str, *arguments: str | Path, cwd: Path | None = None) -> tuple[bool, str]:
    """Whether a program was content, and what it said."""
    done = subprocess.run(
        [find(name), *arguments], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def spec_with(folder: Path, overlay: Mapping[str, Any]) -> Spec:
    """The shipped spec with an overlay."""
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(dict(overlay)), encoding="utf-8")
    return load_spec(path)


def rules_of(spec: Spec) -> Document:
    """The rule file as data, each expression on one line, so that a test can change a part of it."""
    return on_one_line(yaml.safe_load(rule_file.generate(spec)[rule_file.PATH]))


def on_one_line(rules: Document) -> Document:
    """The same rules with each expression as it is written when it is short."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "\n" in rule["expr"]:
                rule["expr"] = " ".join(rule["expr"].split()).replace("( ", "(").replace(" )", ")")
    return rules


def unit_tests_of(spec: Spec) -> Document:
    """The unit tests as data."""
    return dict(yaml.safe_load(promtool_tests.generate(spec)[promtool_tests.PATH]))


def alertmanager_of(spec: Spec) -> Document:
    """The complete Alertmanager configuration as data."""
    return dict(yaml.safe_load(configuration.generate(spec)[configuration.PATH]))


def only_tests(document: Document, *names: str) -> Document:
    """The unit tests whose name begins with one of `names`."""
    return {**document, "tests": [test for test in document["tests"] if test["name"].startswith(names)]}


def only_rules(document: Document, *families: str) -> Document:
    """The alerts of `families` with their storms, and all recording rules."""
    groups = copy.deepcopy(document["groups"])
    for group in groups:
        group["rules"] = [
            rule for rule in group["rules"] if "record" in rule or rule["labels"].get("alert_family") in families
        ]
    return {"groups": groups}


def promtool_agrees(find: RealServer, folder: Path, rules: Document, tests: Document) -> tuple[bool, str]:
    """Whether the unit tests hold for the rules."""
    assert tests["tests"], "no test selected"
    (folder / "tocsin.rules.yaml").write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests, allow_unicode=True), encoding="utf-8")
    return run(find, "promtool", "test", "rules", "tests.yaml", cwd=folder)


def receivers(find: RealServer, config: Path, labels: Mapping[str, str]) -> list[str]:
    """Where amtool says that an alert with `labels` goes, sorted."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    command: Sequence[str | Path] = [find("amtool"), "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.strip().split(","))
