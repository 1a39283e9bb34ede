"""The catalogue of metrics and the reference of the spec: complete, and only what is true."""

from __future__ import annotations

import re
import typing
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from alerts import compile_alerts
from generators.docs import metrics_page, spec_page
from spec import Spec, catalogue, load_spec, model
from tests.generators.programs import spec_with

_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def metrics(shipped: Spec) -> str:
    return metrics_page.generate(shipped)[metrics_page.PATH]


@pytest.fixture(scope="module")
def reference(shipped: Spec) -> str:
    return spec_page.generate(shipped)[spec_page.PATH]


def section(text: str, title: str, mark: str = "##") -> str:
    """A section up to the next one of its rank or higher."""
    begin = text.index(f"\n{mark} {title}\n")
    end = re.compile(rf"^#{{2,{len(mark)}}} ", re.MULTILINE).search(text, begin + len(mark) + 2)
    return text[begin : end.start() if end else None]


# ------------------------------------------------------------------------------------------------------------ metrics
def test_every_metric_is_there_once_with_its_type_labels_and_help(shipped: Spec, metrics: str) -> None:
    rows = dict(_ROW.findall(metrics[: metrics.index("## Histograms")])) | dict(
        _ROW.findall(section(metrics, "Tocsin itself") + section(metrics, "From other exporters"))
    )
    assert sorted(rows) == sorted(metric.name for metric in catalogue(shipped))
    for metric in catalogue(shipped):
        cells = [part.strip() for part in rows[metric.name].split(" | ")]
        assert ", ".join(f"`{label}`" for label in metric.labels) in cells, metric.name
        assert metric.source == "external" or cells[0] == metric.type
        assert metric.help in rows[metric.name]


def test_metrics_are_under_their_category(shipped: Spec, metrics: str) -> None:
    for metric in catalogue(shipped):
        if metric.category:
            assert f"`{metric.name}`" in section(metrics, metric.category.capitalize())


def test_the_limits_of_labels(metrics: str) -> None:
    labels = section(metrics, "Labels")
    assert "| `tenant` | 100, then `other` |" in labels
    assert "| `actor` | the 50 worst of each signal |" in labels
    assert "| `trusted` | 2: `true`, `false` |" in labels
    assert "`mountpoint`" not in labels  # of another exporter


def test_every_label_of_ours_has_its_limit(shipped: Spec, metrics: str) -> None:
    listed = {name for name, _ in _ROW.findall(section(metrics, "Labels"))}
    ours = {label for metric in catalogue(shipped) if metric.source != "external" for label in metric.labels}
    assert listed == ours


def test_alerts_are_named_where_they_read(shipped: Spec, metrics: str) -> None:
    rows = dict(_ROW.findall(metrics))
    for rule in compile_alerts(shipped):
        for read in rule.criterion.readings:
            assert f"[{rule.name}](../runbooks/{rule.name}.md)" in rows[read.series.metric]


def test_units_and_buckets(metrics: str) -> None:
    assert "| `llm_request_duration_seconds` | histogram | `gateway`, `model`, `provider` | seconds |" in metrics
    assert "| `llm_spend_by_actor` | gauge | `actor`, `tenant` | usd |" in metrics
    assert "| `llm_time_to_first_chunk_seconds` | 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30 |" in metrics


# ---------------------------------------------------------------------------------------------------------- reference
def structs() -> list[type[msgspec.Struct]]:
    known = [found for found in vars(model).values() if isinstance(found, type) and issubclass(found, msgspec.Struct)]
    return [found for found in known if found not in (model.Entry, model.Spec, msgspec.Struct)]


def test_every_table_is_there_with_its_entries(shipped: Spec, reference: str) -> None:
    for field in msgspec.structs.fields(Spec):
        text = section(reference, field.name)
        entries = getattr(shipped, field.name)
        if isinstance(entries, dict):
            assert text.rstrip().endswith(", ".join(f"`{name}`" for name in entries) + ".")


def test_every_key_is_there_with_its_type_and_default(reference: str) -> None:
    singles = ("Metadata", "Settings")
    for struct in structs():
        for field in msgspec.structs.fields(struct):
            rows = [row for name, row in _ROW.findall(reference) if name == field.encode_name]
            assert rows, f"{struct.__name__}.{field.encode_name}"
            if field.required and struct.__name__ not in singles:
                assert any("**required**" in row for row in rows), f"{struct.__name__}.{field.encode_name}"


def test_every_allowed_word_is_there(reference: str) -> None:
    for struct in structs():
        for name, hint in typing.get_type_hints(struct).items():
            if typing.get_origin(hint) is typing.Literal:
                words = " or ".join(f"`{word}`" if word else "nothing" for word in typing.get_args(hint))
                assert f"| {words} |" in reference, f"{struct.__name__}.{name}"


def test_what_is_inside_an_entry_has_its_own_part(reference: str) -> None:
    folders = sorted(model.parent.name for model in Path(str(files("alerts.techniques"))).glob("*/model.py"))
    assert {"ratio", "threshold"} < set(folders)
    techniques = " or ".join(f"[{name.title()}](#{name})" for name in folders)
    assert f"| `when` | {techniques} | **required** |" in reference
    assert "| `technique` | `ratio` |" in section(reference, "Ratio", "###")
    assert "| `unless` | `acknowledged` or `contained` or nothing | nothing |" in section(reference, "Tier", "###")
    assert "| `contain` | duration or nothing | nothing |" in section(reference, "Sla", "###")


def test_settings_have_their_value_and_their_comment(reference: str, tmp_path: Path) -> None:
    row = "| `time_scale` | number above 0 | `1` | Every duration of the spec is divided by this, "
    assert row in section(reference, "settings")
    overlay = {"settings": {"max_series": 5000}}
    assert (
        "| `max_series` | whole number | `5000` |" in spec_page.generate(spec_with(tmp_path, overlay))["docs/spec.md"]
    )


def test_every_check_is_there(reference: str) -> None:
    found = re.findall(r"^\| (TOC[0-9]{3}) \| (error|warning) \| (.+) \|$", reference, re.MULTILINE)
    assert len(found) > 25
    assert all(len(text) < 250 for _, _, text in found)
    assert ("TOC018", "warning") in {(number, gravity) for number, gravity, _ in found}


def test_links_inside_the_page_resolve(reference: str) -> None:
    titles = {title.lower() for title in re.findall(r"^#+ (.+)$", reference, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", reference)) <= titles
