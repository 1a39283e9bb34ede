from __future__ import annotations

import os

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from exporters.expose import Exposition
from exporters.process_metrics import process_tables

ABOUT = {  # how far two looks, one after the other, may be apart
    "process_cpu_seconds_total": 1.0,
    "process_resident_memory_bytes": 50e6,
    "process_virtual_memory_bytes": 200e6,
    "process_start_time_seconds": 0.01,
    "process_open_fds": 1.0,
    "process_max_fds": 0.0,
}


def test_they_are_those_of_the_reference_client() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    theirs = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
    text = Exposition().render(process_tables()).decode()
    families = list(text_string_to_metric_families(text))
    ours = {sample.name: sample.value for family in families for sample in family.samples}
    assert ours.keys() == theirs.keys() == ABOUT.keys()
    for name, apart in ABOUT.items():
        assert ours[name] == pytest.approx(theirs[name], abs=apart), name
    assert {family.name: family.type for family in families}["process_cpu_seconds"] == "counter"


def test_open_files_are_counted() -> None:
    def files() -> float:
        return next(float(table.values[0]) for table in process_tables() if table.name == "process_open_fds")

    before = files()
    descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    assert files() == before + 5
    for descriptor in descriptors:
        os.close(descriptor)
