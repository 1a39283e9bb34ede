"""The option that writes the goldens anew: pytest tests/events/gateways --update-goldens."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the goldens of the gateways' samples anew")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    # Unknown when pytest starts above this folder, as the option is only read from the folders it is given.
    return bool(request.config.getoption("--update-goldens", default=False))
