from __future__ import annotations

import math

import msgspec
import pytest

from events import bounds


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**401, -(10**401), 1e300, True, "1", None, [1], {}])
def test_what_is_no_number_or_no_count_is_neither(value: object) -> None:
    assert bounds.finite(value) is None
    assert bounds.count(value) is None


def test_numbers_within_the_limits_are_kept() -> None:
    assert bounds.finite(-2.5) == -2.5
    assert bounds.count(2.6) == 3
    assert bounds.count(-1) is None
    assert bounds.count(bounds.MOST) == bounds.MOST
    assert bounds.count(bounds.MOST + 1) is None


@pytest.mark.parametrize("text", [b"-1", b"9007199254740993", b"1" * 401, b"1.5", b"1e400", b"true", b'"1"', b"null"])
def test_json_that_is_no_count_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=bounds.Count)


@pytest.mark.parametrize("text", [b"-1", b"253402300800", b"1e400", b"1" * 401, b"true", b"null"])
def test_json_that_is_no_instant_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=bounds.Instant)
