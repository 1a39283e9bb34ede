import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from runtime.state_file import StateError, StateFolder, decode, encode


def test_plain_data_and_arrays_come_back() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([2**64 - 1], np.uint64), "c": np.zeros((0, 4))}
    data = {"arrays": arrays, "names": ["x", None], "pending": [[1, 2.5, 3]], "each": [{"a": arrays["a"].T}, {}]}
    back = decode(encode(data))
    for name, array in arrays.items():
        assert back["arrays"][name].dtype == array.dtype
        assert back["arrays"][name].tolist() == array.tolist()
    assert [each["a"].tolist() for each in back["each"][:1]] == [arrays["a"].T.tolist()]
    back["arrays"]["a"][0, 0] = 9  # what comes back can be written to
    assert (back["names"], back["pending"]) == (["x", None], [[1, 2.5, 3]])


def test_a_save_takes_little_memory_beside_the_state(tmp_path: Path) -> None:
    folder, data = StateFolder(tmp_path), {"signals": [{"sum": np.ones((1000, 1000))} for _ in range(8)]}
    tracemalloc.start()
    size = folder.save(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == folder.path.stat().st_size > 64_000_000
    assert peak < 1_000_000


def test_a_first_start_finds_nothing(tmp_path: Path) -> None:
    found = StateFolder(tmp_path / "new" / "folder").load()
    assert (found.data, found.damaged) == (None, "")


@pytest.mark.parametrize("cut", [0, 5, 26, -1])  # -1: still readable, only the number is another
def test_a_damaged_file_gives_way_to_the_one_before_and_is_kept(tmp_path: Path, cut: int) -> None:
    folder = StateFolder(tmp_path)
    folder.save({"n": 1})
    folder.save({"n": 2})
    content = folder.path.read_bytes()
    damaged = bytearray(content)
    damaged[cut] ^= 1
    folder.path.write_bytes(damaged)
    found = folder.load()
    assert found.data == {"n": 1}
    assert found.damaged
    assert (tmp_path / "state.damaged").exists()


def test_an_end_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save({"n": 1})
    folder.path.replace(folder.previous)
    found = folder.load()
    assert (found.data, found.damaged) == ({"n": 1}, "")


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save({"n": 1})
    content = bytearray(folder.path.read_bytes())
    content[16] = 9
    folder.path.write_bytes(content)
    with pytest.raises(StateError, match="newer version"):
        folder.load()
    assert folder.path.read_bytes() == content


def test_a_second_exporter_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first = StateFolder(tmp_path)
    with pytest.raises(StateError, match="used by another exporter"):
        StateFolder(tmp_path)
    first.close()
    StateFolder(tmp_path).close()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="make it writable"):
        StateFolder(tmp_path / "file")


def test_a_failed_write_leaves_the_last_state_whole(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save({"n": 1})
    (tmp_path / "state.new").mkdir()
    with pytest.raises(OSError, match="File exists"):
        folder.save({"n": 2})
    assert folder.load().data == {"n": 1}


def test_kill_9_while_saving_always_leaves_a_whole_state(tmp_path: Path) -> None:
    code = (
        "import sys, numpy\nfrom pathlib import Path\nfrom runtime.state_file import StateFolder\n"
        "folder = StateFolder(Path(sys.argv[1]))\nfound = folder.load()\nassert not found.damaged\n"
        "n = found.data['n'] if found.data else 0\n"
        "while True:\n    n += 1\n    folder.save({'n': n, 'bulk': numpy.full(200_000, n)})\n    print(n, flush=True)\n"
    )
    last = 0
    for pause in (0.02, 0.05, 0.08):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert int(process.stdout.readline()) > last
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        told = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        folder = StateFolder(tmp_path)
        found = folder.load()
        folder.close()
        assert found.data
        assert not found.damaged
        assert (found.data["bulk"] == found.data["n"]).all()
        assert found.data["n"] >= int(told[-1]) if told else found.data["n"] > last
        last = found.data["n"]
