"""Numbers that carry a check digit: whether what looks like one is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

LONGEST: Final = 64
"""Bytes before the end of a match that a check is given."""

_CARD = re.compile(rb"(?<![0-9])(?:[0-9]{4}[ -]?[0-9]{6}[ -]?[0-9]{5}|(?:[0-9]{4}[ -]?){3}[0-9]{4})$")
_LONGEST_CARD = 20  # 16 digits, 3 separators, and what stands before them
_VALUES = bytes(max(0, octet - 48) % 10 for octet in range(256))
_DOUBLED = bytes(2 * value - 9 if value > 4 else 2 * value for value in _VALUES)
_NUMBERS = {ord(letter): str(int(letter, 36)) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_IBAN = re.compile(r"(?=([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$))")


def is_card(before: bytes) -> bool:
    """Whether `before` ends in a payment card number: its Luhn sum is right."""
    number = _CARD.search(before[-_LONGEST_CARD:])
    return number is not None and _luhn(number.group().translate(None, b" -"))


def _luhn(digits: bytes) -> bool:
    return (sum(digits[-1::-2].translate(_VALUES)) + sum(digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def is_iban(before: bytes) -> bool:
    """Whether `before` ends in an international bank account number: it leaves 1 when divided by 97 (ISO 7064)."""
    text = before.decode("latin-1").replace(" ", "")
    return any(_mod97(found.group(1)) for found in _IBAN.finditer(text))


def _mod97(account: str) -> bool:
    return int((account[4:] + account[:4]).translate(_NUMBERS)) % 97 == 1


CHECKS: Final[Mapping[str, Callable[[bytes], bool]]] = {"card": is_card, "iban": is_iban}
"""By the word that rules use: a function of the text up to the end of a match."""
