"""Writes every record of a LiteLLM proxy to files, and says so when one is lost.

``callbacks: ["tocsin_litellm.hook"]`` in LiteLLM's configuration turns it on.

It runs inside the gateway, so four rules come before all others: it never raises, it never waits for a disk, it never
grows without bound, and no value in a record can make it work for long. A callback looks at a bounded number of values,
encodes the record and puts the line into a bounded queue; a thread writes.

Each worker process has a file of its own, mode 0600. A line is an envelope::

    {"v":1,"writer":"8f0c...","seq":17,"kind":"attempt","record":{...}}

``seq`` counts what was offered to the queue, from 1. What did not fit has used up its number, so a reader sees the gap;
a line of kind ``dropped`` says why. Lines of other kinds have a ``notice`` instead of a record: ``start``, ``beat``,
``dropped``, ``lost`` (a writer that was killed, told by the next one), ``stop``. Beside a record stands what the hook
did to it: ``restored``, ``shed``, ``shortened``, ``content_lost``, ``outline``, ``made``.

The last number is also kept in memory that outlives the process (/dev/shm). So after ``kill -9`` the next worker can
say how many records the dead one had in its queue. Settings are environment variables; see README.md.

LiteLLM may execute a copy of this file without entering it into ``sys.modules``. So: one file, no dataclasses.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import datetime
import decimal
import errno
import hashlib
import hmac
import json
import logging
import math
import mmap
import os
import re
import secrets
import signal
import socket
import stat
import sys
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:
    _POSIX = False
else:
    _POSIX = True
try:
    from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found, unused-ignore]
except Exception:  # outside of LiteLLM: for tests and benchmarks
    CustomLogger = object
_dumps: Any = None
try:
    import orjson  # LiteLLM's proxy has it; without it the standard library encodes, five times slower

    _dumps = orjson.dumps
except Exception:
    logging.getLogger("tocsin_litellm").info("without orjson, which would encode records faster")

__all__ = ["Hook", "LineWriter", "Settings", "hook"]

VERSION = 1
HOOK_VERSION = "0.2.0"
MODES = ("full", "redacted", "hashed", "off")
PLACEHOLDER = "redacted-by-tocsin"

_log = logging.getLogger("tocsin_litellm")
_BATCH = 1 << 20  # bytes written at once
_TICK = 0.5  # seconds between two looks at the clock
_RETRY = 0.25  # seconds after a write that failed
_HEALTH_SIZE = 2048  # bytes; the file keeps its size, so that it can be written when the disk is full
_HELD = 1_000  # records that wait for what another callback tells of them
_HELD_BYTES = 16 << 20  # bytes of them
_HOLD = 5.0  # seconds they wait
_HOLD_URGENT = 1.0  # the same when the process ends
_QUIET = 1.2  # seconds without a record after which none is expected any more
_LAST_WAIT = 5.0  # seconds that a process which ends may wait for the disk
_SAY_AGAIN = 60.0  # seconds between two lines of the same trouble in the gateway's log
_JUMP = 60.0  # seconds; a clock that was set by more is not believed at once
_MOST_DEAD = 256  # health files of others that are looked at
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EINTR))  # after these the file is still good
_GO_ON = (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)  # these are for the gateway; all else is caught


# ---------------------------------------------------------------------------------------------------------- settings
class Settings:
    """Sizes in bytes, times in seconds. `from_environment` reads TOCSIN_HOOK_ and the name in capitals."""

    SIZES = (
        "queue_bytes",
        "record_bytes",
        "rotate_bytes",
        "rotate_seconds",
        "keep_bytes",
        "keep_seconds",
        "beat_seconds",
    )
    NAMES = ("folder", "content", *SIZES, "memory", "hash_key_file")

    def __init__(
        self,
        *,
        folder: Path = Path("/var/log/tocsin-litellm"),
        content: str = "full",
        queue_bytes: int = 64 << 20,
        record_bytes: int = 4 << 20,
        rotate_bytes: int = 128 << 20,
        rotate_seconds: int = 24 * 3600,
        keep_bytes: int = 4 << 30,
        keep_seconds: int = 7 * 24 * 3600,
        beat_seconds: int = 30,
        memory: Path = Path("/dev/shm"),  # noqa: S108  # shared memory on purpose
        hash_key: bytes = b"",
    ) -> None:
        self.folder = folder
        self.content = content
        self.queue_bytes = queue_bytes
        self.record_bytes = record_bytes
        self.rotate_bytes = rotate_bytes
        self.rotate_seconds = rotate_seconds
        self.keep_bytes = keep_bytes
        self.keep_seconds = keep_seconds
        self.beat_seconds = beat_seconds
        self.memory = memory
        self.hash_key = hash_key or secrets.token_bytes(32)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """What the environment says; a value that cannot be used is reported in the log, and the default is taken.

        Only the content mode is stricter: an unknown one means ``off``, so that a typing error reveals nothing.
        """
        env = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        for name in ("folder", "memory"):
            if value := env.get(f"TOCSIN_HOOK_{name.upper()}"):
                found[name] = Path(value)
        for name in cls.SIZES:
            value = env.get(f"TOCSIN_HOOK_{name.upper()}", "")
            if not value:
                continue
            if value.isascii() and value.isdigit() and len(value) <= 15 and int(value) > 0:
                found[name] = int(value)
            else:
                _log.error("TOCSIN_HOOK_%s: expected a number above 0; using the default", name.upper())
        mode = env.get("TOCSIN_HOOK_CONTENT", "full")
        if mode not in MODES:
            _log.error("TOCSIN_HOOK_CONTENT: expected one of %s; writing no content", ", ".join(MODES))
            mode = "off"
        found["content"] = mode
        if path := env.get("TOCSIN_HOOK_HASH_KEY_FILE"):
            try:
                with Path(path).open("rb") as file:
                    key = file.read(4096).strip()
                if len(key) < 16:
                    raise ValueError("expected 16 bytes or more")
                found["hash_key"] = key
            except (OSError, ValueError) as error:
                _log.error("TOCSIN_HOOK_HASH_KEY_FILE: %s; hashing with a key of this process", error)
        return cls(**found)


# ---------------------------------------------------------------------------------------------------------- LiteLLM
OLDEST = (1, 74)
"""The first version of LiteLLM that the hook is tested with."""
_UNREPORTED = (
    ("client_address", (1, 89)),
    ("address_of_refused_credentials", (1, 100)),
)
"""What LiteLLM does not tell, and the first version that does; README.md says what it means."""


def litellm_version() -> str:
    """The version of the LiteLLM around the hook, "" when there is none."""
    with contextlib.suppress(Exception):
        from importlib.metadata import version

        found = version("litellm")
        if re.fullmatch(r"[0-9][0-9A-Za-z.+-]{0,31}", found):
            return found
    return ""


def unreported_by(version: str) -> list[str]:
    """What a LiteLLM of this version does not tell any callback; nothing is said of an unknown version."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return [name for name, first in _UNREPORTED if numbers and numbers < first]


def obstacle() -> str:
    """Why the hook cannot run here, "" when it can."""
    if not _POSIX:
        return "this system has no file locks; the hook needs Linux or another POSIX system"
    if CustomLogger is object and "litellm" in sys.modules:
        return "LiteLLM has no litellm.integrations.custom_logger.CustomLogger; the hook needs LiteLLM 1.74 or newer"
    return ""


# --------------------------------------------------------------------------------------------------------- plain values
_NODES = 30_000  # values in a record that are looked at; the rest is left out
_ASIDE_NODES = 15_000  # of them for what is no content
_PART_NODES = 4_000  # of them for one such part
_FIELDS = 256  # fields of a record
_DEEPEST = 40
_LONGEST_KEY = 200  # characters
_SHARED = 64  # an object of more values than this is written once in each part, however often it stands there
_TEXTS = (8_192, 1_024)  # characters that long texts are cut to, one after the other
_LARGEST_INT = (1 << 63) - 1
# Types are compared with `is`, and asked through `type` itself: a class may have a metaclass that runs code.
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
_bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def simple(record: dict[str, Any], nodes: int, size: int) -> bool:
    """Whether a record has only the plainest of types, at most `nodes` values and `size` characters.

    It looks at `nodes` values at most, so also something circular comes to an end.
    """
    stack: list[Any] = [record]
    while stack:
        value = stack.pop()
        nodes -= len(value)
        if nodes < 0 or size < 0:
            return False
        if type(value) is dict:
            for key, inner in value.items():
                if type(key) is not str:
                    return False
                size -= len(key)
                kind = type(inner)
                if kind is str:
                    size -= len(inner)
                elif kind is dict or kind is list or kind is tuple:
                    stack.append(inner)
                elif inner is not None and kind is not int and kind is not bool and kind is not float:
                    return False
        else:
            for inner in value:
                kind = type(inner)
                if kind is str:
                    size -= len(inner)
                elif kind is dict or kind is list or kind is tuple:
                    stack.append(inner)
                elif inner is not None and kind is not int and kind is not bool and kind is not float:
                    return False
    return size >= 0


