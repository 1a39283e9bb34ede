"""Counting with care: after a record has made counting fail, each chunk is counted on a copy that can be taken back.

A failure half way through counting leaves a state in which the batch is counted in part. So the exporter goes back to
its last saved state, and what was read since then comes here again. A copy of the state is made before each chunk. When
counting fails, the copy is taken back and the chunk is halved, down to the lines at fault. Those are set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from events.batch import Fault
from exporters.engine import MOST_APART, CountingError
from exporters.memory import Memory
from exporters.quarantine import fault_of
from exporters.signals.saved import Saved
from exporters.sources.chunk import Chunk
from runtime.state_file import decode, encode

Told = Callable[[Sequence[Fault]], None]


class Careful:
    """Feeds an engine with care, as long as bytes are `left` that were read once already.

    `found` says that records were set aside since it was last made False: their positions should be saved.
    """

    def __init__(self, memory: Memory) -> None:
        self.found = False
        self._memory = memory
        self._left: dict[str, int] = {}

    def begin(self, sizes: Mapping[str, int]) -> None:
        """So many bytes of each source come again."""
        for name, size in sizes.items():
            self._left[name] = max(self._left.get(name, 0), size)

    def left(self, source: str) -> int:
        """How many bytes of a source are still to be counted with care."""
        return self._left.get(source, 0)

    def feed(self, chunk: Chunk, *, now: float, faults: Told) -> None:
        """Count one chunk; lines that make counting or saving fail are told to `faults` instead.

        Raises:
            CountingError: the state cannot be copied even before.
        """
        lines = chunk.pieces()
        try:
            copy = encode(self._memory.save())
        except Exception as error:
            raise CountingError from error
        self._left[chunk.source] = self.left(chunk.source) - len(chunk.data)
        self._feed(chunk, lines, 0, 0, copy, now, faults, [MOST_APART])

    def _feed(
        self,
        chunk: Chunk,
        lines: list[bytes],
        number: int,
        start: int,
        copy: bytes,
        now: float,
        faults: Told,
        left: list[int],
    ) -> bytes:
        """Count `lines`, of which the first is `number` and begins at `start` of the chunk; the state then, copied."""
        inside: list[Fault] = []
        step = "count"
        try:
            self._memory.engine.feed([chunk.part(start, start + sum(map(len, lines)))], now=now, faults=inside.extend)
            step = "save"
            after = encode(self._memory.save())
        except Exception as error:
            self._memory.go_back(Saved(**decode(copy)))
            cause = error.__cause__ if isinstance(error, CountingError) and error.__cause__ else error
        else:
            if inside:
                faults([fault._replace(line=fault.line + number, start=fault.start + start) for fault in inside])
            return after
        if len(lines) > 1 and left[0] > 0:
            middle = len(lines) // 2
            copy = self._feed(chunk, lines[:middle], number, start, copy, now, faults, left)
            size = sum(map(len, lines[:middle]))
            many = sum(line.count(b"\n") for line in lines[:middle])
            return self._feed(chunk, lines[middle:], number + many, start + size, copy, now, faults, left)
        left[0] -= 1
        self.found = True
        length = sum(map(len, lines))
        faults([fault_of(step, cause, line=number, start=start, length=length)])
        health = self._memory.state.health
        health.add("tocsin_records_quarantined_total", (chunk.source, step), len(lines))
        health.add("tocsin_records_rejected_total", (chunk.source, "quarantined"), len(lines))
        return encode(self._memory.save())
