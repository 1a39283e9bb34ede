"""The wrappers that log shippers put around a record: one entry each. See docs/wrappers.md for users.

To add one: an entry here, and a sample with what it holds in tests/events/wrappers/samples.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

Step = str | int | None
"""One step of a path: a name of an object, a place in a list, or None: each element of a list."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How a wrapper that cuts long lines says so.

    A line whose `field` is one of `open` goes on in the next line of the same `stream`, a tuple of fields. With
    ``field == ""`` the text itself tells: it goes on unless it ends with a newline.
    """

    field: str = ""
    open: frozenset[str] = frozenset()
    stream: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonWrapper:
    """A JSON object around the record.

    It has all the names in `marks`. `inner` are the paths where records may be, the first that leads to something
    counts: ``logEvents[].message``. What is there is a record as text, or as an object. `none` says by a name and its
    value that such a line never holds one. `objects`: what is no object there is not meant to be a record.
    """

    name: str
    marks: tuple[str, ...]
    inner: tuple[str, ...]
    parts: Parts | None = None
    none: tuple[str, str] | None = None
    objects: bool = False
    paths: tuple[tuple[Step, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", tuple(map(steps_of, self.inner)))


@dataclass(frozen=True, slots=True)
class TextWrapper:
    """Text before the record, on the same line.

    `pattern` matches it from the start of the line. Its groups, if there: ``stream`` and ``part`` (``P``: the line goes
    on in the next one of its stream). `first` are bytes that such a line begins with. `around`: the record is the first
    object behind it, or the text behind ``=>``, whatever comes then.
    """

    name: str
    pattern: re.Pattern[bytes]
    first: frozenset[int]
    around: bool = False


def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a path such as ``streams[].values[][1]``."""
    steps: list[Step] = []
    for part in path.split("."):
        name, *places = part.split("[")
        if name:
            steps.append(name)
        steps += [int(place[:-1]) if place[:-1] else None for place in places]
    return tuple(steps)


_FLUENTD_PARTS: Final = Parts("partial_last", frozenset(("false",)), ("partial_id", "container_id", "source"))
_CRI_PARTS: Final = Parts("logtag", frozenset("P"), ("stream", "kubernetes", "file"))
_MULTILINE_PARTS: Final = Parts("_p", frozenset("P"), ("stream", "kubernetes", "file"))

JSON_WRAPPERS: Final = (
    JsonWrapper("fluent_bit", ("log", "logtag"), ("log",), _CRI_PARTS),
    JsonWrapper("fluent_bit", ("log", "_p"), ("log",), _MULTILINE_PARTS),
    JsonWrapper("beats", ("message", "agent"), ("message",)),
    JsonWrapper("docker", ("log", "stream", "time"), ("log",), Parts(stream=("stream",))),
    JsonWrapper(
        "journald",
        ("MESSAGE", "__REALTIME_TIMESTAMP"),
        ("MESSAGE",),
        Parts("_LINE_BREAK", frozenset(("line-max",)), ("_STREAM_ID", "_PID")),
    ),
    JsonWrapper(
        "cloudwatch",
        ("messageType", "logEvents"),
        ("logEvents[].message",),
        none=("messageType", "CONTROL_MESSAGE"),
    ),
    JsonWrapper("cloudwatch", ("events", "searchedLogStreams"), ("events[].message",)),
    JsonWrapper("cloudwatch", ("events", "nextForwardToken"), ("events[].message",)),
    JsonWrapper("cloudwatch", ("events", "nextToken"), ("events[].message",)),
    JsonWrapper("cloudwatch", ("message", "ingestionTime"), ("message",)),
    JsonWrapper("cloudwatch", ("@message",), ("@message",)),
    JsonWrapper("cloudwatch", ("results", "statistics"), ("results[][].value",), objects=True),
    JsonWrapper("gcp", ("logName", "jsonPayload"), ("jsonPayload",)),
    JsonWrapper("gcp", ("logName", "textPayload"), ("textPayload",)),
    JsonWrapper("gcp", ("insertId", "jsonPayload"), ("jsonPayload",)),
    JsonWrapper("gcp", ("insertId", "textPayload"), ("textPayload",)),
    JsonWrapper("loki", ("streams",), ("streams[].values[][1]",)),
    JsonWrapper("loki", ("status", "data"), ("data.result[].values[][1]",)),
    JsonWrapper("loki", ("labels", "line"), ("line",)),
    JsonWrapper("loki", ("line", "timestamp"), ("line",)),
    JsonWrapper("loki", ("_entry",), ("_entry",)),
    JsonWrapper("litellm_api", ("data", "total_pages"), ("data[]",)),
    JsonWrapper("otlp", ("resourceLogs",), ("resourceLogs[].scopeLogs[].logRecords[].body.stringValue",)),
    JsonWrapper("datadog", ("ddsource", "message"), ("message",)),
    JsonWrapper("datadog", ("ddtags", "message"), ("message",)),
    JsonWrapper("datadog", ("attributes", "message", "tags"), ("message", "attributes")),
    JsonWrapper("datadog", ("attributes", "service", "tags"), ("attributes",)),
    JsonWrapper(
        "vector",
        ("source_type", "message"),
        ("message",),
        Parts("_partial", frozenset(("true",)), ("container_id", "stream", "file")),
    ),
    JsonWrapper("fluentd", ("log", "partial_message"), ("log",), _FLUENTD_PARTS),
    JsonWrapper("fluentd", ("log", "container_id"), ("log",)),
    JsonWrapper("fluent_bit", ("message", "logtag"), ("message",), Parts("logtag", frozenset("P"), ("stream", "file"))),
    JsonWrapper("fluent_bit", ("message", "_p"), ("message",), Parts("_p", frozenset("P"), ("stream", "file"))),
    JsonWrapper("fluent_bit", ("log", "date"), ("log",)),
    JsonWrapper("fluent_bit", ("log", "kubernetes"), ("log",)),
    JsonWrapper("fluent_bit", ("log", "stream"), ("log",)),
    JsonWrapper("fluent_bit", ("log", "@timestamp"), ("log", "message")),
    JsonWrapper("fluent_bit", ("message", "date"), ("message",)),
    JsonWrapper("azure", ("LogMessage",), ("LogMessage",)),
    JsonWrapper("splunk", ("event", "sourcetype"), ("event",)),
    JsonWrapper("splunk", ("result", "preview"), ("result._raw",)),
    JsonWrapper("gelf", ("short_message", "version"), ("full_message", "short_message")),
    JsonWrapper("elastic", ("_source", "_index"), ("_source.message", "_source.log", "_source")),
    JsonWrapper("elastic", ("hits", "_shards"), ("hits.hits[]._source.message", "hits.hits[]._source")),
    JsonWrapper("logstash", ("message", "@timestamp"), ("message",)),
    JsonWrapper("syslog", ("MESSAGE", "PROGRAM"), ("MESSAGE",)),
    JsonWrapper("kubernetes", ("message", "podName"), ("message",)),
    JsonWrapper("kubernetes", ("message", "kubernetes"), ("message",)),
)
"""The most telling marks first: the first entry that fits is taken."""