class Plain:
    """Copies values into plain ones: dict with names, list, str, int, float, bool, None. No code of a value is run.

    It stops after `nodes` values and `size` bytes (of JSON, about). Texts of more than `longest` characters are cut:
    three quarters from the front, one from the end. Keys in `skip` are left out wherever they stand.
    """

    def __init__(self, nodes: int, size: int, longest: int = 1 << 40, skip: frozenset[str] = frozenset()) -> None:
        self.nodes = nodes
        self.size = size
        self.steps = 0
        self.cut = False  # something is missing
        self.shortened = False
        self.tight = False  # for want of `size`
        self.skipped: set[str] = set()
        self.vectors = False
        self._longest = longest
        self._skip = skip
        self._path: set[int] = set()
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # or what is made here could get the identity of something that is gone

    def copy(self, value: Any, depth: int = 0) -> Any:
        """The copy; None for what there is no room for, which sets `cut`."""
        self.steps += 1
        self.nodes -= 1
        self.size -= 4
        if self.nodes < 0 or self.size < 0:
            self.cut = True
            self.tight |= self.size < 0
            return None
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return self._int(value)
        if kind is float:
            return value if math.isfinite(value) else None
        if issubclass(kind, (dict, list, tuple, set, frozenset)):
            return self._container(value, kind, depth)
        return self._other(value, kind, depth)

    def newest_first(self, values: list[Any]) -> list[Any]:
        """The copies of a list's items; when there is no room for all, the first ones are missing."""
        found: list[Any] = []
        for value in reversed(values):
            if not self._room():
                break
            found.append(self.copy(value, 1))
        return found[::-1]

    def _room(self) -> bool:
        if self.nodes > 0 and self.size > 0:
            return True
        self.cut = True
        self.tight |= self.size <= 0
        return False

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        mark = id(value)
        if mark in self._path:
            return "<circular>"
        if mark in self._seen:
            return "<as above>"
        if depth >= _DEEPEST:
            self.cut = True
            return None
        self._path.add(mark)
        before = self.nodes
        found = self._dict(value, depth) if issubclass(kind, dict) else self._list(value, kind, depth)
        self._path.discard(mark)
        if before - self.nodes > _SHARED:
            self._seen.add(mark)
        return found

    def _dict(self, value: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        length = dict.__len__(value)
        for key, inner in list(islice(dict.items(value), max(0, self.nodes))):
            if not self._room():
                break
            name = self._key(key)
            if name in self._skip:
                self.steps += 1
                self.nodes -= 1
                self.skipped.add(name)
                length -= 1
                continue
            found[name] = self.copy(inner, depth + 1)
        self.cut |= len(found) != length
        return found

    def _list(self, value: Any, kind: type, depth: int) -> list[Any]:
        walk = next(base for base in (list, tuple, set, frozenset) if issubclass(kind, base))
        length = walk.__len__(value)
        if length > _SHARED and type(next(walk.__iter__(value))) is float:
            self.vectors = True  # an embedding: large, and nobody can read it
            return []
        items = list(islice(walk.__iter__(value), max(0, self.nodes)))
        found: list[Any] = []
        for inner in items:
            if not self._room():
                break
            found.append(self.copy(inner, depth + 1))
        self.cut |= len(found) != length
        return found

    def _key(self, key: Any) -> str:
        kind = type(key)
        if issubclass(kind, str):
            name = key if kind is str else str.__str__(key)
        elif key is None or kind is bool or kind is int:
            name = "null" if key is None else str(self._int(key)).lower()
        else:
            name = f"<{_name_of(kind)[:80]}>"
            self.cut = True
        if len(name) > _LONGEST_KEY:
            name = name[:_LONGEST_KEY]
            self.shortened = True
        if not name.isascii():
            name = name.encode("utf-8", "replace").decode()
        self.size -= len(name)
        return name

    def _text(self, value: str) -> str:
        room = self.size if value.isascii() else self.size // 3
        longest = min(self._longest, room)
        if len(value) > longest:
            self.shortened = True
            self.tight |= longest == room
            if longest < 16:
                self.cut = True
                return ""
            value = f"{value[: longest * 3 // 4]} [...] {value[-(longest // 4) :]}"
        if value.isascii():
            self.size -= len(value)
            return value
        data = value.encode("utf-8", "replace")  # half of a surrogate pair is no text
        self.size -= len(data)
        return data.decode()

    @staticmethod
    def _int(value: int) -> int | float | None:
        if -_LARGEST_INT <= value <= _LARGEST_INT:
            return value
        return float(value) if value.bit_length() < 1000 else None

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        """Subclasses of plain types, a few of the standard library, pydantic's models; of all else its type's name."""
        self.nodes -= 4  # it takes as long as so many plain values
        if issubclass(kind, str):
            return self._text(str.__str__(value))
        if issubclass(kind, int):
            return self._int(int.__int__(value))
        if issubclass(kind, float):
            number = float.__float__(value)
            return number if math.isfinite(number) else None
        if kind is datetime.datetime and (value.tzinfo is None or type(value.tzinfo) is datetime.timezone):
            return value.isoformat()
        if kind is datetime.date:
            return value.isoformat()
        if kind is uuid.UUID:
            return str(value)
        if kind is decimal.Decimal:
            number = float(value) if value.is_finite() else math.inf
            return number if math.isfinite(number) else None
        fields = _model_fields(value, kind)
        if fields is not None:
            self._kept.append(fields)
            return self._container(fields, dict, depth)
        self.cut = True
        return f"<{_name_of(kind)[:80]}>"


def _model_fields(value: Any, kind: type) -> dict[str, Any] | None:
    """The fields of a pydantic model, read where pydantic keeps them; None for anything else."""
    base = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    if base is None or not any(known is base for known in _bases_of(kind)):
        return None
    found: list[dict[str, Any]] = []
    for name in ("__dict__", "__pydantic_extra__"):
        with contextlib.suppress(AttributeError):
            fields = base.__dict__[name].__get__(value)
            if type(fields) is dict and len(fields) <= _PART_NODES:
                found.append(fields)
    return found[0] if len(found) == 1 else {**found[0], **found[1]} if found else None


# ---------------------------------------------------------------------------------------------------------- content
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECORD_FIELDS = _words(
    "id litellm_call_id trace_id session_id call_type cache_hit stream status custom_llm_provider "
    "saved_cache_cost startTime endTime completionStartTime response_time model model_group model_id "
    "response_cost total_tokens prompt_tokens completion_tokens end_user requester_ip_address user_agent "
    "api_base cache_key"
)
_FIGURES = ("cost_breakdown", "status_fields")  # objects of numbers and of short words
_METADATA_FIELDS = _words(
    "requester_ip_address user_agent user_api_key_hash user_api_key_alias "
    "user_api_key_user_id user_api_key_user_email user_api_key_team_id user_api_key_team_alias "
    "user_api_key_org_id user_api_key_org_alias user_api_key_project_id user_api_key_end_user_id "
    "user_api_key_request_route"
)
_METADATA_FIGURES = ("usage_object", "applied_guardrails")
_ERROR_FIELDS = _words(
    "error_code error_class llm_provider normalized_error error_rate_limit_category error_rate_limit_type"
)
_REFUSALS = ("No connected db.", "No api key passed in.")
"""What a proxy without a database says of an unknown or missing key, and no 401: the only messages that are kept."""
_GUARDRAIL_FIELDS = _words(
    "guardrail_name guardrail_provider guardrail_status start_time end_time duration risk_score detection_method"
)
_GUARDRAIL_FIGURES = ("guardrail_mode", "masked_entity_count")
_TOOL_FIELDS = _words("name namespaced_tool_name mcp_server_name mcp_session_id")
_STRUCTURE = _words("role type id tool_call_id call_id finish_reason object model status name stop_reason server_label")
_COUNTS = _words("index created created_at")
_ANSWER = _STRUCTURE - {"tool_call_id"} | {"created", "index"}
_SHAPE = _words(
    "content parts tool_calls function function_call custom choices message delta output results response messages "
    "input_audio image_url file source candidates audio summary functionCall functionResponse toolUse item"
)
"""Names under which more of the known structure stands. Under any other name everything may be content."""
_CALLED = _words(
    "choices message delta tool_calls function function_call custom output content results response parts candidates "
    "functionCall toolUse item"
)
_LONGEST_NAME = 200  # characters
_LONGEST_WORD = 64
_SPACE = re.compile(r"\s")
_PLAIN_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_.-]{0,63}")


