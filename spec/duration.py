"""Durations in Prometheus notation (``90s``, ``1h30m``), as seconds."""

from __future__ import annotations

import re
from typing import Self

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SHAPE = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(ms|[smhdw]))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")


class Duration(float):
    """A length of time in seconds that prints as Prometheus writes it.

    Source of the notation: Prometheus documentation, "time durations".
    """

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``5m``, ``1h30m``, ``250ms`` or a plain ``0``.

        Raises:
            ValueError: the text is not a duration.
        """
        if isinstance(text, (int, float)) and not isinstance(text, bool) and text == 0:
            return cls(0.0)
        if not isinstance(text, str) or not (text == "0" or _SHAPE.fullmatch(text)):
            raise ValueError(f"expected a duration such as 30s, 5m or 1h30m, found {text!r}")
        return cls(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))

    def __str__(self) -> str:
        milliseconds = round(float(self) * 1000)
        if milliseconds == 0:
            return "0s"
        parts = []
        for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
            count, milliseconds = divmod(milliseconds, size)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts)
