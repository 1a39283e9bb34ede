"""What a gateway can tell at all."""

from __future__ import annotations

from collections.abc import Mapping

from events.batch import ALL_COLUMNS
from events.gateways import Gateway
from events.gateways.mapped import MappedGateway
from events.gateways.mapped.known import known_columns, known_words
from events.gateways.unwrapping import plain_adapter


def abilities(adapter: Gateway) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """The fields that it can tell, and the words that a column can have; one that is not there can have any."""
    plain = plain_adapter(adapter)
    if not isinstance(plain, MappedGateway):
        return ALL_COLUMNS | {"prompt", "answer"}, {}
    mapping = plain.mapping
    texts = {name for name in ("prompt", "answer") if getattr(mapping, name)}
    return (known_columns(mapping) - {"content"}) | texts, known_words(mapping)
