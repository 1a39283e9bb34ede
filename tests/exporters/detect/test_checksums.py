from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.detect.checksums import is_card, is_iban


@pytest.mark.parametrize(
    "text", ["4539578763621486", "x 4539-5787-6362-1486", "12 34 4539 5787 6362 1486", "371449635398431"]
)
def test_cards(text: str) -> None:
    assert is_card(text.encode())


@pytest.mark.parametrize(
    "text", ["4539578763621487", "1486", "", "371449635398432", "no digits", "4539578763621486.", "14539578763621486"]
)
def test_not_cards(text: str) -> None:
    assert not is_card(text.encode())


@given(st.text("0123456789", min_size=15, max_size=15), st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_breaks_a_card(body: str, place: int, change: int) -> None:
    number = next(f"4{body[1:]}{digit}" for digit in range(10) if is_card(f"4{body[1:]}{digit}".encode()))
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert not is_card(wrong.encode())


@pytest.mark.parametrize("text", ["NL91ABNA0417164300", "to NL91 ABNA 0417 1643 00", "FR1420041010050500013M02606"])
def test_ibans(text: str) -> None:
    assert is_iban(text.encode())


@pytest.mark.parametrize("text", ["NL92ABNA0417164300", "NL91 ABNA", "", "FR1420041010050500013M02607"])
def test_not_ibans(text: str) -> None:
    assert not is_iban(text.encode())
