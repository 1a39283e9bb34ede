"""The plain columns: what ``mapping.yaml`` beside this file says of them, read from typed records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from events.gateways.decode import Fields
from events.gateways.mapped.model import Mapping, each_of, load_mapping

MAPPING: Final[Mapping] = load_mapping(Path(__file__).with_name("mapping.yaml"))

NUMBERS: Final = ("input_tokens", "output_tokens", "cost_usd")
NAMES: Final = ("tenant", "model", "provider")
_INSIDE: Final = "metadata."
_PATHS: Final = {
    **{column: each_of(getattr(MAPPING, column)) for column in (*NAMES, *NUMBERS)},
    "source_range": each_of(MAPPING.client_address),
}
PLAIN_PATHS: Final = {column: frozenset(paths) for column, paths in _PATHS.items()}
"""The fields that each plain column is made of."""
FIELD: Final = {column: paths[0] for column, paths in _PATHS.items()}
"""The field that is at fault when a plain column's value is impossible."""


def plain(column: str, fields: Fields, callers: Fields) -> Sequence[Any]:
    """The values of a plain column; None where no field says anything.

    `fields` are those of the records, `callers` those of their metadata.
    """
    first, *others = _PATHS[column]
    found = _values(first, fields, callers)
    for path in others:
        if all(found):
            break
        found = [one or other for one, other in zip(found, _values(path, fields, callers), strict=True)]
    return found


def _values(path: str, fields: Fields, callers: Fields) -> Sequence[Any]:
    return callers[path.removeprefix(_INSIDE)] if path.startswith(_INSIDE) else fields[path]
