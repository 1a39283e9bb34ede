"""A folder of JSON lines: each attempt as a flat record with ECS and OpenTelemetry names, and where it came from.

The files have rising numbers (``events-000000000001.jsonl``). Only the newest is written to, until it is large enough.
What a crash leaves behind the saved place is cut off and written again, so each line of the log is there once. Files
are for this user alone, and no link is followed on the way to them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from events.batch import Detection, EventBatch, Text
from exporters.defaults import Content
from exporters.sinks.sink import Place
from exporters.sources.chunk import Chunk
from runtime.beneath import folder_of, make_private, open_in

_NAME: Final = re.compile(r"events-([0-9]{12})\.jsonl")
_DESCRIBING: Final = threading.Lock()  # an adapter describes for one thread at a time

log = logging.getLogger("tocsin")


class JsonLines:
    """The sink over `folder`. A file is followed by a new one at about `rotate_bytes`; the last `keep` files are kept.

    `hide` takes out of a text what is not to be written, for `content` ``redacted``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rotate_bytes: int,
        keep: int,
        content: Content = "off",
        hide: Callable[[str], str] = str,
    ) -> None:
        self._path = folder
        self._rotate = rotate_bytes
        self._keep = keep
        self._content = content
        self._hide = hide
        self._folder = -1
        self._file = -1
        self._segment = 0
        self._offset = 0
        self._saved = 0  # the segment of the saved place

    # ------------------------------------------------------------------------------------------------ the sink
    def open(self, place: Place | None) -> Place:
        """Cut off what was written behind `place`; see `exporters.sinks.sink.Sink`.

        Raises:
            OSError: the folder cannot be used, lies behind a link, or another exporter writes to it.
        """
        self.close()
        make_private(self._path)
        with folder_of(str(self._path)) as (above, name):
            self._folder = open_in(above, name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(error.errno, "another exporter writes to this folder", str(self._path)) from None
        found = self._segments()
        if place is None:
            self._begin(max(found, default=0) + 1)
        else:
            self._go_on(place["segment"], place["offset"], found)
        self._saved = self._segment
        return self.flush()

    def raw(self, chunk: Chunk) -> None:
        """Raw lines are not kept."""

    def events(self, batch: EventBatch, detections: Sequence[Detection]) -> int:
        """Write the attempts, all or none; see `exporters.sinks.sink.Sink`."""
        data, unreported = self._lines(batch, detections)
        if not data:
            return unreported
        if os.fstat(self._file).st_nlink == 0:
            log.warning("sink folder %s: the file that was written to was removed; going on in a new one", self._path)
            self._begin(self._segment + 1)
        elif self._offset and self._offset + len(data) > self._rotate:
            self._rotated()
        self._write(data)
        return unreported

    def flush(self) -> Place:
        """Sync; where the newest file ends."""
        os.fdatasync(self._file)
        return {"segment": self._segment, "offset": self._offset}

    def saved(self, place: Place) -> None:
        """Remove the oldest files, as far as no saved place needs them."""
        self._saved = place["segment"]
        for number in self._segments():
            if number <= self._segment - self._keep and number < self._saved:
                os.unlink(_name(number), dir_fd=self._folder)

    def close(self) -> None:
        """Close file and folder."""
        for descriptor in (self._file, self._folder):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._file = self._folder = -1

    # ------------------------------------------------------------------------------------------------ files
    def _segments(self) -> list[int]:
        names = os.listdir(self._folder)  # noqa: PTH208 - the open folder, whatever its path leads to now
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def _go_on(self, segment: int, offset: int, found: Sequence[int]) -> None:
        for number in found:
            if number > segment:
                os.unlink(_name(number), dir_fd=self._folder)
        if segment not in found:
            log.warning("sink folder %s: the newest file is gone; going on in a new one", self._path)
            self._begin(segment + 1)
            return
        file = open_in(self._folder, _name(segment), os.O_RDWR | os.O_NONBLOCK)
        size = os.fstat(file).st_size
        if size < offset:
            os.close(file)
            log.warning("sink folder %s: the newest file is shorter than it was; going on in a new one", self._path)
            self._begin(segment + 1)
            return
        os.ftruncate(file, offset)
        self._file, self._segment, self._offset = file, segment, offset

    def _begin(self, number: int) -> None:
        file = open_in(self._folder, _name(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(file, 0o600)
            os.fsync(self._folder)
        except OSError:
            os.close(file)
            os.unlink(_name(number), dir_fd=self._folder)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._segment, self._offset = file, number, 0

    def _rotated(self) -> None:
        if self._segment - self._saved >= self._keep:
            why = "the state was not saved for so long that older files cannot be removed; make room for the state"
            raise OSError(errno.EBUSY, why, str(self._path))
        os.fdatasync(self._file)
        self._begin(self._segment + 1)

    def _write(self, data: bytes) -> None:
        rest, place = memoryview(data), self._offset
        try:
            while rest:
                done = os.pwrite(self._file, rest, place)
                rest, place = rest[done:], place + done
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._offset)
            raise
        self._offset = place

    # ------------------------------------------------------------------------------------------------ lines
    def _lines(self, batch: EventBatch, detections: Sequence[Detection]) -> tuple[bytes, int]:
        found: dict[int, list[Detection]] = {}
        for one in detections:
            found.setdefault(one.row, []).append(one)
        texts: dict[int, list[Text]] = {}
        if self._content != "off":
            for text in batch.texts:
                texts.setdefault(text.row, []).append(text)
        lines, unreported = [], 0
        for row in range(batch.size):
            record: dict[str, Any]
            try:
                with _DESCRIBING:
                    record = batch.record(row)
                if row in found:
                    record["llm.detections"] = [
                        {"detector": one.detector, "rule_id": one.rule, "confidence": one.confidence}
                        for one in found[row]
                    ]
                if row in texts:
                    record["llm.content.texts"] = [self._text(text) for text in texts[row]]
                line = json.dumps({**record, **_provenance(batch, row)})
            except Exception as error:
                unreported += 1
                line = json.dumps({"tocsin.error": type(error).__name__, **_provenance(batch, row)})
            lines.append(line)
        return "".join(f"{line}\n" for line in lines).encode(), unreported

    def _text(self, text: Text) -> dict[str, str]:
        return {"channel": text.channel, "text": self._hide(text.text) if self._content == "redacted" else text.text}


def _name(number: int) -> str:
    return f"events-{number:012d}.jsonl"


def _provenance(batch: EventBatch, row: int) -> dict[str, Any]:
    """Which bytes of which file of which source an attempt is."""
    if batch.provenance is None:
        return {"tocsin.source": batch.source}
    file, offset, length = batch.provenance.place(row)
    return {"tocsin.source": batch.source, "tocsin.file": file, "tocsin.offset": offset, "tocsin.length": length}
