"""A real LiteLLM proxy posts to the HTTP source."""

from __future__ import annotations

import pytest

from tests.recordings.webhook import RETRIES, Case, run
from tests.support.litellm_versions import need


@pytest.mark.slow
@pytest.mark.stack
def test_every_record_arrives_though_posts_are_refused_for_a_while() -> None:
    need()
    outcome = run(Case("refused", RETRIES, refuse=2, flush=1.0), rate=15, seconds=6, quiet=6.0)
    assert len(outcome.logged) >= 80
    assert outcome.answers["503"] == 2
    assert outcome.lost == 0
    assert len(outcome.arrived) == len(set(outcome.arrived))
