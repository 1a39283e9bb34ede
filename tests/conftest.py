"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from exercises import servers

# Property tests never judge how long an example took: the machine may be busy. `make long` looks deeper.
settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=2_000)
settings.load_profile("default")

RealServer = Callable[[str], Path]


@pytest.fixture(scope="session")
def real_server() -> RealServer:
    """Finds a real server's program by name: `real_server("prometheus")`.

    Where it cannot be had, the test is skipped; with CI=true it fails, as a check that never ran is no check.
    """
    missing: dict[str, servers.ServerMissingError] = {}

    def find(name: str) -> Path:
        if name not in missing:
            try:
                return servers.find(name)
            except servers.ServerMissingError as error:
                missing[name] = error  # an attempt to fetch takes a while, so it is made once
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing[name]), pytrace=False)
        pytest.skip(str(missing[name]))

    return find
