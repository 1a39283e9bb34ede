"""A column read at once is what its values are one by one, whatever they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.gateways.mapped.decoder import Records
from events.gateways.mapped.model import Words
from events.gateways.mapped.paths import parse_path
from events.gateways.mapped.values import (
    WordTable,
    boolean_of,
    booleans_of,
    number_of,
    numbers_of,
    text_of,
    texts_of,
)

_ODD = st.sampled_from(["", "true", "7", "nan", " 1 ", "no number", True, 1 << 2000, -(1 << 2000), [], ["a"], {"a": 1}])
_VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.text(max_size=3))),
    st.lists(st.one_of(st.none(), st.integers(), st.floats(allow_nan=False))),
    st.lists(st.one_of(st.none(), st.integers(), _ODD, st.booleans(), st.text(max_size=3))),
)
Column = Callable[[Sequence[Any], str, Counter[str]], Any]
One = Callable[[Any, str, Counter[str]], Any]


@pytest.mark.parametrize(
    ("column", "one"),
    [(texts_of, text_of), (numbers_of, number_of), (booleans_of, boolean_of)],
    ids=lambda f: f.__name__,
)
@given(values=_VALUES)
def test_a_column_is_its_values(column: Column, one: One, values: list[Any]) -> None:
    together, alone = Counter[str](), Counter[str]()
    found = list(column(values, "x", together))
    want = [one(value, "x", alone) for value in values]
    assert [*map(repr, map(_plain, found))] == [*map(repr, map(_plain, want))]
    assert together == alone


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float | np.floating) else value


@pytest.mark.parametrize("otherwise", ["", "other"])
@given(values=st.lists(st.one_of(st.none(), st.sampled_from(["a", "A", "b", "", "c"]), st.booleans(), st.integers())))
def test_words_are_those_of_each_value(otherwise: str, values: list[Any]) -> None:
    table = WordTable(Words(path="x", words={"a": "one", "b": "two"}, otherwise=otherwise))
    together, alone = Counter[str](), Counter[str]()
    assert table.words(values, "x", together) == [table.word(value, "x", alone) for value in values]
    assert together == alone


def test_a_nested_column_has_gaps_where_an_object_is_missing() -> None:
    records = Records(map(parse_path, ("a.b", "c", "d.e[0]")))
    lines = b'{"a":{"b":1},"c":"x"}\n{"a":null,"c":""}\n{"c":null,"d":{"e":[5]}}\n'
    decoded = records.decode(lines).records
    assert records.column("a.b", decoded, Counter()) == [1, None, None]
    assert records.column(("c", "a.b"), decoded, Counter()) == ["x", None, None]
    assert records.column(("a.b", "d.e[0]"), decoded, Counter()) == [1, None, 5]
    assert records.column((), decoded, Counter()) == [None, None, None]
