"""YAML as plain data with places, and how documents merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.duration import Duration
from spec.errors import Place, ShapeError, YamlError
from spec.yaml_source import Document, merged, parse_document, read_typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("08:00", "08:00"),
        ("2026-11-23", "2026-11-23"),
        ("5.6.0", "5.6.0"),
        ("010", 10),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("~", None),
        ("True", True),
        ("'1'", "1"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    data = parse_document(f"key: {text}", "x.yaml").data
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


def test_remembers_where_every_value_was_written() -> None:
    document = parse_document("a:\n  b: [1,\n      2]\n  'c d': {e: 3}\n", "x.yaml")
    assert document.places == {
        (): Place("x.yaml", 1, 1),
        ("a",): Place("x.yaml", 1, 1),
        ("a", "b"): Place("x.yaml", 2, 3),
        ("a", "b", 0): Place("x.yaml", 2, 7),
        ("a", "b", 1): Place("x.yaml", 3, 7),
        ("a", "c d"): Place("x.yaml", 4, 3),
        ("a", "c d", "e"): Place("x.yaml", 4, 11),
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_an_empty_file_is_an_empty_map(text: str) -> None:
    assert parse_document(text, "x.yaml").data == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: a: the key is here twice, first in line 1"),
        ("a: [1, 2\nb: 3\n", "x.yaml:2:2: not YAML: "),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1:4: a: the tag tag:yaml.org,2002:python/"),
        ("a: !!binary aGk=\n", "x.yaml:1:4: a: the tag tag:yaml.org,2002:binary is not allowed, only plain data"),
        ("a: !own 1\n", "x.yaml:1:4: a: the tag !own is not allowed, only plain data"),
        ("a: !!int five\n", "x.yaml:1:4: a: 'five' is not a int"),
        ("? [1, 2]\n: 3\n", "x.yaml:1:3: a key has to be text"),
        ("a: &x [*x]\n", "x.yaml:1:4: a[0]: an alias that repeats itself, or too many values"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: not YAML: expected a single document in the stream"),
    ],
)
def test_refuses_what_is_not_plain_data(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_document(text, "x.yaml")
    assert str(caught.value).startswith(message)


def test_aliases_of_aliases_do_not_grow_without_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlError, match="too many values"):
        parse_document("\n".join(lines), "x.yaml")


def test_reports_every_repeated_key() -> None:
    with pytest.raises(YamlError) as caught:
        parse_document("a: 1\na: 2\nb: {c: 1, c: 2}\n", "x.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "x.yaml:2:1: a: the key is here twice, first in line 1",
        "x.yaml:3:11: b.c: the key is here twice, first in line 3",
    ]


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    wait: Duration = Duration(0)
    mode: Literal["fast", "slow"] = "fast"


class Config(msgspec.Struct, forbid_unknown_fields=True):
    folder: Path
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 9184
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$", min_length=2)] = "tocsin"
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    quiet: bool = False
    inner: Inner | None = None
    many: dict[str, Inner] = {}
    list: tuple[int, ...] = ()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_any_configuration_is_read_as_its_type(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", "folder: /srv\ninner: {wait: 5m, mode: slow}\nlist: [1, 2]\n")
    second = write(tmp_path / "b.yaml", "inner: {mode: fast}\nlist: [3]\nmany: {x: {wait: 1s}}\n")
    assert read_typed([first, second], Config) == Config(
        folder=Path("/srv"), inner=Inner(Duration(300), "fast"), list=(3,), many={"x": Inner(Duration(1))}
    )
    assert read_typed(write(tmp_path / "c.yaml", "folder: x\ninner: ~\n"), Config) == Config(folder=Path("x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder: x\nprot: 1", "2:1: prot: unknown key 'prot', expected one of folder, port, name, share, quiet, "
         "inner, many, list (did you mean 'port'?)"),
        ("port: 1", "1:1: key 'folder' is missing"),
        ("folder: 3", "1:1: folder: expected a file path, found the number 3"),
        ("folder: x\nport: '1'", "2:1: port: found '1', expected a whole number"),
        ("folder: x\nport: 1.5", "2:1: port: found the number 1.5, expected a whole number"),
        ("folder: x\nport: 0", "2:1: port: found the number 0, expected at least 1"),
        ("folder: x\nport: 70000", "2:1: port: found the number 70000, expected at most 65535"),
        ("folder: x\nshare: 0", "2:1: share: found the number 0, expected more than 0"),
        ("folder: x\nshare: 1", "2:1: share: found the number 1, expected less than 1"),
        ("folder: x\nshare: much", "2:1: share: found 'much', expected a number"),
        ("folder: x\nname: 5", "2:1: name: found the number 5, expected text; put it in quotes"),
        ("folder: x\nname: A", "2:1: name: found 'A', expected text like ^[a-z]+$"),
        ("folder: x\nname: a", "2:1: name: found 'a', expected at least 2 characters"),
        ("folder: x\nquiet: yes", "2:1: quiet: found 'yes', expected true or false"),
        ("folder: x\ninner: {wait: soon}",
         "2:9: inner.wait: expected a duration such as 30s, 5m or 1h30m, found 'soon'"),
        ("folder: x\ninner: {mode: fsat}", "2:9: inner.mode: found 'fsat', expected one of fast, slow "
         "(did you mean 'fast'?)"),
        ("folder: x\ninner: 4", "2:1: inner: found the number 4, expected a map"),
        ("folder: x\nmany: {k: []}", "2:8: many.k: found a list, expected a map"),
        ("folder: x\nlist: {}", "2:1: list: found a map, expected a list"),
        ("folder: x\nlist: [1, x]", "2:11: list[1]: found 'x', expected a whole number"),
        ("[]", "1:1: found a list, expected a map"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "c.yaml", text)
    with pytest.raises(ShapeError) as caught:
        read_typed(path, Config)
    assert str(caught.value) == f"{path}:{message}"


def test_reports_every_problem_of_every_file(tmp_path: Path) -> None:
    broken = write(tmp_path / "a.yaml", "a: [")
    twice = write(tmp_path / "b.yaml", "a: 1\na: 2\n")
    missing = tmp_path / "c.yaml"
    binary = tmp_path / "d.yaml"
    binary.write_bytes(b"a: \xff")
    with pytest.raises(YamlError) as caught:
        read_typed([broken, twice, missing, binary], Config)
    assert [str(problem).removeprefix(f"{tmp_path}/")[:6] for problem in caught.value.problems] == [
        "a.yaml", "b.yaml", "c.yaml", "d.yaml",
    ]  # fmt: skip
    assert f"{missing}: cannot be read: No such file or directory" in str(caught.value)
    assert f"{binary}: not UTF-8 text (byte 3)" in str(caught.value)


# ---------------------------------------------------------------------------------------------------- merging
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)
DOCUMENT = st.dictionaries(st.sampled_from("abcd"), PLAIN, max_size=4).map(Document)


def data(*documents: Document, variants: tuple[str, ...] = ()) -> Any:
    return merged(documents, variants=variants).data


@given(DOCUMENT, DOCUMENT)
def test_merging_twice_changes_nothing_more(base: Document, over: Document) -> None:
    assert data(base, over, over) == data(base, over)


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_merging_goes_from_left_to_right(one: Document, two: Document, three: Document) -> None:
    assert data(Document(data(one, two)), three) == data(one, two, three)


@given(DOCUMENT)
def test_nothing_over_something_is_something(base: Document) -> None:
    assert data(base, Document({})) == data(Document({}), base) == base.data


def test_maps_merge_and_everything_else_replaces() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert data(Document(base), Document({"a": {"c": [9]}, "e": None})) == {"a": {"b": 1, "c": [9]}, "d": 3, "e": None}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


def test_another_variant_replaces_the_whole_map() -> None:
    base = Document({"when": {"technique": "rule", "signal": "x"}})
    tuned = Document({"when": {"technique": "ratio", "numerator": "y"}})
    same = Document({"when": {"technique": "rule", "value": 2}})
    assert data(base, tuned, variants=("technique",)) == {"when": {"technique": "ratio", "numerator": "y"}}
    assert data(base, same, variants=("technique",)) == {"when": {"technique": "rule", "signal": "x", "value": 2}}


def test_places_of_what_was_replaced_are_forgotten() -> None:
    first = parse_document("a: [1, 2, 3]\nb: 1\n", "first")
    second = parse_document("\n\na: [4]\n", "second")
    assert merged([first, second]).places == {
        (): Place("second", 3, 1),
        ("a",): Place("second", 3, 1),
        ("a", 0): Place("second", 3, 5),
        ("b",): Place("first", 2, 1),
    }


def test_places_of_another_variant_are_forgotten() -> None:
    first = parse_document("when: {technique: rule, signal: x}\n", "first")
    second = parse_document("when: {technique: ratio}\n", "second")
    places = merged([first, second], variants=("technique",)).places
    assert set(places) == {(), ("when",), ("when", "technique")}
    assert {place.file for place in places.values()} == {"second"}
