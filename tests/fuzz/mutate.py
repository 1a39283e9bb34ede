"""Changes of bytes and of JSON-like trees, each drawn from a seeded source of randomness.

A tree is what JSON, YAML and MessagePack hold. A value of it may be a `Raw`: what no writer of JSON would write.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.support.hostile import TEXTS

LARGEST: Final = 1 << 16
"""Bytes of an input, at most: enough for what grows with its square to show."""

Shape = Callable[[random.Random, bytes], bytes]
"""Changes an input and keeps its format."""


class Raw(str):
    """Text that stands for itself in what is written."""


_RAW: Final = re.compile(rb'"@raw(\d+)@"')
_NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?")
_BOUNDARIES: Final = (0, -1, 1, 255, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63))
_TOKENS: Final = (
    *rb'" \ { } [ ] , : NaN 1e999 -0 null true'.split(),
    *(b"\n", b"\r\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
)

_RAWS: Final = (
    Raw("9" * 401),
    Raw("-" + "9" * 401),
    Raw("9" * 5_000),
    Raw("1" + "0" * 18),
    Raw("1e400"),
    Raw("-1e400"),
    Raw("1E-400"),
    Raw("NaN"),
    Raw("-Infinity"),
    Raw("[" * 200 + "]" * 200),
    Raw("[" * 5_000 + "]" * 5_000),
    Raw('{"a":' * 1_500 + "1" + "}" * 1_500),
    Raw('"\\ud800"'),
    Raw('"\x00\x1f"'),
    Raw('{"a":1,"a":2}'),
)
SCALARS: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, 10**30),
    *(0.0, -0.0, 0.1, -1.5, 1e15, 1e300, 5e-324, "", "x", "0", "1e9", "2026-11-30T12:00:00Z", "9999-99-99"),
    *("sk-secret", "content_filter", "redacted-by-litellm"),
)


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that may stand in a tree."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(SCALARS)
    if kind < 6:
        return rng.choice(list(TEXTS.values()))
    if kind < 8 or depth > 2:
        return rng.choice(_RAWS)
    if kind == 8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(_NAMES): value(rng, depth + 1) for _ in range(rng.randrange(4))}


_NAMES: Final = (
    *("type", "text", "content", "role", "name", "function", "arguments", "source", "data", "reason", "status", "id"),
    *("v", "seq", "kind", "record", "notice", "", "__proto__", "\ud800"),
)


def plant(rng: random.Random, tree: Any) -> Any:
    """`tree` with one change in any one place; the old one stays as it is."""
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        name = rng.choice(list(tree))
        return _member(rng, tree, name)
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        return _element(rng, tree)
    if type(tree) is int and rng.random() < 0.5:
        return rng.choice((*_BOUNDARIES, tree + 1, -tree, tree * 2**32))
    return value(rng)


def _member(rng: random.Random, tree: dict[Any, Any], name: Any) -> dict[Any, Any]:
    kind = rng.randrange(12)
    if kind == 0:
        return {other: inner for other, inner in tree.items() if other != name}
    if kind == 1:
        return {**tree, rng.choice(_NAMES): tree[name]}
    if kind == 2:
        return {**tree, name: [tree[name]] * rng.choice((1, 2, 50))}
    return {**tree, name: plant(rng, tree[name])}


def _element(rng: random.Random, tree: list[Any]) -> list[Any]:
    place, kind = rng.randrange(len(tree)), rng.randrange(12)
    if kind == 0:
        return tree[:place] + tree[place + 1 :]
    if kind == 1:  # many of the same: work that grows faster than the input shows
        return tree + [tree[place]] * rng.choice((1, 3, 300, 3_000))
    if kind == 2:
        return [*tree, value(rng)]
    return [*tree[:place], plant(rng, tree[place]), *tree[place + 1 :]]


def written(tree: Any, **options: Any) -> bytes:
    """`tree` as JSON, with what is `Raw` as it is."""
    raws: list[str] = []

    def marked(inner: Any) -> Any:
        match inner:
            case Raw():
                raws.append(str(inner))
                return f"@raw{len(raws) - 1}@"
            case dict():
                return {str(name): marked(item) for name, item in inner.items()}
            case list() | tuple():
                return [marked(item) for item in inner]
        return inner

    text = json.dumps(marked(tree), separators=(",", ":"), **options).encode("utf-8", "surrogatepass")
    return _RAW.sub(lambda found: raws[int(found[1])].encode(), text)


def json_lines(rng: random.Random, data: bytes) -> bytes:
    """JSON lines with a change in one of them."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    try:
        tree = json.loads(lines[place])
    except (ValueError, RecursionError):
        return bytes_changed(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        tree = plant(rng, tree)
    lines[place] = written(tree, ensure_ascii=rng.random() < 0.7)
    if rng.random() < 0.1:
        lines.append(rng.choice(lines))
    return b"\n".join(lines)


def bytes_changed(rng: random.Random, data: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """One change of any bytes."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((0, 1, 1, 2, 4, 16, 200)))
    part = data[start:end]
    match rng.randrange(9):
        case 0:
            part = bytes(byte ^ (1 << rng.randrange(8)) for byte in part)
        case 1:
            part = rng.randbytes(len(part))
        case 2:
            part = b""
        case 3:
            part = part * rng.choice((2, 3, 100))
        case 4 | 5:
            part = rng.choice((*tokens, *_TOKENS))
        case 6:
            part = rng.choice((*tokens, *_TOKENS)) * rng.choice((1, 2, 200, 2_000))
        case 7:
            return data[:start]
        case _:
            return _NUMBER.sub(lambda found: _number(rng, found), data, count=rng.choice((1, 3)))
    return data[:start] + part + data[end:]


def _number(rng: random.Random, found: re.Match[bytes]) -> bytes:
    return found[0] if rng.random() < 0.3 else str(rng.choice(_BOUNDARIES)).encode()


def spliced(rng: random.Random, one: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of the other."""
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]
