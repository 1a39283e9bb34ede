"""What a line that could not be read looks like, and what to do about it. Nothing of the line is quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

_SHOWN: Final = 64 * 1024  # bytes of a line that are looked at


@dataclass(frozen=True, slots=True)
class Looks:
    """What it looks like, for the middle of a sentence, and a sentence that says what to do."""

    what: str
    hint: str


_MAGIC: Final = (
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"\xff\x06\0\0sNaPpY", "snappy data"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "a SQLite database"),
)
_PROGRAM: Final = re.compile(
    rb"(?:\d{4}-\d\d-\d\d.{0,40})?\s*(?:\[?(?:INFO|DEBUG|WARN(?:ING)?|ERROR|CRITICAL|FATAL|TRACE)\b|\d\d:\d\d:\d\d - )"
)
_CSV: Final = re.compile(rb'"?[\w. @-]{1,64}"?(?:[,;\t]"?[\w. @-]{0,64}"?){2,}\r?$')

_LITELLM_LOG: Final = Looks(
    "a line of LiteLLM's own log (json_logs)",
    "It names no user, model or tokens. Let LiteLLM write records: see docs/gateways/litellm.md.",
)
_PROGRAM_LOG: Final = Looks(
    "a line of a program's own log", "Harmless beside records. If there are only such lines, this is the wrong log."
)
_CUT: Final = Looks(
    "an object that was cut off",
    "The writer crashed, or something on the way cuts long lines; let it join them or raise its limit.",
)
_OBJECT: Final = Looks("an object of another kind", "`tocsin source check` tries every gateway on the log.")
_VALUE: Final = Looks("JSON, but no object", "Each record must be an object.")
_CSV_ROW: Final = Looks(
    "CSV",
    "Only LiteLLM's table SpendLogs can be read as CSV, with its header line first. Export others as JSON, one a line.",
)
_SUMMARY: Final = Looks(
    "a summary by day of LiteLLM's /spend/logs", "It has no attempts. Ask for the rows: add `summarize=false`."
)
_MARKUP: Final = Looks("XML or HTML", "This may be an error page instead of a log.")
_BINARY: Final = Looks("binary data", "Export the log as text first.")
_ZEROS: Final = Looks("zero bytes", "A crash or a cut file leaves such holes; nothing can be read from them.")
_TEXT: Final = Looks("text", "Only lines that hold a JSON object can be read.")


def looks_like(line: bytes) -> Looks:
    """What `line` looks like."""
    for magic, what in _MAGIC:
        if line.startswith(magic):
            return Looks(what, "Decompress or convert it first.")
    text = line[:_SHOWN].strip(b" \t\r\n")
    if not text.strip(b"\0"):
        return _ZEROS
    text = text.strip(b"\0").removeprefix(b"\xef\xbb\xbf")
    first = text[:1]
    if first == b"{":
        return _object(line.strip(b" \t\r\n\0"))
    if _PROGRAM.match(text):
        return _PROGRAM_LOG
    if first == b"<":
        return _MARKUP
    if _CSV.match(text):
        return _CSV_ROW
    if _is_json(text):
        return _VALUE
    if sum(byte < 9 or 13 < byte < 32 for byte in text[:512]) > 8:
        return _BINARY
    return _TEXT


class _Names(msgspec.Struct, gc=False):
    """The names that tell LiteLLM's own log, and its sums by day."""

    message: msgspec.Raw = msgspec.Raw(b"")
    level: msgspec.Raw = msgspec.Raw(b"")
    timestamp: msgspec.Raw = msgspec.Raw(b"")
    spend: msgspec.Raw = msgspec.Raw(b"")
    users: msgspec.Raw = msgspec.Raw(b"")
    models: msgspec.Raw = msgspec.Raw(b"")


_names: Final = msgspec.json.Decoder(_Names)


def _object(text: bytes) -> Looks:
    if not text.endswith(b"}"):
        return _CUT
    try:
        found = _names.decode(text)
    except (ValueError, RecursionError):
        return Looks("damaged JSON", "Something writes into the middle of records, or cuts them.")
    if all(len(memoryview(value)) for value in (found.message, found.level, found.timestamp)):
        return _LITELLM_LOG
    if all(len(memoryview(value)) for value in (found.spend, found.users, found.models)):
        return _SUMMARY
    return _OBJECT


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
