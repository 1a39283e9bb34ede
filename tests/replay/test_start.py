"""What a short replay costs: counted in things done and modules loaded, not in seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.litellm_lines import line, record

START = 1_790_000_000.0
HEAVY = ("jinja2", "markdown_it", "grafanalib", "requests", "ssl", "http.server", "socketserver", "sqlite3", "asyncio",
         "replay.html", "generators", "exporters.sources.http", "exporters.server", "exporters.sinks")  # fmt: skip
_COUNTED = """
import json, sys
import tocsin
from exporters.detect import hyperscan_cache, translations
done = {"compiled": 0, "translated": 0}
def counting(module, name, key):
    before = getattr(module, name)
    def counted(*given, **named):
        done[key] += 1
        return before(*given, **named)
    setattr(module, name, counted)
counting(hyperscan_cache, "_made_elsewhere", "compiled")
counting(hyperscan_cache, "_made", "compiled")
counting(translations, "translate", "translated")
status = tocsin.main(["replay", "--format", "json", sys.argv[1]])
print(json.dumps({"status": status, "modules": sorted(sys.modules), **done}), file=sys.stderr)
"""


def run(log: Path, **environment: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What was done, what else was said on standard error, and what was found."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNTED, str(log)],
        capture_output=True,
        check=True,
        env={**os.environ, **environment},
        text=True,
    )
    *said, last = done.stderr.splitlines()
    return json.loads(last), "\n".join(said), json.loads(done.stdout)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.jsonl"
    path.write_bytes(b"".join(line(record(START + place, f"r{place}")) for place in range(5)))
    return path


def test_the_second_run_compiles_nothing_and_loads_nothing_heavy(log: Path, tmp_path: Path) -> None:
    first, said, found = run(log, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert first["compiled"] > 0 and first["translated"] > 0 and not said
    second, said, again = run(log, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (second["status"], second["compiled"], second["translated"], said) == (0, 0, 0, "")
    assert again == found
    loaded = {name for name in second["modules"] if name.startswith(HEAVY)}
    assert not loaded


def test_a_home_that_cannot_be_written_works_and_says_so_once(log: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder belongs: it stops root as well")
    done, said, found = run(log, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done["status"] == 0 and found["events"] == 5
    assert said.count("compiled content rules cannot be kept") == 1
    assert len(said.splitlines()) <= 2
