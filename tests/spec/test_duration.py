"""Durations read and print as Prometheus writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.duration import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("0", 0), (0, 0), ("1d", 86400), ("2w", 1_209_600), ("1.5h", 5400)],
)
def test_reads_prometheus_notation(text: object, seconds: float) -> None:
    assert float(Duration.parse(text)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "m5", "5 m", "-5m", "5x", "5minutes", "1m30", "5m\n", "\u0665m", 5, 1.5, True, False, None, []],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 30s, 5m or 1h30m"):
        Duration.parse(text)


@given(st.integers(0, 10**12))
def test_what_is_printed_reads_back(milliseconds: int) -> None:
    text = str(Duration(milliseconds / 1000))
    assert round(float(Duration.parse(text)) * 1000) == milliseconds
    assert str(Duration.parse(text)) == text
