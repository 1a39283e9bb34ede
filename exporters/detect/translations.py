"""Translated patterns, kept on disk: reading a file of them takes a tenth of the time that translating does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from exporters.detect import normalize, pattern
from exporters.detect.pattern import translate
from runtime.private_cache import PrivateCache

_NAME: Final = "translations"
_DECODER: Final = msgspec.msgpack.Decoder(dict[str, str])


class Translations:
    """Patterns as expressions, by the word lists `words`. With a `cache`, what `save` has kept is not done again.

    It is kept for these word lists, and for the code that translates, so a change of either is noticed.
    """

    def __init__(self, words: Mapping[str, Sequence[str]], cache: PrivateCache | None) -> None:
        self._words = words
        self._cache = cache
        self._new = False
        self._key = b"" if cache is None else _code() + msgspec.msgpack.encode(dict(words), order="sorted")
        self._known = {} if cache is None else self._kept(cache)

    def _kept(self, cache: PrivateCache) -> dict[str, str]:
        data = cache.read(_NAME, self._key)
        try:
            return {} if data is None else _DECODER.decode(data)
        except msgspec.MsgspecError:
            return {}

    def translate(self, text: str, *, ignore_case: bool) -> str:
        """The pattern `text` as an expression.

        Raises:
            PatternError: the pattern is not of the language, or is too costly.
        """
        key = f"{int(ignore_case)}{text}"
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = translate(text, words=self._words, ignore_case=ignore_case)
            self._new = True
        return found

    def save(self) -> None:
        """Keep what was translated, if anything was."""
        if self._cache is not None and self._new:
            self._cache.write(_NAME, self._key, msgspec.msgpack.encode(self._known))
            self._new = False


def _code() -> bytes:
    """What stands for the code that translates."""
    files = (pattern.__file__, normalize.__file__)
    return b"".join(hashlib.sha256(Path(file).read_bytes()).digest() for file in files if file)
