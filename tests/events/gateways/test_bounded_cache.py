"""The bounded dictionary and short names."""

from __future__ import annotations

from events.gateways.bounded_cache import LONGEST_KEY, BoundedCache
from events.gateways.names import LONGEST, short


def test_what_was_computed_is_remembered() -> None:
    asked: list[str] = []

    def compute(key: str) -> str:
        asked.append(key)
        return key.upper()

    cache = BoundedCache(compute)
    assert [cache["a"], cache["a"], cache["b"]] == ["A", "A", "B"]
    assert asked == ["a", "b"]


def test_it_never_grows_beyond_its_limit() -> None:
    cache = BoundedCache(str, limit=10)
    for number in range(1_000):
        assert cache[number] == str(number)
        assert len(cache) <= 10


def test_a_long_key_is_computed_and_forgotten() -> None:
    cache = BoundedCache(len)
    assert cache["a" * (LONGEST_KEY + 1)] == LONGEST_KEY + 1
    assert cache["a" * LONGEST_KEY] == LONGEST_KEY
    assert [*cache] == ["a" * LONGEST_KEY]


def test_short_names() -> None:
    assert short(None) is short("") is None
    assert short("a" * LONGEST) == "a" * LONGEST
    one, two = short("a" * LONGEST + "1"), short("a" * LONGEST + "2")
    assert one and two and one != two
    assert len(one) == len(two) == 197