class Content:
    """Takes the content out of a record, as far as `mode` says.

    Outside of the mode ``full`` only fields that are known to hold no content are kept, and only in the form in which
    they hold none; so a field that a later LiteLLM adds stays out, and so does a text where a number should be.
    ``redacted`` keeps the shape of messages and answers, ``hashed`` adds a keyed hash (HMAC-SHA-256, 32 digits) and the
    length of each text, ``off`` keeps of an answer why it ended and which tools it called.
    """

    def __init__(self, mode: str, key: bytes) -> None:
        self.mode = mode
        self._key = key

    def of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record to write, of a record of plain values, which stays as it is."""
        if self.mode == "full":
            return {name: value for name, value in record.items() if name != "model_map_information"}
        found = _only(record, _RECORD_FIELDS)
        if isinstance(base := found.get("api_base"), str):
            found["api_base"] = base.partition("?")[0]
        _add_figures(found, record, _FIGURES)
        if isinstance(metadata := record.get("metadata"), dict):
            found["metadata"] = kept = _only(metadata, _METADATA_FIELDS)
            _add_figures(kept, metadata, _METADATA_FIGURES)
            if isinstance(tool := metadata.get("mcp_tool_call_metadata"), dict):
                kept["mcp_tool_call_metadata"] = _only(tool, _TOOL_FIELDS)
        if isinstance(error := record.get("error_information"), dict):
            said = ("error_message",) if error.get("error_message") in _REFUSALS else ()
            found["error_information"] = _words_only(error, _ERROR_FIELDS) | _only(error, frozenset(said))
        if guardrails := _guardrails_of(record):
            found["guardrail_information"] = [_without_findings(guardrail) for guardrail in guardrails]
        parameters = record.get("model_parameters")
        if isinstance(parameters, dict) and isinstance(tools := parameters.get("tools"), list):
            found["model_parameters"] = {"tools": [_tool(tool) for tool in tools if isinstance(tool, dict)]}
        if self.mode == "off":
            found["response"] = _skeleton(record.get("response"), 0)
        else:
            found["messages"] = self._shape(record.get("messages"), 0)
            found["response"] = self._shape(record.get("response"), 0)
        return found

    def _shape(self, value: Any, depth: int) -> Any:
        """Messages, an answer, or a part of them: what is known structure stays, all texts are replaced."""
        if isinstance(value, str):
            return PLACEHOLDER if value else value
        if depth > _DEEPEST:
            return None
        if isinstance(value, (list, tuple)):
            return [self._shape(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        for name, inner in value.items():
            if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
                found["redacted"] = PLACEHOLDER
            elif _number(inner):
                found[name] = inner if name in _COUNTS or inner is None or isinstance(inner, bool) else None
            elif name in _STRUCTURE and _word(inner):
                found[name] = inner
            elif name in _SHAPE and not isinstance(inner, str):
                found[name] = self._shape(inner, depth + 1)
            else:
                self._hide(found, name, inner if isinstance(inner, str) else _text(inner) if inner else "")
        return found

    def _hide(self, found: dict[str, Any], name: str, text: str) -> None:
        found[name] = PLACEHOLDER if text else text
        if text and self.mode == "hashed":
            digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
            found[f"{name}_hmac"], found[f"{name}_chars"] = digest[:32], len(text)


def _only(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The fields of these names, as far as they are numbers or short texts."""
    return {name: inner for name, inner in value.items() if name in names and (_number(inner) or _short(inner, 1_000))}


