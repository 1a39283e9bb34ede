"""Bodies of posts: gzip streams, arrays, one object, objects a line; how records are cut out of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
from collections.abc import Hashable, Sequence
from typing import Any

from events.batch import ALL_COLUMNS
from events.gateways import LiteLLM
from events.wrappers import has_prefix
from exporters.sources.body_parser import MEMBERS, RECORDS, BodyError, lines_of, unpack
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds
from tests.fuzz.mutate import bytes_changed, plant, written
from tests.support.litellm_lines import record

_ADAPTER = LiteLLM(ALL_COLUMNS, False)
_GZIP = b"\x1f\x8b"
_LIMIT = 1 << 20  # bytes of a body once it is unpacked
_LINE = 1 << 15  # bytes of a line
_REASONS = {"too_large", "gzip", "zstd", "not_json", "not_records", "too_many"}


def seeds() -> Sequence[bytes]:
    """Each form, plain and compressed."""
    made = [record(NOW, f"c-{number}") for number in range(3)]
    forms = [
        json.dumps(made).encode(),
        json.dumps(made, indent=1).encode(),
        json.dumps(made[0], indent=2).encode(),
        b"\r\n".join(json.dumps(each).encode() for each in made),
        b'[{"a":NaN},{"b":"]}"}]',
        b"[]",
        b'[{"a":[{"b":"\\"}]"}]}]',
    ]
    packed = [gzip.compress(form, mtime=0) for form in forms]
    return [*forms, *packed, packed[0] + packed[1], gzip.compress(bytes(200_000), mtime=0), packed[2] * (MEMBERS + 1)]


def unpacked_size(data: bytes) -> int:
    """Bytes that come out of a body, as that is what is read; a refused one counts as it came."""
    try:
        return len(unpack(data, _LIMIT)) if data.startswith(_GZIP) else len(data)
    except BodyError:
        return len(data)


def shape(rng: random.Random, data: bytes) -> bytes:
    """Another array, object or list of lines, compressed where it was."""
    packed = data.startswith(_GZIP)
    if packed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, ValueError, ImportError):
            return bytes_changed(rng, data)
        except Exception:  # zlib.error has no public base
            return bytes_changed(rng, data)
    try:
        data = written(plant(rng, json.loads(data)), indent=rng.choice((None, None, 1)))
    except (ValueError, RecursionError):
        data = bytes_changed(rng, data)
    return gzip.compress(data[: 1 << 20], compresslevel=rng.choice((0, 1, 9)), mtime=0) if packed else data


def one(data: bytes) -> Hashable:
    """Unpack, cut into lines, and decode these."""
    try:
        body = unpack(data, _LIMIT) if data.startswith(_GZIP) else data
        assert len(body) <= _LIMIT
        lines, too_long = lines_of(body, max_line=_LINE)
    except BodyError as error:
        assert error.reason in _REASONS
        with contextlib.suppress(ValueError, RecursionError, UnicodeDecodeError):
            assert not _honest(json.loads(data.decode("utf-8-sig"))), "an array of objects was refused"
        return error.reason
    each = lines.split(b"\n")
    assert each.pop() == b""
    assert len(each) + too_long <= RECORDS
    assert all(len(line) < _LINE and (has_prefix(line) or (line[:1] == b"{" and line[-1:] in b"}]")) for line in each)
    batch = _ADAPTER.decode(lines, source="gw")
    batch_holds(batch, lines)
    with contextlib.suppress(ValueError, RecursionError):
        told: Any = json.loads(body.decode("utf-8-sig"))
        if isinstance(told, list):
            assert len(each) + too_long == len(told), "a record vanished or was made up"
    return min(len(each), 5), bool(too_long), tuple(sorted({reject.reason for reject in batch.rejects}))


def _honest(told: Any) -> bool:
    return isinstance(told, list) and 0 < len(told) <= RECORDS and all(type(item) is dict for item in told)


TARGET = Target(
    "bodies",
    one,
    seeds,
    inputs=1_500,
    steps=(30_000, 120),
    shape=shape,
    tokens=(b"[{", b"}]", b"},{", _GZIP),
    size=unpacked_size,
)
