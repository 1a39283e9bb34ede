"""The first words of an exporter: what it does, what takes long, and what it passes over."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from exercises.servers import free_port
from tests.support.waiting import PATIENCE, wait_for

_RUN = """
import sys
from pathlib import Path
from exporters import assembly, command
whole = assembly.load_rules
assembly.load_rules = lambda *given, **named: whole(*given, **named)[:2]  # to compile two takes no time
command.run(Path(sys.argv[1]))
"""


def first_words(config: Path, port: int) -> list[str]:
    """What is said until it serves and has looked at its sources."""
    said = config.with_name("said.txt")

    def looked() -> bool:
        assert process.poll() is None, said.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=PATIENCE):
                return True
        except OSError:  # it does not listen yet, or is not ready
            return False

    with said.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", _RUN, str(config)], stderr=file)
    try:
        wait_for(looked, "it never looked at its sources")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    return [line.split(" ", 3)[-1] for line in said.read_text().splitlines()]


def test_the_first_start_says_what_it_does_and_the_second_what_is_left(tmp_path: Path) -> None:
    config, port = tmp_path / "tocsin.yaml", free_port()
    (tmp_path / "gateway.jsonl").write_bytes(b'{"old": 1}\n' * 100)
    config.write_text(
        f"listen: 127.0.0.1:{port}\nstate_folder: state\n"
        "sources: {gw: {gateway: litellm, paths: [gateway.jsonl]}}\n"
    )
    first = first_words(config, port)
    found = [
        next((place for place, line in enumerate(first) if words in line), -1)
        for words in (
            "starting Tocsin",
            "compiling 2 content rules, once",
            "metrics are at http://127.0.0.1:",
            "source gw: skipped 1100 bytes that were there before the first start, because of `start_at: end`",
        )
    ]
    assert -1 not in found and found == sorted(found), first
    assert "gw (file)" in first[found[0]]
    second = "\n".join(first_words(config, port))
    assert "starting Tocsin" in second and "metrics are at" in second
    assert "compiling" not in second and "skipped" not in second