def _words_only(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The fields of these names, as far as they are numbers, names or codes."""
    return {name: inner for name, inner in value.items() if name in names and (_number(inner) or _word(inner))}


def _add_figures(found: dict[str, Any], value: Mapping[str, Any], names: tuple[str, ...]) -> None:
    found.update((name, _figures(value[name], 0)) for name in names if name in value)


def _figures(value: Any, depth: int) -> Any:
    """Of a value its numbers, and texts as short as a word of a program is."""
    if isinstance(value, dict) and depth < 4:
        return {
            name: _figures(inner, depth + 1)
            for name, inner in value.items()
            if isinstance(name, str) and len(name) <= _LONGEST_WORD
        }
    if isinstance(value, list) and depth < 4:
        return [_figures(inner, depth + 1) for inner in value]
    return value if _number(value) or _short(value, _LONGEST_WORD) else None


def _number(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _short(value: object, longest: int = _LONGEST_NAME) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _word(value: object) -> bool:
    """What can be a name or an id, and no sentence."""
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and not _SPACE.search(value)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _guardrails_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What guardrails did; older LiteLLM and some guardrails give one object instead of a list."""
    given = record.get("guardrail_information")
    return [entry for entry in (given if isinstance(given, list) else [given]) if isinstance(entry, dict)]


def _without_findings(guardrail: Mapping[str, Any]) -> dict[str, Any]:
    kept = _words_only(guardrail, _GUARDRAIL_FIELDS) | _only(guardrail, frozenset(("guardrail_name",)))
    _add_figures(kept, guardrail, _GUARDRAIL_FIGURES)
    return kept


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The name of a tool that was offered. Some sorts carry it in an object that is named after the sort."""
    found: dict[str, Any] = {name: tool[name] for name in ("type", "name", "server_label") if _short(tool.get(name))}
    for sort in ("function", "custom"):
        if isinstance(inner := tool.get(sort), dict) and _short(inner.get("name")):
            found[sort] = {"name": inner["name"]}
    return found


def _skeleton(value: Any, depth: int) -> Any:
    """Of an answer only why it ended and which tools it called."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_skeleton(item, depth + 1) for item in value if isinstance(item, dict)]
    if not isinstance(value, dict):
        return None
    kept = {
        name: inner for name, inner in value.items() if name in _ANSWER and (isinstance(inner, int) or _word(inner))
    }
    for name in _CALLED.intersection(value):
        if isinstance(inner := value[name], (list, dict)):
            kept[name] = _skeleton(inner, depth + 1)
    return kept


# ---------------------------------------------------------------------------------------------------------- lines
PARTS = ("guardrail_response", "hidden_params", "traceback", "metadata", "vectors", "texts", "other")
"""What of a record may be left out, as it is counted. ``texts``: they were shortened, the last thing that is done."""
_FIRST = ("guardrail_information", "error_information", "metadata")  # what alerts need most, in this order
_CONTENT_FIELDS = ("response", "messages", "model_parameters")  # the last that is left out; the first that gets room
_BULK = frozenset(
    ("guardrail_response", "guardrail_request", "match_details", "patterns", "traceback", "requester_metadata")
)
"""Names in those parts whose values may be large, and are left out before anything else."""


class Marked:
    """An encoded record, and what had to be done to it."""

    __slots__ = ("line", "lost", "ours", "outline", "shed", "shortened")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.shed: dict[str, None] = {}
        self.shortened = False
        self.lost = False
        self.outline = False
        self.ours = False  # LiteLLM made no record, and the hook did

    def is_marked(self) -> bool:
        """Whether anything had to be done."""
        return bool(self.shed) or self.shortened or self.lost or self.outline or self.ours

    def marks(self) -> bytes:
        """The marks as fields that stand beside the record."""
        if not self.is_marked():
            return b""
        names = [name if _PLAIN_NAME.fullmatch(name) else "other" for name in islice(self.shed, 16)]
        found = b',"shed":' + encode(names) if names else b""
        for name, set_ in (
            ("shortened", self.shortened),
            ("content_lost", self.lost),
            ("outline", self.outline),
            ("made", self.ours),
        ):
            if set_:
                found += b',"%s":true' % name.encode()
        return found

    def parts(self) -> list[str]:
        """What was left out, in the words of `PARTS`."""
        known = {_PART_OF.get(name, name) for name in self.shed}
        found = {name if name in PARTS else "other" for name in known}
        return sorted(found | {"texts"} if self.shortened else found)


_PART_OF = {
    "guardrail_request": "guardrail_response",
    "match_details": "guardrail_response",
    "patterns": "guardrail_response",
    "requester_metadata": "metadata",
}


_NOT_PLAIN = (ValueError, TypeError, RuntimeError)
"""Half a surrogate pair, more than 64 bits, nested too deeply, changed by another thread meanwhile."""


def encode(record: Any) -> bytes:
    """JSON on one line, of plain values.

    Raises:
        ValueError, TypeError, RecursionError: they are not plain.
    """
    if _dumps is not None:
        return bytes(_dumps(record))
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii")


def write_up(payload: Any, content: Content, most: int) -> Marked:
    """A record as a line of at most `most` bytes; what has no room is left out, the least important first.

    Raises:
        ValueError: it is no record, or not even its outline has room.
    """
    if _dumps is not None and type(payload) is dict and len(payload) <= _FIELDS:
        with contextlib.suppress(*_NOT_PLAIN):
            record = {name: value for name, value in payload.items() if name != "model_map_information"}
            if simple(record, _NODES, most // 4):
                line = encode(record if content.mode == "full" else content.of(record))
                if len(line) <= most:
                    return Marked(line)
    fields = _fields_of(payload)
    with contextlib.suppress(*_NOT_PLAIN):
        for size in (most * 3 // 4, most // 8):  # the second time for texts whose characters take six bytes each
            record, made = reduced(fields, size)
            made.line = encode(content.of(record))
            if len(made.line) <= most:
                return made
    made = Marked(encode(_outline(fields)))
    made.outline = made.lost = True
    if len(made.line) > most:
        raise ValueError("no room for the outline")
    return made


def _fields_of(payload: Any) -> dict[str, Any]:
    """The fields of a record whose names are texts; at most so many."""
    if not issubclass(type(payload), dict):
        fields = _model_fields(payload, type(payload))
        if fields is None:
            raise ValueError("not a record")
        payload = fields
    items = list(islice(dict.items(payload), 4 * _FIELDS))
    named = [(name, value) for name, value in items if type(name) is str and len(name) <= _LONGEST_KEY]
    return dict(named[:_FIELDS])


def reduced(fields: Mapping[str, Any], size: int) -> tuple[dict[str, Any], Marked]:
    """A copy of a record in plain values of about `size` bytes, with marks of what is missing."""
    made = Marked(b"")
    record: dict[str, Any] = {}
    nodes, room = _ASIDE_NODES, size // 4
    first = [name for name in _FIRST if name in fields]
    small = [name for name in fields if name in _RECORD_FIELDS or name in _FIGURES]
    known = {*first, *small, *_CONTENT_FIELDS, "model_map_information"}
    for name in (*small, *first, *(name for name in fields if name not in known)):
        important = name in first
        share = min(room, size // 8)
        for skip in (frozenset(), _BULK) if important else (frozenset(),):
            plain = Plain(min(_PART_NODES, nodes), share, skip=skip)
            value = plain.copy(fields[name])
            nodes -= plain.steps
            if whole := not (plain.cut or plain.shortened):
                break
        made.shed.update(dict.fromkeys(sorted(plain.skipped)))
        if plain.vectors:
            made.shed["vectors"] = None
        if not whole:
            made.shed[name] = None
            if important:
                record[name] = _essentials(name, fields[name])
            continue
        record[name] = value
        room -= share - max(0, plain.size)
    _add_content(record, made, fields, size - size // 4 + max(0, room))
    return record, made


def _essentials(name: str, value: Any) -> Any:
    """What alerts need of an important part of a record that has no room."""
    if name == "guardrail_information" and issubclass(type(value), list):
        return [_essentials(name, entry) for entry in list(islice(list.__iter__(value), 32))]
    if not issubclass(type(value), dict):
        return None
    names = {"guardrail_information": _GUARDRAIL_FIELDS | {"guardrail_mode"}, "metadata": _METADATA_FIELDS}
    found = {field: dict.get(value, field) for field in names.get(name, _ERROR_FIELDS | {"error_message"})}
    return {field: Plain(16, 2_000).copy(inner) for field, inner in found.items() if inner is not None}


def _add_content(record: dict[str, Any], made: Marked, fields: Mapping[str, Any], size: int) -> None:
    """Messages and answers, whole when there is room, else with long texts cut, ever shorter."""
    for longest in (1 << 40, *_TEXTS):
        nodes, room = _NODES - _ASIDE_NODES, size
        plains: list[Plain] = []
        for name, nodes_kept, room_kept in (
            ("response", 2, 2),
            ("messages", 4, 8),
            ("model_parameters", 1 << 40, 1 << 40),
        ):
            if name not in fields:
                continue
            share = room - room // room_kept
            plain = Plain(nodes - nodes // nodes_kept, share, longest)
            plains.append(plain)
            given = fields[name]
            record[name] = plain.newest_first(given) if type(given) is list else plain.copy(given)
            nodes -= plain.steps
            room -= share - max(0, plain.size)
        if not any(plain.tight for plain in plains):
            break
    made.shortened = any(plain.shortened for plain in plains)
    made.lost = any(plain.cut for plain in plains)
    if any(plain.vectors for plain in plains):
        made.shed["vectors"] = None


def _outline(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a record that has no room even so."""
    found = {name: Plain(1, 1_000).copy(value) for name, value in fields.items() if name in _RECORD_FIELDS}
    return {name: value for name, value in found.items() if _number(value) or _short(value)}


# ---------------------------------------------------------------------------------------------------------- writing
def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each for its own user only, whatever the umask is."""
    for place in (*reversed(folder.parents), folder):
        with contextlib.suppress(FileExistsError):
            if not place.exists():
                place.mkdir(mode=0o700)
                place.chmod(0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _open_own(path: Path, flags: int) -> int:
    """Open a file that is, or becomes, readable for its own user only."""
    file = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(file).st_mode) != 0o600:
            os.fchmod(file, 0o600)
    except OSError:
        os.close(file)
        raise
    return file


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still has its name: somebody may have removed or renamed it."""
    try:
        named, mine = path.lstat(), os.fstat(file)
    except OSError:
        return False
    return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


class _Board:
    """Two numbers in memory that outlives the process: the last that was offered, the last that was written.

    A mapped page, because a system call would let the thread that writes have the interpreter in each callback.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self.path: Path | None = None
        self._numbers: Any = [0, 0]
        try:
            home = self.home(folder)
            home.mkdir(mode=0o700, exist_ok=True)
            status = home.lstat()
            if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
                _log.warning("%s belongs to somebody else; after kill -9 losses are known less exactly", home)
                return
            if stat.S_IMODE(status.st_mode) != 0o700:
                home.chmod(0o700)
            path = home / writer
            file = _open_own(path, os.O_RDWR | os.O_EXCL)
            try:
                os.pwrite(file, bytes(mmap.PAGESIZE), 0)  # the page exists from now on: a later store needs no room
                self._numbers = memoryview(mmap.mmap(file, mmap.PAGESIZE)).cast("Q")
            except OSError:
                path.unlink()
                raise
            finally:
                os.close(file)
            self.path = path
        except OSError as error:
            _log.warning("no memory for counts in %s: %s; after kill -9 losses are known less exactly", folder, error)

    @staticmethod
    def home(folder: Path) -> Path:
        return folder / f"tocsin-litellm-{os.getuid()}"

    @classmethod
    def read(cls, folder: Path, writer: str) -> tuple[int, int] | None:
        try:
            with (cls.home(folder) / writer).open("rb") as file:
                data = file.read(16)
        except OSError:
            return None
        return (int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")) if len(data) == 16 else None

    def offered(self, number: int) -> None:
        self._numbers[0] = number

    def written(self, number: int) -> None:
        self._numbers[1] = number

    def forget(self) -> None:
        self._numbers = [0, 0]


class LineWriter:
    """Puts lines into a bounded queue; a thread of its own writes them to files in the folder of `settings`.

    `put` never waits and never raises. `tick` is called by the thread now and then.
    """

    def __init__(self, settings: Settings, *, tick: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.writer = secrets.token_hex(8)
        self.path = settings.folder / f"litellm-{self.writer}.jsonl"
        self.health_path = settings.folder / f"litellm-{self.writer}.health.json"
        self.urgent = False  # the process ends: what is put is waited for
        self.dropped = {"queue_full": 0, "unencodable": 0, "error": 0}
        self.shed = dict.fromkeys(PARTS, 0)  # records from which that part was left out
        self.content_lost = 0  # records whose messages or answer are not whole
        self.made = 0  # records that LiteLLM did not make
        self.trouble = ""
        self._tick = tick
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued = 0  # bytes, those that are just being written included
        self._seq = 0
        self._records = 0  # given, written or not; other lines have numbers too
        self._written = 0  # the last number on disk
        self._unsaid: dict[str, int] = {}
        self._wake = threading.Event()
        self._pending: deque[tuple[int, bytes]] = deque()
        self._sent = 0  # bytes of the first pending line that are on disk
        self._file = self._health = -1
        self._forgotten = False
        self._size, self._opened, self._number = 0, 0.0, 0
        self._closed = False
        self._patience = _LAST_WAIT
        self._started = time.time()
        self._next_beat = self._next_look = self._next_clean = 0.0  # by the monotonic clock, as all intervals
        self._reported = -1.0
        self._said_trouble = -_SAY_AGAIN
        self._clock = time.time() - time.monotonic()  # what was believed of the wall clock last
        self._doubted = 0.0  # until then the wall clock is not believed
        self._board = _Board(settings.memory, self.writer)
        version = litellm_version()
        self._about = {"hook": HOOK_VERSION, "litellm": version, "unreported": unreported_by(version)}
        notice = {"pid": os.getpid(), "host": socket.gethostname(), "content": settings.content, "version": VERSION}
        self._put_notice("start", {**notice, **self._about})
        self._thread = threading.Thread(target=self._run, name="tocsin-litellm", daemon=True)
        self._thread.start()

    @property
    def offered(self) -> int:
        """The last number that was given."""
        return self._seq

    # -------------------------------------------------------------------------------------------- the gateway's side
    def put(self, record: bytes, extra: bytes = b"", made: Marked | None = None) -> bool:
        """Queue an encoded record; False when it was dropped, which is counted. `made` tells what it lacks."""
        with self._lock:
            if self._queued + len(record) > self.settings.queue_bytes:
                self._drop("queue_full")
                return False
            if made is not None and made.is_marked():
                for part in made.parts():
                    self.shed[part] += 1
                self.content_lost += made.lost
                self.made += made.ours
            self._say_drops()
            self._records += 1
            self._append("attempt", b'"record":' + record + extra)
        self._wake.set()
        if self.urgent and self._patience > 0:
            begun = time.monotonic()
            self.flush(self._patience)
            self._patience -= time.monotonic() - begun
        return True

    def drop(self, reason: str) -> None:
        """Count a record that could not even be made."""
        with self._lock:
            self._drop(reason)
        self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is on disk, or `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._queued and time.monotonic() < deadline and self._thread.is_alive():
            self._wake.set()
            time.sleep(0.001)
        return not self._queued

    def hurry(self) -> None:
        """From now on, what is put is waited for. For signal handlers: takes no lock that this thread may hold."""
        self.urgent = True
        threading.Thread(target=self._wake.set, daemon=True).start()

    def close(self, timeout: float = _LAST_WAIT) -> None:
        """Write what is left, as far as `timeout` allows. What is put later is still written."""
        self.urgent = True
        self._put_notice("stop", {})
        self._closed = self.flush(timeout)
        self._report(force=True)

    def _append(self, kind: str, rest: bytes) -> None:
        self._seq += 1
        line = b'{"v":1,"writer":"%s","seq":%d,"kind":"%s",%s}\n' % (
            self.writer.encode(),
            self._seq,
            kind.encode(),
            rest,
        )
        self._board.offered(self._seq)
        self._queue.append((self._seq, line))
        self._queued += len(line)

    def _drop(self, reason: str) -> None:
        self._seq += 1
        self._records += 1
        self._board.offered(self._seq)
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._unsaid[reason] = self._unsaid.get(reason, 0) + 1

    def _say_drops(self) -> None:
        if self._unsaid:
            said, self._unsaid = self._unsaid, {}
            self._append("dropped", b'"notice":' + encode({"records": sum(said.values()), "reasons": said}))

    def _put_notice(self, kind: str, notice: Mapping[str, Any]) -> None:
        with self._lock:
            self._append(kind, b'"notice":' + encode(notice))
        self._wake.set()

    # -------------------------------------------------------------------------------------------- the thread's side
    def _run(self) -> None:
        while not self._forgotten:
            self._wake.wait(_TICK / 10 if self.urgent else _TICK)
            self._wake.clear()
            try:
                self._turn()
            except OSError as error:
                with contextlib.suppress(Exception):
                    self._failed(error)
                time.sleep(_RETRY)
            except Exception as error:
                self._say("the writer of records failed: %s; it goes on", type(error).__name__)
                time.sleep(_RETRY)

    def _say(self, text: str, *values: object) -> None:
        """An error in the gateway's log, not too often."""
        now = time.monotonic()
        if now - self._said_trouble >= _SAY_AGAIN:
            self._said_trouble = now
            _log.error(text, *values)

    def _turn(self) -> None:
        now = time.monotonic()
        self._tick()
        if self._closed and not (self._queue or self._pending):
            return
        if self._health < 0:
            self._announce()
        if self._unsaid and self._queued < self.settings.queue_bytes:
            with self._lock:
                self._say_drops()
        if now >= self._next_beat and not self.trouble:
            self._next_beat = now + self.settings.beat_seconds
            self._put_notice("beat", {"dropped": sum(self.dropped.values()), "queue_bytes": self._queued})
        self._look_after_file(now)
        while self._queue or self._pending:
            self._look_after_file(time.monotonic())
            self._fill()
            self._write()
            self._report()  # a disk that is only slow may never let this end
        self._report()
        if now >= self._next_clean:
            self._next_clean = now + 60
            self._clean()

    def _fill(self) -> None:
        size = sum(len(line) for _, line in self._pending)
        while self._queue and size < _BATCH:
            item = self._queue.popleft()
            self._pending.append(item)
            size += len(item[1])

    def _write(self) -> None:
        """Write the pending lines. After a partial write it goes on where it stopped, so no line is torn or twice."""
        data = b"".join(line for _, line in self._pending)[self._sent :]
        done = os.write(self._file, data)
        self._size += done
        done += self._sent
        while self._pending and done >= len(self._pending[0][1]):
            number, line = self._pending.popleft()
            done -= len(line)
            self._written = number
            self._board.written(number)
            with self._lock:
                self._queued -= len(line)
        self._sent = done
        if self.trouble and not self._pending:
            _log.warning("records are written again to %s", self.path)
            self.trouble, self._said_trouble = "", -_SAY_AGAIN

    def _failed(self, error: OSError) -> None:
        """The disk is full, or worse: say so once, and try again soon. Meanwhile the queue fills."""
        text = (error.strerror or type(error).__name__)[:100]
        news = text != self.trouble
        if news:
            self._say("cannot write records to %s: %s; they wait in memory", self.settings.folder, text)
        self.trouble = text
        if error.errno not in _FULL:  # that file is done with; a line that was begun is written whole to the next one
            self._let_go()
        self._report(force=news)

    def _let_go(self) -> None:
        if self._file >= 0:
            file, self._file, self._sent = self._file, -1, 0
            with contextlib.suppress(OSError):
                os.close(file)
            self._set_aside()

    def _set_aside(self) -> None:
        self._number += 1
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_name(f"{self.path.name}.{self._number:06d}"))

    def _look_after_file(self, now: float) -> None:
        if self._file >= 0 and not self._sent and now >= self._next_look:
            self._next_look = now + 1
            due = self._size >= self.settings.rotate_bytes or now - self._opened >= self.settings.rotate_seconds
            if not _is_at(self._health, self.health_path):  # somebody took the folder away
                self._close_health()
                self._announce()
            if not _is_at(self._file, self.path) or (self._size and due):
                self._let_go()
        if self._file < 0:
            _make_folder(self.settings.folder)
            self._file = _open_own(self.path, os.O_WRONLY | os.O_APPEND)
            self._size, self._opened, self._sent = os.fstat(self._file).st_size, now, 0

    # -------------------------------------------------------------------------------------------- health, and the dead
    def _announce(self) -> None:
        """Make the health file, hold its lock as a sign of life, and tell what killed writers have lost."""
        _make_folder(self.settings.folder)
        file = _open_own(self.health_path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        self._health = file
        self._report(force=True)
        others = (path for path in self.settings.folder.glob("litellm-*.health.json") if path != self.health_path)
        for path in sorted(islice(others, _MOST_DEAD)):
            try:
                self._bury(path)
            except OSError as error:
                self._say("cannot look at %s: %s", path, error.strerror)

    def _close_health(self) -> None:
        file, self._health = self._health, -1
        if file >= 0:
            os.close(file)

    def _bury(self, path: Path) -> None:
        if not stat.S_ISREG(path.lstat().st_mode):
            return
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # it lives
            if not os.fstat(file).st_nlink:
                return  # another worker was quicker
            try:
                told = json.loads(os.pread(file, _HEALTH_SIZE, 0))
                writer, host, updated = str(told["writer"]), told["host"], float(told["updated"])
                offered, written, ended = int(told["offered"]), int(told["written"]), told["state"] != "running"
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                path.unlink()  # it died before it had written anything
                return
            if path.name != f"litellm-{writer}.health.json":
                return
            if host != socket.gethostname() and abs(time.time() - updated) < 10 * _TICK:
                return  # locks of another machine may not be seen here
            numbers = _Board.read(self.settings.memory, writer)
            if numbers:
                offered, written = numbers
            if offered > written or not (numbers or ended):
                lost = {"writer": writer, "written": written, "offered": offered, "exact": numbers is not None}
                self._put_notice("lost", lost)
            path.unlink()
            (_Board.home(self.settings.memory) / writer).unlink(missing_ok=True)
        finally:
            os.close(file)

    def _report(self, *, force: bool = False) -> None:
        """The health file: once a second, in place."""
        now = time.monotonic()
        if self._health < 0 or not (force or self.urgent or now - self._reported >= 1):
            return
        self._reported = now
        state = "stopped" if self._closed else "stopping" if self.urgent else "running"
        health = {
            "v": VERSION,
            "writer": self.writer,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": round(self._started, 3),
            "updated": round(time.time(), 3),
            "records": self._records,
            "offered": self._seq,
            "written": self._written,
            "dropped": self.dropped,
            "queue_bytes": self._queued,
            "trouble": self.trouble,
            **self._about,
            "shed": self.shed,
            "content_lost": self.content_lost,
            "made": self.made,
        }
        try:
            os.pwrite(self._health, json.dumps(health).ljust(_HEALTH_SIZE - 1).encode() + b"\n", 0)
        except OSError as error:
            self.trouble = self.trouble or (error.strerror or "health file")

    def _clean(self) -> None:
        """Remove the oldest files, until what is left is neither too much nor too old; never one that is written to."""
        believed = self._believes_clock()
        found: list[tuple[float, int, Path]] = []
        for path in self.settings.folder.glob("litellm-*.jsonl*"):
            health = path.with_name(path.name.split(".")[0] + ".health.json")
            try:
                if path.suffix != ".jsonl" or not health.exists():
                    status = path.lstat()
                    found.append((status.st_mtime, status.st_size, path))
            except OSError:
                continue
        now = time.time()
        total = sum(size for _, size, _ in found)
        for modified, size, path in sorted(found):
            old = believed and now - modified > self.settings.keep_seconds
            if total <= self.settings.keep_bytes and not old:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _believes_clock(self) -> bool:
        """Whether files may be judged by their age: not for an hour after the clock has jumped."""
        clock = time.time() - time.monotonic()
        jump = clock - self._clock
        self._clock = clock
        if abs(jump) > _JUMP:
            _log.warning("the clock jumped by %.0f seconds; for an hour no file is removed for its age", jump)
            self._doubted = time.monotonic() + 3600
        return time.monotonic() >= self._doubted

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent, without touching its files."""
        self._forgotten = True
        for file in (self._file, self._health):
            if file >= 0:
                os.close(file)
        self._file = self._health = -1
        self._board.forget()


# ---------------------------------------------------------------------------------------------------------- refusals
_BLOCKS = _words(
    "GuardrailRaisedException BlockedPiiEntityError ModifyResponseException RejectedRequestError "
    "GuardrailInterventionNormalStringError ContentPolicyViolationError"
)
"""Exceptions that say themselves that something was blocked."""
_BREAKS = _words(
    "OSError TimeoutError HTTPError RequestError TransportError ClientError APIError OpenAIError JSONDecodeError "
    "ValidationError UnicodeError TypeError AttributeError NameError LookupError ArithmeticError ImportError "
    "MemoryError RecursionError SyntaxError NotImplementedError StopIteration StopAsyncIteration"
)
"""Exceptions, with those derived from them, by which a guardrail fails rather than judges."""
_BLOCK_CODES = frozenset((400, 403, 406, 422, 451))
_JUDGED = re.compile(r'(?:\{"error": ")?(?:Violated .{0,40}policy|Content blocked by)')  # some say so with a 500
_GUARDING = _words(
    "async_pre_call_hook async_moderation_hook async_post_call_success_hook async_post_call_streaming_hook "
    "async_post_call_streaming_iterator_hook async_pre_mcp_tool_call_hook async_during_mcp_tool_call_hook "
    "async_pre_call_deployment_hook async_post_call_success_deployment_hook"
)
_PASSED_ON = _words("async_post_call_streaming_iterator_hook")  # a provider's errors go through these
_LITELLM = "litellm."  # its own callbacks refuse by rates and budgets, all but these
_JUDGES = ("litellm.proxy.hooks.prompt_injection_detection", "litellm_enterprise.")
_FRAMES = 64
_CALL_TYPES = (
    ("/chat/completions", "acompletion"),
    ("/completions", "atext_completion"),
    ("/embeddings", "aembedding"),
    ("/responses", "aresponses"),
    ("/messages", "anthropic_messages"),
    ("/images/generations", "aimage_generation"),
    ("/moderations", "amoderation"),
    ("/audio/speech", "aspeech"),
    ("/audio/transcriptions", "atranscription"),
    ("/rerank", "arerank"),
)


def judged_by(error: BaseException) -> dict[str, Any] | None:
    """What the guardrail that raised `error` did, as LiteLLM would log it; None when no guardrail did.

    LiteLLM does not say who raised an exception, but its traceback does.
    """
    found = _guard_in(error)
    verdict = _verdict(error)
    if found is None:
        if not _BLOCKS.intersection(_bases(type(error))) or _attribute(error, "llm_provider"):
            return None
        named = _attribute(error, "guardrail_name")
        return {"guardrail_name": named if _short(named) else "unknown", "guardrail_status": verdict}
    guard, function, passed_on = found
    if passed_on:
        return None
    name = _attribute(guard, "guardrail_name")
    mode = Plain(_SHARED, 1_000).copy(_attribute(guard, "event_hook"))
    return {
        "guardrail_name": name if _short(name) else _name_of(type(guard)),
        "guardrail_mode": mode if mode is not None else _MODES.get(function, "post_call"),
        "guardrail_status": verdict,
    }


_MODES = {"async_pre_call_hook": "pre_call", "async_moderation_hook": "during_call"}


def _guard_in(error: BaseException) -> tuple[Any, str, bool] | None:
    """The guardrail, or the callback of one's own that judges requests, which the exception came out of.

    With the function it came out of, and whether it only went through it: a stream's failure does.
    """
    waiting: list[Any] = [error]
    for _ in range(8):
        if not waiting:
            break
        current = waiting.pop(0)
        found: tuple[Any, str, bool] | None = None
        trace = current.__traceback__
        for _ in range(_FRAMES):
            if trace is None:
                break
            frame, trace = trace.tb_frame, trace.tb_next
            code = frame.f_code
            if (
                found is not None
                and found[1] in _PASSED_ON
                and str(frame.f_globals.get("__name__")).startswith(_LITELLM)
            ):
                found = (*found[:2], True)
            if "self" in code.co_varnames[:8] or "self" in code.co_cellvars or "self" in code.co_freevars:
                guard = frame.f_locals.get("self")
                if _judges(type(guard), code.co_name):
                    found = guard, code.co_name, False
        if found is not None:
            return found
        waiting += [inner for inner in (current.__cause__, current.__context__) if inner is not None]
        if "BaseExceptionGroup" in _bases(type(current)):
            waiting += list(islice(current.exceptions, 8))
    return None


def _judges(kind: type, function: str) -> bool:
    bases = _bases(kind)
    if "CustomGuardrail" in bases:
        return True
    if "CustomLogger" not in bases or function not in _GUARDING:
        return False
    module = str(type.__dict__["__module__"].__get__(kind))
    return module.startswith(_JUDGES) or not module.startswith(_LITELLM)


def _verdict(error: BaseException) -> str:
    """Whether a guardrail's exception is its judgement or its failure, in LiteLLM's words."""
    bases = _bases(type(error))
    if _BLOCKS.intersection(bases) and not _attribute(error, "llm_provider"):
        return "guardrail_intervened"
    code = _status_of(error)
    if code == 500 and _JUDGED.match(_said_by(error)):
        return "guardrail_intervened"
    if code is not None:
        return "guardrail_intervened" if code in _BLOCK_CODES else "guardrail_failed_to_respond"
    failed = _attribute(error, "llm_provider") or _BREAKS.intersection(bases)
    return "guardrail_failed_to_respond" if failed else "guardrail_intervened"


def _bases(kind: type) -> frozenset[str]:
    return frozenset(_name_of(base) for base in _bases_of(kind))


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def _status_of(error: BaseException) -> int | None:
    for name in ("status_code", "code"):
        code = _attribute(error, name)
        if type(code) is str and code.isascii() and code.isdigit() and len(code) == 3:
            code = int(code)
        if type(code) is int and 100 <= code <= 599:
            return code
    return None


def _said_by(error: BaseException) -> str:
    """An exception's message; its ``__str__`` is not asked, as it could do anything."""
    for name in ("message", "detail"):
        said = _attribute(error, name)
        if type(said) is str:
            return said[: _TEXTS[0]]
        if said is not None:
            return _text(Plain(_SHARED, _TEXTS[0]).copy(said))
    arguments = [Plain(_SHARED, _TEXTS[0]).copy(argument) for argument in error.args[:4]]
    return " ".join(argument if isinstance(argument, str) else _text(argument) for argument in arguments)


def record_of(call: str, request: Mapping[str, Any], error: BaseException, user: Any) -> dict[str, Any]:
    """A failed attempt as LiteLLM would have logged it, for a request that LiteLLM logs nothing of."""
    given: dict[str, Any]
    given = next(
        (request[name] for name in ("metadata", "litellm_metadata") if isinstance(request.get(name), dict)), {}
    )
    metadata = {name: given[name] for name in _METADATA_FIELDS if given.get(name) is not None}
    owner = _model_fields(user, type(user)) or {}
    for name, field in _OWNER.items():
        if not metadata.get(name) and isinstance(owner.get(field), str):
            metadata[name] = owner[field]
    key = metadata.get("user_api_key_hash")
    if isinstance(key, str) and not re.fullmatch(r"[0-9a-f]{64}", key):
        metadata["user_api_key_hash"] = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    now = time.time()
    begun = _attribute(_attribute(request.get("litellm_logging_obj"), "start_time"), "timestamp")
    start = begun() if callable(begun) else now
    route = str(metadata.get("user_api_key_request_route") or owner.get("request_route") or "")
    code = _status_of(error)
    found = {
        "id": f"{call}-{secrets.token_hex(4)}",
        "litellm_call_id": call,
        "trace_id": request.get("litellm_trace_id") or call,
        "session_id": request.get("litellm_session_id"),
        "call_type": next((kind for path, kind in _CALL_TYPES if route.endswith(path)), ""),
        "status": "failure",
        "stream": None,
        "startTime": min(start, now),
        "endTime": now,
        "completionStartTime": now,
        "model": request.get("model") or "",
        "model_group": request.get("model") or "",
        "model_id": "",
        "custom_llm_provider": None,
        "response_cost": 0,
        "total_tokens": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "end_user": owner.get("end_user_id") or request.get("user") or "",
        "requester_ip_address": metadata.get("requester_ip_address"),
        "user_agent": metadata.get("user_agent"),
        "metadata": metadata,
        "messages": next((request[name] for name in ("messages", "input", "prompt") if request.get(name)), None),
        "response": None,
        "model_parameters": {name: request[name] for name in ("tools", "system", "instructions") if name in request},
        "error_information": {
            "error_code": str(code or ""),
            "error_class": _name_of(type(error)),
            "llm_provider": "",
            "error_message": _said_by(error),
        },
    }
    return found


_OWNER = {
    "user_api_key_hash": "api_key",
    "user_api_key_alias": "key_alias",
    "user_api_key_user_id": "user_id",
    "user_api_key_user_email": "user_email",
    "user_api_key_team_id": "team_id",
    "user_api_key_team_alias": "team_alias",
    "user_api_key_org_id": "org_id",
    "user_api_key_end_user_id": "end_user_id",
    "user_api_key_request_route": "request_route",
}


class Waiting:
    """Lines that wait for their other half, by call id, in order of their coming. Not for several threads at once."""

    def __init__(self) -> None:
        self._by_age: OrderedDict[int, Half] = OrderedDict()
        self._by_call: dict[str, list[int]] = {}
        self._number = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, half: Half) -> None:
        self._number += 1
        self._by_age[self._number] = half
        self._by_call.setdefault(half.call, []).append(self._number)
        self.size += half.size

    def take(self, call: str, fits: Callable[[Half], bool]) -> Half | None:
        """The oldest of this call that fits."""
        for number in self._by_call.get(call, ()):
            if fits(self._by_age[number]):
                return self._remove(number)
        return None

    def oldest(self, due: Callable[[Half], bool]) -> list[Half]:
        """All from the oldest on, until one is not due."""
        found: list[Half] = []
        while self._by_age:
            number, half = next(iter(self._by_age.items()))
            if not due(half):
                break
            found.append(self._remove(number))
        return found

    def _remove(self, number: int) -> Half:
        half = self._by_age.pop(number)
        numbers = self._by_call[half.call]
        numbers.remove(number)
        if not numbers:
            del self._by_call[half.call]
        self.size -= half.size
        return half


class Half:
    """What one of two callbacks said: a record that lacks something, or what is known of a refused request.

    `made` is the line to write if the other half never comes, None when there is nothing to write then.
    """

    __slots__ = ("address", "call", "deadline", "error", "guardrail", "made", "restored", "size", "wants_address")

    def __init__(self, call: str, error: str, made: Any) -> None:  # Marked or None
        self.call = call
        self.error = error  # the class of the exception
        self.made = made
        self.size = len(made.line) if made else 200
        self.deadline = time.monotonic() + _HOLD
        self.wants_address = False
        self.restored: tuple[str, ...] = ()
        self.address: dict[str, Any] = {}
        self.guardrail: dict[str, Any] | None = None


# ---------------------------------------------------------------------------------------------------------- the hook
class Hook(CustomLogger):  # type: ignore[misc, unused-ignore]
    """LiteLLM's callbacks. `settings` None: those of the environment, read when the first record comes."""

    def __init__(self, settings: Settings | None = None) -> None:
        try:
            super().__init__()
        except Exception:
            _log.error("LiteLLM's base class failed")
        self._settings = settings
        self._writer: LineWriter | None = None
        self._content = Content("off", b"")
        self._guard = threading.Lock()
        self._held = Waiting()
        self._refused = Waiting()
        self._failed: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._said_trouble = -_SAY_AGAIN
        self._fork_known = False
        self._aside = obstacle()
        if self._aside:
            _log.error("Tocsin's hook steps aside and writes nothing: %s", self._aside)

    # -------------------------------------------------------------------------------------------- called by LiteLLM
    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """An answered attempt."""
        self.take(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A failed attempt."""
        self.take(kwargs)

    async def async_post_call_failure_hook(
        self, request_data: Any, original_exception: Any, user_api_key_dict: Any, traceback_str: Any = None
    ) -> None:
        """A refused request. Only here it is told who raised the exception, and newer versions tell the address."""
        self.refuse(request_data, original_exception, user_api_key_dict)

    # -------------------------------------------------------------------------------------------- what it does
    def start(self) -> LineWriter:
        """The writer of this process."""
        with self._guard:
            if self._writer is None:
                settings = self._settings or Settings.from_environment()
                self._content = Content(settings.content, settings.hash_key)
                self._writer = LineWriter(settings, tick=self._expire)
                if not self._fork_known:
                    self._fork_known = True
                    os.register_at_fork(after_in_child=self._forked)
            return self._writer

    def take(self, kwargs: Any) -> None:
        """Write the record in a callback's arguments, if there is one. Raises nothing but what ends the process."""
        try:
            payload = kwargs.get("standard_logging_object")
            if not payload or self._aside:
                return
            self._take(kwargs, payload)
        except _GO_ON:
            raise
        except BaseException as error:
            self._trouble(error)

    def refuse(self, request: Any, error: Any, user: Any = None) -> None:
        """Note what is known of a refused request. Raises nothing but what ends the process."""
        try:
            if not self._aside and isinstance(request, dict) and isinstance(error, BaseException):
                self._refuse(request, error, user)
        except _GO_ON:
            raise
        except BaseException as trouble:
            self._trouble(trouble)

    def hurry(self) -> None:
        """The process ends: from now on a record is on disk before its callback returns."""
        writer = self._writer
        if writer is not None:
            writer.hurry()

    def close(self) -> None:
        """Write what is left. Records that come later are still written."""
        try:
            self._write_waiting(lambda _half: True)
            if self._writer is not None:
                self._writer.close()
        except Exception as error:
            self._trouble(error)

    # -------------------------------------------------------------------------------------------- records
    def _take(self, kwargs: Any, payload: Any) -> None:
        writer = self._writer or self.start()
        call = payload.get("litellm_call_id")
        restored: tuple[str, ...] = ()
        if call is None and isinstance(call := kwargs.get("litellm_call_id"), str):  # LiteLLM before 1.89
            payload, restored = {**payload, "litellm_call_id": call}, ("litellm_call_id",)
        try:
            made = write_up(payload, self._content, writer.settings.record_bytes)
        except (ValueError, TypeError, RecursionError, RuntimeError):
            self._say("a record that cannot be encoded is lost")
            writer.drop("unencodable")
            return
        if payload.get("status") != "failure":
            self._put(made, restored)
        else:
            self._take_failure(payload, made, _known_as(call), restored)

    def _take_failure(self, payload: Any, made: Marked, call: str, restored: tuple[str, ...]) -> None:
        """A failed attempt waits for what the other callback tells, if it lacks something."""
        error = payload.get("error_information")
        half = Half(call, _text_of(error, "error_class"), made)
        half.restored = restored
        half.wants_address = _lacks_address(payload)
        waits = half.wants_address or _lacks_verdict(payload)
        over: list[Half] = []
        with self._guard:
            other = self._refused.take(call, lambda told: _belong(half, told))
            if other is None and waits and call:
                self._held.add(half)
                over = self._held.oldest(lambda _half: len(self._held) > _HELD or self._held.size > _HELD_BYTES)
            elif other is None:
                mark = (call, half.error)
                self._failed[mark] = self._failed.pop(mark, 0) + 1
                if len(self._failed) > _HELD:
                    self._failed.popitem(last=False)
        if other is not None:
            self._put(*self._joined(half, other))
        elif not (waits and call):
            self._put(made, restored)
        for old in over:
            self._put(old.made, old.restored)

    def _refuse(self, request: dict[str, Any], error: BaseException, user: Any) -> None:
        if _attribute(error, "_tocsin_told") is request:  # LiteLLM tells some exceptions twice
            return
        with contextlib.suppress(Exception):
            error._tocsin_told = request  # type: ignore[attr-defined]
        writer = self._writer or self.start()
        call = request.get("litellm_call_id")
        told = Half(_known_as(call), _name_of(type(error)), None)
        metadata = request.get("metadata")
        if isinstance(metadata, dict):
            told.address = {
                name: metadata[name] for name in ("requester_ip_address", "user_agent") if _short(metadata.get(name))
            }
        told.guardrail = judged_by(error)
        if self._pair(told) or not (told.address or told.guardrail):
            return
        if told.guardrail:
            call = call if isinstance(call, str) and call else str(uuid.uuid4())
            record = record_of(call, request, error, user)
            record["guardrail_information"] = _with_guardrail(_logged_guardrails(request), told.guardrail)
            told.made = write_up(record, self._content, writer.settings.record_bytes)
            told.made.ours = True
            told.size = len(told.made.line)
        if self._pair(told, keep=True):
            return
        with self._guard:
            over = self._refused.oldest(lambda _half: len(self._refused) > _HELD or self._refused.size > _HELD_BYTES)
        for old in over:
            self._put(old.made, old.restored)

    def _pair(self, told: Half, *, keep: bool = False) -> bool:
        """Whether there is a record already that `told` belongs to; if not, it may be kept until there is."""
        with self._guard:
            half = self._held.take(told.call, lambda half: _belong(half, told))
            mark = (told.call, told.error)
            known = half is None and mark in self._failed
            if known:
                self._failed[mark] -= 1
                if not self._failed[mark]:
                    del self._failed[mark]
            if keep and half is None and not known:
                self._refused.add(told)
        if half is not None:
            self._put(*self._joined(half, told))
        return half is not None or known

    def _joined(self, half: Half, told: Half) -> tuple[Marked, tuple[str, ...]]:
        """A record with what the other callback told, and the names of the fields that were added."""
        made, restored = half.made, half.restored
        record = json.loads(made.line)
        if half.wants_address:
            missing = {name: value for name, value in told.address.items() if not record.get(name)}
            record.update(missing)
            if isinstance(record.get("metadata"), dict):
                record["metadata"].update(missing)
            restored += tuple(missing)
        if told.guardrail and _lacks_verdict(record):
            given = _with_guardrail(_guardrails_of(record), told.guardrail)
            if given != _guardrails_of(record):
                record["guardrail_information"] = given
                restored += ("guardrail_information",)
        line = encode(record)
        writer = self._writer or self.start()
        if restored == half.restored or len(line) > writer.settings.record_bytes:
            return made, half.restored
        made.line = line
        return made, restored

    def _put(self, made: Marked | None, restored: tuple[str, ...] = ()) -> None:
        if made is None:
            return
        extra = b',"restored":' + encode(list(restored)) if restored else b""
        (self._writer or self.start()).put(made.line, extra + made.marks(), made)

    def _write_waiting(self, due: Callable[[Half], bool]) -> None:
        with self._guard:
            found = [*self._held.oldest(due), *self._refused.oldest(due)]
        for half in found:
            self._put(half.made, half.restored)

    def _expire(self) -> None:
        if len(self._held) or len(self._refused):
            urgent = self._writer is not None and self._writer.urgent
            now = time.monotonic() + (_HOLD - _HOLD_URGENT if urgent else 0)
            self._write_waiting(lambda half: half.deadline <= now)

    # -------------------------------------------------------------------------------------------- trouble
    def _trouble(self, error: BaseException) -> None:
        try:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            line = trace.tb_lineno if trace is not None else 0
            self._say("a record was lost (%s in line %d); the gateway goes on", _name_of(type(error)), line)
            (self._writer or self.start()).drop("error")
        except Exception:
            self._say("records cannot be written")

    def _say(self, text: str, *values: object) -> None:
        """An error in the gateway's log, not too often; never with anything that a record holds."""
        now = time.monotonic()
        if now - self._said_trouble >= _SAY_AGAIN:
            self._said_trouble = now
            with contextlib.suppress(Exception):
                _log.error(text, *values)

    def _forked(self) -> None:
        writer, self._writer, self._guard = self._writer, None, threading.Lock()
        self._held, self._refused, self._failed = Waiting(), Waiting(), OrderedDict()
        if writer is not None:
            writer.forget()


def _known_as(call: Any) -> str:
    """A call id as a key; clients may choose it, and how long it is."""
    if type(call) is not str:
        return ""
    return call if len(call) <= 128 else hashlib.sha256(call.encode("utf-8", "replace")).hexdigest()


def _text_of(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if type(found) is str else ""


def _belong(half: Half, told: Half) -> bool:
    """Whether a record and what was told of a refusal are of one request, both having the same call id."""
    return half.error == told.error or (half.wants_address and bool(told.address) and told.guardrail is None)


def _lacks_address(payload: Mapping[str, Any]) -> bool:
    """Whether somebody was turned away at the door, and the record does not say where from."""
    error = payload.get("error_information")
    if not isinstance(error, dict) or payload.get("requester_ip_address"):
        return False
    return (
        _text_of(error, "normalized_error").startswith("401")
        or _text_of(error, "error_message") in _REFUSALS
        or _text_of(error, "error_class") == "BudgetExceededError"
    )


def _lacks_verdict(payload: Mapping[str, Any]) -> bool:
    """Whether a failure is the gateway's own, and no guardrail is said to have blocked."""
    error = payload.get("error_information")
    if not isinstance(error, dict) or _text_of(error, "llm_provider"):
        return False
    return not any(_text_of(entry, "guardrail_status") in _INTERVENED for entry in _guardrails_of(payload)[:_SHARED])


_INTERVENED = ("guardrail_intervened", "blocked")


def _logged_guardrails(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What guardrails said of a request before it was refused, without what they found."""
    for name in ("metadata", "litellm_metadata"):
        given = request.get(name)
        if isinstance(given, dict) and "standard_logging_guardrail_information" in given:
            logged = {"guardrail_information": given["standard_logging_guardrail_information"]}
            return [_essentials("guardrail_information", entry) for entry in _guardrails_of(logged)[-_SHARED:]]
    return []


def _with_guardrail(logged: list[dict[str, Any]], judged: dict[str, Any]) -> list[dict[str, Any]]:
    """What guardrails did, with what the last one did by raising an exception."""
    for entry in reversed(logged):
        if entry.get("guardrail_name") == judged["guardrail_name"] and entry.get("guardrail_status") != "success":
            known = {**entry, "guardrail_status": judged["guardrail_status"]}
            return [known if other is entry else other for other in logged]
    return [*logged, judged]


def _made() -> Any:
    """The hook, or when it cannot be made: a callback that does nothing, so that the gateway starts all the same."""
    try:
        return Hook()
    except Exception as error:
        _log.error("Tocsin's hook steps aside and writes nothing: it cannot be made (%s)", type(error).__name__)
        return CustomLogger()


hook = _made()
"""What the configuration of LiteLLM names."""


def _at_signal(made: Hook) -> None:
    """Let SIGTERM hurry the hook, and then do what it did before.

    uvicorn ends a worker by raising the signal again, so nothing that is registered for the exit would run. It does so
    as soon as the last client has its answer, when LiteLLM may not have logged it yet; hence it is given one more task
    to wait for.
    """
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or threading.current_thread() is not threading.main_thread():
        return

    def handle(number: int, frame: Any) -> None:
        try:
            made.hurry()
            _hold(previous, made)
        except Exception:
            _log.warning("the server does not wait for the last records")
        if callable(previous):
            previous(number, frame)
        elif previous == signal.SIG_DFL:
            writer = made._writer
            if writer is not None:
                writer.flush(_LAST_WAIT)
                writer._report(force=True)  # or it would look killed: the thread may not come to it any more
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)


def _hold(handler: Any, made: Hook) -> None:
    """Let the uvicorn server that `handler` belongs to wait until the last records have come."""
    tasks = getattr(getattr(getattr(handler, "__self__", None), "server_state", None), "tasks", None)
    if not isinstance(tasks, set):
        return
    loop = asyncio.get_running_loop()

    def begin() -> None:
        task = loop.create_task(_last_records(made, tasks))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.call_soon_threadsafe(begin)


async def _last_records(made: Hook, tasks: set[asyncio.Task[None]]) -> None:
    """Returns when all other requests have ended and LiteLLM has logged them; a few seconds after their end at most."""
    mine = asyncio.current_task()
    while any(task is not mine for task in tasks):
        await asyncio.sleep(0.05)
    deadline = time.monotonic() + _LAST_WAIT
    with contextlib.suppress(Exception):
        from litellm.litellm_core_utils.logging_worker import (  # type: ignore[import-not-found, unused-ignore]
            GLOBAL_LOGGING_WORKER,
        )

        await asyncio.wait_for(GLOBAL_LOGGING_WORKER.flush(), _LAST_WAIT)
    writer = made.start()
    known, since = writer.offered, time.monotonic()
    while time.monotonic() < min(deadline, since + _QUIET):
        await asyncio.sleep(0.05)
        if writer.offered != known:
            known, since = writer.offered, time.monotonic()


def _install() -> None:
    """What only a gateway's worker needs: it imports this module while its event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not isinstance(hook, Hook) or hook._aside:
        return
    try:
        _at_signal(hook)
        atexit.register(hook.close)
        hook.start()
    except Exception as error:
        _log.error("the hook could not start (%s); it tries again with the first record", type(error).__name__)


_install()
