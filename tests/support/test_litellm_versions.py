"""Each version of LiteLLM is installed once, whole or not at all, however many ask for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import litellm_versions
from tests.support.litellm_versions import OLDEST, PINNED, VERSIONS, LiteLLMMissing, environment, folder, is_made, need


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


class _Installer:
    """Stands for uv and pip: notes what it is asked, makes the folder, and fails where it should."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *failing: str) -> None:
        self.asked: list[str] = []
        self._failing = failing
        monkeypatch.setattr(litellm_versions, "_failure", self)

    def __call__(self, command: Sequence[str | Path]) -> str:
        words = [*map(str, command)]
        tool = "uv" if "uv" in words else "pip" if "pip" in words else "venv"
        self.asked.append(f"{tool} {'install' if '--require-hashes' in words else 'venv'}")
        if "--require-hashes" not in words:
            home = Path(words[-1])
            assert not home.exists(), "what an interrupted installation left is removed"
            home.mkdir(parents=True)
            return ""
        return f"{tool} cannot reach its index" if tool in self._failing else ""


def test_the_versions_have_an_order_and_a_lock_each() -> None:
    assert VERSIONS.index(OLDEST) == 0 and PINNED in VERSIONS
    assert OLDEST.startswith("1.74.")  # the oldest that docs/gateways/litellm.md names
    assert len(VERSIONS) >= 5


def test_two_that_race_install_once(monkeypatch: pytest.MonkeyPatch) -> None:
    installer = _Installer(monkeypatch)
    together = threading.Barrier(4)
    found: list[Path] = []

    def ask() -> None:
        together.wait()
        found.append(environment(OLDEST))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [folder(OLDEST)] * 4
    assert installer.asked == ["uv venv", "uv install"]


def test_what_an_interrupted_installation_left_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    (folder(OLDEST) / "bin").mkdir(parents=True)
    assert not is_made(OLDEST)
    installer = _Installer(monkeypatch)
    environment(OLDEST)
    assert installer.asked == ["uv venv", "uv install"]
    environment(OLDEST)
    assert installer.asked == ["uv venv", "uv install"]


def test_pip_installs_where_uv_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    installer = _Installer(monkeypatch, "uv")
    environment(OLDEST)
    assert installer.asked == ["uv venv", "uv install", "venv venv", "pip install"]
    assert is_made(OLDEST)


def test_what_cannot_be_installed_is_not_there_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _Installer(monkeypatch, "uv", "pip")
    with pytest.raises(LiteLLMMissing, match=r"LiteLLM 1\.74.* is missing: pip cannot reach its index\. Run `make"):
        environment(OLDEST)
    assert not is_made(OLDEST)


def test_a_missing_version_is_a_skip_for_a_user_and_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    _Installer(monkeypatch, "uv", "pip")
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="run `make litellm` once"):
        need(OLDEST)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="is missing"):
        need(OLDEST)


def test_a_version_without_a_lock_is_named() -> None:
    with pytest.raises(LiteLLMMissing, match=r"no such lock; there are 1\.74"):
        environment("1.0.0")
