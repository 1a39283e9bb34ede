"""The error tree: a user's mistake is a sentence, a bug keeps its traceback."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import alerts
import exercises
import exporters
import generators
import replay
import spec
import tocsin
from runtime.errors import ConfigError, TocsinError, report
from spec.errors import Problem, SpecError

_NOT_FOR_USERS = {
    "_FetchError": "is tried again in another way",
    "_RefusedError": "becomes the answer to one request",
    "BodyError": "becomes the answer to one request",
    "CannotExpressError": "becomes an issue of `tocsin check`",
    "CountingError": "makes the exporter go back to its saved state",
    "ClosedError": "tells a waiting scrape that the exporter ends",
    "DamagedError": "is counted as a damaged file, or becomes the answer to one request",
    "HeadTooLargeError": "becomes the answer to one request",
    "LinkError": "names a file that is refused, as any OSError",
    "NoRequestError": "becomes the answer to one request",
    "NotInSpecError": "leaves a panel out that an overlay removed",
    "PatternError": "becomes a problem of the rule file, with its place",
    "ReplacedError": "is a step of following a file",
    "SpoolFullError": "becomes the answer to one request",
    "SpoolSlowError": "becomes the answer to one request",
    "UnreadableError": "is counted as a rejected record",
}
"""Errors that never reach a user, and what becomes of each."""


def _own_errors() -> dict[str, type[BaseException]]:
    found: dict[str, type[BaseException]] = {}
    for room in (alerts, exercises, exporters, generators, replay, spec):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == module.name:
                    found[name] = value
    return found


def test_every_error_is_in_the_tree_or_never_reaches_a_user() -> None:
    outside = {name for name, error in _own_errors().items() if not issubclass(error, TocsinError)}
    assert outside - set(_NOT_FOR_USERS) == set()
    assert all(name.endswith("Error") for name in _own_errors())


def test_a_mistake_is_said_with_the_name_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ConfigError("key: found none, expected one")) == 1
    assert capsys.readouterr() == ("", "tocsin: key: found none, expected one\n")


def test_problems_of_configurations_name_their_own_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(SpecError([Problem("found x, expected y", ("alerts", "A"))])) == 1
    assert capsys.readouterr().err == "alerts.A: found x, expected y\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.log"), "tocsin: a.log: No such file or directory\n"),
        (OSError(28, "No space left on device"), "tocsin: No space left on device\n"),
        (TimeoutError(), "tocsin: TimeoutError\n"),
    ],
)
def test_what_the_system_refuses_is_said_with_its_file(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == 1
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("bug", [ValueError("not the user's"), KeyError("k"), OSError(5, "Input/output error")])
def test_a_bug_is_never_printed_as_a_mistake(
    bug: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> None:
        raise bug

    monkeypatch.setattr("generators.command.load_with_places", broken)
    with pytest.raises(type(bug)):
        tocsin.main(["check"])
    assert capsys.readouterr().err == ""


def test_a_missing_file_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tocsin.main(["export", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml" in capsys.readouterr().err