OTHER: Final = JsonWrapper(
    "other", (), ("message", "log", "msg", "line", "event", "body", "raw", "_raw", "payload", "text")
)
"""Taken where no entry fits and the record, at one of these names, is plainly an object."""


def _text(name: str, pattern: str, first: bytes, *, around: bool = False) -> TextWrapper:
    return TextWrapper(name, re.compile(pattern.encode(), re.VERBOSE), frozenset(first), around)


_TIME: Final = r"\d{4}-\d\d-\d\d[T\x20]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|\x20?[+-]\d\d:?\d\d)?"
_DIGITS: Final = b"0123456789"
_LETTERS: Final = bytes(range(ord("A"), ord("Z") + 1)) + bytes(range(ord("a"), ord("z") + 1)) + _DIGITS

TEXT_WRAPPERS: Final = (
    _text("cri", rf"{_TIME}\x20(?P<stream>stdout|stderr)\x20(?P<part>[PF])(?::[^\x20]*)?\x20", _DIGITS),
    _text("fluentd", rf"{_TIME}\t[^\t\n]{{0,256}}\t", _DIGITS),
    _text(
        "syslog",
        r"(?:\d{1,8}\x20)?<\d{1,3}>1\x20(?:[^\x20]+\x20){5}(?:-|(?:\[(?:\\.|[^\]\\])*\])+)\x20?",
        b"<" + _DIGITS,
    ),
    _text(
        "syslog",
        r"(?:<\d{1,3}>)?[A-Z][a-z]{2}\x20[\x20\d]\d\x20\d\d:\d\d:\d\d(?:\.\d{1,6})?\x20[^\x20]{1,255}\x20[^\x20:]{1,255}:\x20?",
        b"<ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ),
    _text("syslog", rf"(?:<\d{{1,3}}>)?{_TIME}\x20[^\x20]{{1,255}}\x20[^\x20:{{]{{1,255}}:\x20?", b"<" + _DIGITS),
    _text("fluent_bit", r"\[\d{1,9}\]\x20[^\x20]{1,255}:\x20\[", b"[", around=True),
    _text("fluent_bit", r"[^\x20\[{]{1,255}:\x20\[\d{1,12}(?:\.\d{1,9})?,\x20?", _LETTERS, around=True),
    _text("kubernetes", r"\[(?:pod|deployment|container)/[^\]\x20]{1,255}\]\x20", b"["),
    _text("kubernetes", r"[a-z0-9][a-z0-9.-]{0,252}\x20[a-z0-9][a-z0-9-]{0,62}\x20(?=\{)", _LETTERS),
    _text("docker", r"[A-Za-z0-9][\w.@-]{0,252}\x20*\|\x20", _LETTERS),
    _text("cloudwatch", rf"{_TIME}\x20[^\x20{{]{{1,512}}\x20(?=\{{)", _DIGITS),
    _text("time", rf"{_TIME}[\x20\t](?=\{{)", _DIGITS),
    _text("sse", r"data:\x20?(?=\{)", b"d"),
    _text("json_seq", r"\x1e(?=\{)", b"\x1e"),
)
"""The first that matches is taken."""

PARTED: Final = TEXT_WRAPPERS[0].pattern
"""What the only text begins with that cuts long lines."""
