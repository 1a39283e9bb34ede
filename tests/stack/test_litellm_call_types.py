"""Every call type that a LiteLLM knows stands in the table of Tocsin's documentation."""

from __future__ import annotations

import pytest

from events.gateways.litellm.call_types import OTHER, label_of
from tests.support.litellm_versions import EVERY_TIME, VERSIONS, is_made, need
from tests.versions.call_types import call_types_of


@pytest.mark.stack
@pytest.mark.parametrize("version", VERSIONS)
def test_every_call_type_is_in_the_table(version: str) -> None:
    if version not in EVERY_TIME and not is_made(version):
        pytest.skip(f"LiteLLM {version} is not in the cache")
    types = call_types_of(need(version))
    assert len(types) > 50
    assert [name for name in sorted(types) if label_of(name) == OTHER] == []
