"""What is kept for the user: taken back only if nobody else can have written it."""

import os
from pathlib import Path

import pytest

from runtime.private_cache import KEPT, PrivateCache, user_cache


def cache_in(folder: Path) -> PrivateCache:
    return PrivateCache(folder, what="things")


def kept(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "cache"
    cache_in(path).write("rules", b"key", b"data")
    return path


def test_it_is_read_back_by_name_and_key_alone(folder: Path) -> None:
    cache = cache_in(folder)
    assert cache.read("rules", b"key") == b"data"
    assert cache.read("rules", b"other") is None
    assert cache.read("words", b"key") is None


def test_nobody_else_may_look_or_write(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept(folder).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_used(folder: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    folder.chmod(mode)
    cache = cache_in(folder)
    assert cache.read("rules", b"key") is None
    cache.write("rules", b"new", b"data")
    assert len(list(folder.iterdir())) == 1
    assert caplog.text.count("things cannot be kept") == 1


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_not_used(folder: Path, mode: int) -> None:
    kept(folder).chmod(mode)
    assert cache_in(folder).read("rules", b"key") is None


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_another_user_is_not_used(folder: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(folder if what == "folder" else kept(folder), 12_345, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 12_345)
    assert cache_in(folder).read("rules", b"key") is None


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    path = kept(folder)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert cache_in(folder).read("rules", b"key") is None


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_damaged_file_is_not_used(folder: Path, place: int) -> None:
    path = kept(folder)
    whole = bytearray(path.read_bytes())
    whole[place] ^= 1
    path.write_bytes(whole)
    assert cache_in(folder).read("rules", b"key") is None
    path.write_bytes(bytes(whole[:20]))
    assert cache_in(folder).read("rules", b"key") is None


def test_a_file_under_another_key_is_not_used(folder: Path) -> None:
    cache_in(folder).write("rules", b"two", b"other")
    first, second = sorted(folder.iterdir())
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert cache_in(folder).read("rules", b"key") is None
    assert cache_in(folder).read("rules", b"two") is None


def test_a_pipe_in_its_place_does_not_hold_anybody_up(folder: Path) -> None:
    path = kept(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert cache_in(folder).read("rules", b"key") is None


def test_only_the_newest_of_a_name_stay(folder: Path) -> None:
    cache = cache_in(folder)
    cache.write("words", b"key", b"data")
    for number in range(2 * KEPT):
        cache.write("rules", b"%d" % number, b"data")
        os.utime(folder / max(folder.glob("rules-*"), key=lambda path: path.stat().st_mtime_ns), (number, number))
    assert len(list(folder.glob("rules-*"))) == KEPT
    assert cache.read("words", b"key") == b"data"


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = cache_in(tmp_path / "file")
    for _ in range(3):
        assert cache.read("rules", b"key") is None
        cache.write("rules", b"key", b"data")
    assert caplog.text.count("things cannot be kept") == 1


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_only_an_absolute_xdg_folder_counts(given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert user_cache() == tmp_path / ".cache" / "tocsin"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert user_cache() == tmp_path / "x" / "tocsin"


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert user_cache() is None
