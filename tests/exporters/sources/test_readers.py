from __future__ import annotations

from pathlib import Path

from exporters.sources.readers import buffer_of

MIB = 1024 * 1024


def resident() -> int:
    """Kilobytes of anonymous memory that this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def test_a_buffer_takes_memory_as_far_as_it_is_used() -> None:
    before = resident()
    buffer = buffer_of(256 * MIB)
    made = resident()
    memoryview(buffer)[: 64 * MIB] = b"x" * (64 * MIB)
    used = resident()
    buffer.close()
    assert made - before < 32 * 1024
    assert 48 * 1024 < used - made < 160 * 1024
