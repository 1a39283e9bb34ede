"""A mapping that cannot be used is refused with its file, its line, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from events.gateways.mapped import load_mapping
from events.gateways.mapped.model import WORDS
from events.gateways.mapped.paths import PathError, parse_path, walk
from spec.errors import SpecError

GOOD: Final = """\
gateway: my-gateway
end: {path: finished}
model: request.model
status: http.status
error_class:
  path: error.code
  words: {blocked: guardrail_block}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("model: request.model", "modell: request.model", 3, "did you mean 'model'?"),
        ("guardrail_block", "guardrail_blok", 7, "did you mean 'guardrail_block'?"),
        ("{path: finished}", "{path: finished, format: unix}", 2, "found 'unix', expected one of"),
        ("{path: finished}", "{path: finished, fromat: unix_s}", 2, "did you mean 'format'?"),
        ("end: {path: finished}\n", "", 1, "neither `start` nor `end`"),
        ("request.model", "request..model", 3, "character 8 fits none"),
        ("request.model", "'[0].model'", 3, "begins with a name"),
        ("request.model", "[request.model, 'a[']", 3, "character 2 fits none"),
        ("http.status", "7", 4, "put it in quotes"),
        ("status: http.status", "error_by_status: {'429': quota}", 4, "without `status`"),
        ("status: http.status", "status: s\nerror_by_status: {'42x': quota}", 5, "for instance 429"),
        ("status: http.status", "records: attempts", 4, "without `call_id`"),
        ("status: http.status", "operation: {path: op}", 4, "expected `words`, `contains` or `otherwise`"),
        ("status: http.status", "operation: {words: {a: chat}}", 4, "found no path"),
        ("status: http.status", "only: {kind: []}", 4, "found no word"),
        ("status: http.status", "tool_calls: {each: 'calls[]'}", 4, "key 'name' is missing"),
        ("my-gateway", "My Gateway", 1, "small letters"),
        ("gateway: my-gateway", "gateway: [", 3, "not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_expected(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = tmp_path / "my-gateway.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SpecError) as raised:
        load_mapping(path)
    assert said in str(raised.value)
    assert f"{path}:{line}:" in str(raised.value) or f"{path}:{line + 1}:" in str(raised.value)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my-gateway.yaml"
    path.write_text(GOOD)
    assert load_mapping(path).gateway == "my-gateway"


def test_every_table_leads_to_words_that_events_have() -> None:
    assert all("none" in words or words[0] in ("other", "success") for words in WORDS.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.b", 1),
        ('["x.y"]', 2),
        ('a["b"]', 1),
        ("list[0].n", "first"),
        ("list[-1].n", "last"),
        ("list[9].n", None),
        ("list[].n", ["first", "last"]),
        ("deep[].in[].v", [1, 2, 3]),
        ("a.b.c", None),
        ("list.n", None),
        ("a[].n", []),
    ],
)
def test_a_path_leads_to_its_value(text: str, found: object) -> None:
    from collections import Counter

    record = {
        "a": {"b": 1},
        "x.y": 2,
        "list": [{"n": "first"}, "odd", {"n": "last"}],
        "deep": [{"in": [{"v": 1}, {"v": 2}]}, {"in": [{"v": 3}]}, {"in": 7}],
    }
    assert walk(record, parse_path(text).steps, Counter()) == found


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "a[", "a[x]", 'a["', "a]", "a[1", "a\\b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError, match="expected a path"):
        parse_path(text)
