from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.expose import Exposition
from exporters.metric_table import Table

COUNTER = Table(
    "llm_x_total", "counter", 'with "quotes"\nand \\', ("a", "b"), [("1", "2"), ("3", "4")], np.array([5, 0.25])
)
HISTOGRAM = Table(
    "llm_y_seconds", "histogram", "h", ("a",), [("x",)], np.array([[2.0, 1.0, 4.0, 30.5]]), edges=(0.5, 10.0)
)
GAUGE = Table("llm_z", "gauge", "g", (), [()], np.array([7.0]))
EMPTY = Table("llm_none", "gauge", "nothing yet", ("a",), [], np.zeros(0))


@pytest.mark.parametrize(("openmetrics", "parse"), [(False, parse_text), (True, parse_openmetrics)])
def test_the_reference_parser_reads_what_was_meant(openmetrics: bool, parse: object) -> None:
    text = Exposition().render([COUNTER, HISTOGRAM, GAUGE, EMPTY], openmetrics=openmetrics).decode()
    families = {family.name: family for family in parse(text)}  # type: ignore[operator]
    samples = {(s.name, tuple(s.labels.items())): s.value for f in families.values() for s in f.samples}
    assert samples == {
        ("llm_x_total", (("a", "1"), ("b", "2"))): 5,
        ("llm_x_total", (("a", "3"), ("b", "4"))): 0.25,
        ("llm_y_seconds_bucket", (("a", "x"), ("le", "0.5"))): 2,
        ("llm_y_seconds_bucket", (("a", "x"), ("le", "10.0"))): 3,
        ("llm_y_seconds_bucket", (("a", "x"), ("le", "+Inf"))): 7,
        ("llm_y_seconds_sum", (("a", "x"),)): 30.5,
        ("llm_y_seconds_count", (("a", "x"),)): 7,
        ("llm_z", ()): 7,
    }
    assert families["llm_x"].type == "counter"
    assert families["llm_y_seconds"].type == "histogram"
    assert text.endswith("# EOF\n") == openmetrics


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5, unique=True))
def test_any_label_value_comes_back_as_it_was(values: list[str]) -> None:
    printable = [value.replace("\r", "") for value in values]
    table = Table("llm_x", "gauge", "x", ("a",), [(value,) for value in printable], np.ones(len(printable)))
    text = Exposition().render([table]).decode()
    samples = [sample for family in parse_text(text) for sample in family.samples]
    assert [sample.labels["a"] for sample in samples] == printable


def test_a_growing_list_of_keys_keeps_its_texts_and_another_list_does_not() -> None:
    exposition, keys = Exposition(), [("1", "2")]
    first = Table("llm_x_total", "counter", "x", ("a", "b"), keys, np.array([1.0]))
    assert b'{a="1",b="2"} 1.0' in exposition.render([first])
    keys.append(("3", "4"))
    grown = Table("llm_x_total", "counter", "x", ("a", "b"), keys, np.array([1.0, 2.0]))
    assert b'{a="3",b="4"} 2.0' in exposition.render([grown])
    other = Table("llm_x_total", "counter", "x", ("a", "b"), [("5", "6")], np.array([3.0]))
    text = exposition.render([other])
    assert b'{a="5",b="6"} 3.0' in text
    assert b'a="1"' not in text


def test_a_series_that_is_born_after_the_table_was_made_is_for_the_next_scrape() -> None:
    exposition, keys = Exposition(), [("1", "2")]
    first = Table("llm_x_total", "counter", "x", ("a", "b"), keys, np.array([1.0]))
    keys.append(("3", "4"))
    assert b"3" not in exposition.render([first])
    second = Table("llm_x_total", "counter", "x", ("a", "b"), keys, np.array([1.0, 2.0]))
    assert b'{a="3",b="4"} 2.0' in exposition.render([second])
