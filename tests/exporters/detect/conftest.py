from __future__ import annotations

import pytest

from exporters.detect import Rule, Scanner, load_rules


@pytest.fixture(scope="session")
def rules() -> tuple[Rule, ...]:
    return load_rules()


@pytest.fixture(scope="session")
def scanner(rules: tuple[Rule, ...]) -> Scanner:
    return Scanner(rules)
