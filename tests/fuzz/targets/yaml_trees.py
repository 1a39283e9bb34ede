"""Changes of YAML files, and reading them as the commands do, without reading what is shipped each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import yaml

from spec.errors import SpecError
from spec.yaml_source import Document, read_documents
from tests.fuzz.mutate import bytes_changed, plant, written

TOKENS: Final = (
    *(
        b"&a ",
        b"*a",
        b"<<: ",
        b"- ",
        b": ",
        b"? ",
        b"| ",
        b"> ",
        b"!!python/object/apply:os.system ",
        b"!!binary ",
        b"!<x> ",
    ),
    *(
        b"{",
        b"[",
        b"\n  ",
        b"---\n",
        b"...\n",
        b"#",
        b"%YAML 1.1\n",
        b"0x",
        b".inf",
        b".nan",
        b"1e999",
        b"\t",
        b"\xc2\x85",
    ),
)
_LONGEST: Final = 4_000  # characters of all that is said about one file, when few things are wrong


def shape(rng: random.Random, data: bytes) -> bytes:
    """The same file with another value in one place, as YAML of either style."""
    try:
        tree: Any = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, ValueError):
        return bytes_changed(rng, data, TOKENS)
    for _ in range(rng.choice((1, 1, 2, 3))):
        tree = plant(rng, tree)
    return written(tree, ensure_ascii=rng.random() < 0.5)


def said(error: SpecError) -> str:
    """What kind of thing was wrong; the text must be fit for a terminal."""
    assert error.problems
    for problem in error.problems:
        text = str(problem)
        assert text.isprintable(), f"not fit for a terminal: {text!r}"
        assert len(text) < _LONGEST, f"{len(text)} characters about one problem"
    first = error.problems[0].text
    return f"{type(error).__name__} {first.split()[0] if first.split() else ''} {len(first.split())}"


@contextmanager
def shipped_once(module: str, known: dict[Path, Document]) -> Iterator[None]:
    """Within, `module` reads each shipped file once only."""
    real: Callable[[Iterable[tuple[Path, str]]], list[Document]] = read_documents

    def read(files: Iterable[tuple[Path, str]]) -> list[Document]:
        found = []
        for path, name in files:
            if not name:
                found += real([(path, name)])
                continue
            if path not in known:
                known[path] = real([(path, name)])[0]
            found.append(known[path])
        return found

    with mock.patch(f"{module}.read_documents", read):
        yield
