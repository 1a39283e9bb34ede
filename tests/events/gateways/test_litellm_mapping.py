"""The plain columns of LiteLLM are where its mapping says."""

from __future__ import annotations

import msgspec
import pytest

from events.gateways.decode import prune
from events.gateways.litellm.plain import MAPPING, PLAIN_PATHS, plain
from events.gateways.litellm.record import COLUMN_PATHS, Record
from events.gateways.mapped.model import PATHS, WITH_PATHS, each_of


def _paths() -> frozenset[str]:
    plain_keys = (getattr(MAPPING, key) for key in PATHS)
    with_path = (part.path for key in WITH_PATHS if (part := getattr(MAPPING, key)) is not None)
    return frozenset(path for paths in (*plain_keys, *with_path) for path in each_of(paths))


def test_each_path_of_the_mapping_is_one_of_the_record() -> None:
    assert len(_paths()) > 10
    fields = msgspec.structs.fields(prune(Record, _paths()))
    top = {path.partition(".")[0] for path in _paths()} | {"status"}
    assert {field.encode_name for field in fields} == top


def test_columns_are_read_where_the_mapping_says() -> None:
    assert PLAIN_PATHS["tenant"] == {"metadata.user_api_key_team_id", "metadata.user_api_key_org_id"}
    for column, paths in PLAIN_PATHS.items():
        # Tokens that are 0 beside a total are looked for elsewhere too.
        assert paths < COLUMN_PATHS[column] if column.endswith("_tokens") else paths == COLUMN_PATHS[column], column


@pytest.mark.parametrize(
    ("groups", "models", "want"),
    [
        (("g", "h"), ("a", "b"), ["g", "h"]),
        (("g", None), ("a", "b"), ["g", "b"]),
        (("", None), ("a", None), ["a", None]),
    ],
)
def test_the_first_field_that_says_something_counts(
    groups: tuple[str | None, ...], models: tuple[str | None, ...], want: list[str | None]
) -> None:
    assert [*plain("model", {"model_group": groups, "model": models}, {})] == want
