"""What happens to a test whose server is not there. It needs none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDY = "tests/stack/test_servers.py::test_every_program_runs"


@pytest.mark.parametrize(
    ("ci", "code", "summary"),
    [("", 0, "SKIPPED [1]"), ("false", 0, "SKIPPED [1]"), ("true", 1, "ERROR")],
    ids=["unset", "false", "ci"],
)
def test_a_missing_server_is_skipped_with_its_reason_or_an_error_in_ci(
    tmp_path: Path, ci: str, code: int, summary: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{NEEDY}[mtail]"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "CI": ci, "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(summary))
    assert "prometheus is missing: not on PATH" in line
    assert "because there is no apt-get on this machine" in line
    assert "put prometheus on PATH" in line
