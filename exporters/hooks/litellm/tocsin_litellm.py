"""Writes every record of a LiteLLM proxy to files, and says so when one is lost.

``callbacks: ["tocsin_litellm.hook"]`` in LiteLLM's configuration turns it on.

It runs inside the gateway, so three rules come before all others: it never raises, it never waits for a disk, and it
never grows without bound. A callback encodes the record and puts the line into a bounded queue; a thread writes.

Each worker process has a file of its own, mode 0600. A line is an envelope::

    {"v":1,"writer":"8f0c...","seq":17,"kind":"attempt","record":{...}}

``seq`` counts what was offered to the queue, from 1. What did not fit has used up its number, so a reader sees the gap;
a line of kind ``dropped`` says why. Lines of other kinds have a ``notice`` instead of a record: ``start``, ``beat``,
``dropped``, ``lost`` (a writer that was killed, told by the next one), ``stop``.

The last number is also kept in memory that outlives the process (/dev/shm). So after ``kill -9`` the next worker can
say how many records the dead one had in its queue. Settings are environment variables; see README.md.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import logging
import mmap
import os
import secrets
import signal
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

try:
    from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found, unused-ignore]
except Exception:  # outside of LiteLLM: for tests and benchmarks
    CustomLogger = object
try:
    import orjson  # LiteLLM's proxy has it; without it the standard library encodes, five times slower
except Exception:
    orjson = None  # type: ignore[assignment, unused-ignore]

__all__ = ["Hook", "LineWriter", "Settings", "hook"]

VERSION = 1
MODES = ("full", "redacted", "hashed", "off")
PLACEHOLDER = "redacted-by-tocsin"

_log = logging.getLogger("tocsin_litellm")
_BATCH = 1 << 20  # bytes written at once
_TICK = 0.5  # seconds between two looks at the clock
_RETRY = 0.25  # seconds after a write that failed
_HEALTH_SIZE = 1024  # bytes; the file keeps its size, so that it can be written when the disk is full
_HELD = 1_000  # records of refused credentials that wait for their address
_HOLD = 5.0  # seconds they wait
_HOLD_URGENT = 1.0  # the same when the process ends
_QUIET = 1.2  # seconds without a record after which none is expected any more
_LAST_WAIT = 5.0  # seconds that a process which ends may wait for the disk
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EINTR))  # after these the file is still good


# ---------------------------------------------------------------------------------------------------------- settings
@dataclass(frozen=True)
class Settings:
    """Sizes in bytes, times in seconds. `from_environment` reads TOCSIN_HOOK_ and the name in capitals."""

    folder: Path = Path("/var/log/tocsin-litellm")
    content: str = "full"
    queue_bytes: int = 64 << 20
    record_bytes: int = 4 << 20
    rotate_bytes: int = 128 << 20
    rotate_seconds: int = 24 * 3600
    keep_bytes: int = 4 << 30
    keep_seconds: int = 7 * 24 * 3600
    beat_seconds: int = 30
    memory: Path = Path("/dev/shm")  # noqa: S108  # shared memory on purpose
    hash_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

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
        for name, known in cls.__dataclass_fields__.items():
            value = env.get(f"TOCSIN_HOOK_{name.upper()}", "")
            if known.type != "int" or not value:
                continue
            if value.isascii() and value.isdigit() and int(value) > 0:
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
                key = Path(path).read_bytes().strip()
                if len(key) < 16:
                    raise ValueError("expected 16 bytes or more")
                found["hash_key"] = key
            except (OSError, ValueError) as error:
                _log.error("TOCSIN_HOOK_HASH_KEY_FILE: %s; hashing with a key of this process", error)
        return cls(**found)


# ---------------------------------------------------------------------------------------------------------- content
def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECORD_FIELDS = _names(
    "id litellm_call_id trace_id session_id call_type cache_hit stream status custom_llm_provider "
    "saved_cache_cost startTime endTime completionStartTime response_time model model_group model_id "
    "response_cost total_tokens prompt_tokens completion_tokens end_user requester_ip_address user_agent "
    "cost_breakdown status_fields api_base cache_key"
)
_METADATA_FIELDS = _names(
    "usage_object requester_ip_address user_agent applied_guardrails user_api_key_hash user_api_key_alias "
    "user_api_key_user_id user_api_key_user_email user_api_key_team_id user_api_key_team_alias "
    "user_api_key_org_id user_api_key_org_alias user_api_key_project_id user_api_key_end_user_id "
    "user_api_key_request_route"
)
_ERROR_FIELDS = _names(
    "error_code error_class llm_provider normalized_error error_rate_limit_category error_rate_limit_type"
)
_REFUSALS = ("No connected db.", "No api key passed in.")
"""What a proxy without a database says of an unknown or missing key, and no 401: the only messages that are kept."""
_GUARDRAIL_FIELDS = _names(
    "guardrail_name guardrail_provider guardrail_mode guardrail_status masked_entity_count start_time end_time "
    "duration risk_score detection_method"
)
_TOOL_FIELDS = _names("name namespaced_tool_name mcp_server_name mcp_session_id")
_STRUCTURE = _names("role type id tool_call_id call_id finish_reason object model status name stop_reason")
_ANSWER = _names("id object model created status finish_reason stop_reason index role type name")
_WHOLE = frozenset(("arguments", "input", "result", "parameters", "json_schema"))
_LONGEST_NAME = 200  # characters
_DEEPEST = 40


class Content:
    """Takes the content out of a record, as far as `mode` says.

    Outside of the mode ``full`` only fields that are known to hold no content are kept, so a field that a later LiteLLM
    adds stays out. ``redacted`` keeps the shape of messages and answers, ``hashed`` adds a keyed hash (HMAC-SHA-256, 32
    digits) and the length of each text, ``off`` keeps of an answer why it ended and which tools it called.
    """

    def __init__(self, mode: str, key: bytes) -> None:
        self.mode = mode
        self._key = key

    def of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record to write; the given one stays as it is."""
        if self.mode == "full":
            return {name: value for name, value in record.items() if name != "model_map_information"}
        found = _only(record, _RECORD_FIELDS)
        metadata = record.get("metadata")
        if isinstance(metadata, Mapping):
            found["metadata"] = kept = _only(metadata, _METADATA_FIELDS)
            if isinstance(tool := metadata.get("mcp_tool_call_metadata"), Mapping):
                kept["mcp_tool_call_metadata"] = _only(tool, _TOOL_FIELDS)
        if isinstance(error := record.get("error_information"), Mapping):
            said = ("error_message",) if error.get("error_message") in _REFUSALS else ()
            found["error_information"] = _only(error, _ERROR_FIELDS.union(said))
        if isinstance(guardrails := record.get("guardrail_information"), list):
            found["guardrail_information"] = [
                _only(guardrail, _GUARDRAIL_FIELDS) for guardrail in guardrails if isinstance(guardrail, Mapping)
            ]
        parameters = record.get("model_parameters")
        if isinstance(parameters, Mapping) and isinstance(tools := parameters.get("tools"), list):
            found["model_parameters"] = {"tools": [_tool(tool) for tool in tools if isinstance(tool, Mapping)]}
        if self.mode == "off":
            found["response"] = _skeleton(record.get("response"), 0)
        else:
            found["messages"] = self._without(record.get("messages"), 0)
            found["response"] = self._without(record.get("response"), 0)
        return found

    def _without(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return None
        if isinstance(value, str):
            return PLACEHOLDER if value else value
        if isinstance(value, (list, tuple)):
            return [self._without(item, depth + 1) for item in value]
        if not isinstance(value, Mapping):
            return value if value is None or isinstance(value, (bool, int, float)) else PLACEHOLDER
        found: dict[str, Any] = {}
        for name, inner in value.items():
            if name in _STRUCTURE and (inner is None or _short(inner)):
                found[name] = inner
                continue
            text = inner if isinstance(inner, str) else _text(inner) if name in _WHOLE and inner else None
            if text is None:
                found[name] = self._without(inner, depth + 1)
                continue
            found[name] = PLACEHOLDER if text else text
            if text and self.mode == "hashed":
                digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
                found[f"{name}_hmac"], found[f"{name}_chars"] = digest[:32], len(text)
        return found


def _only(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name in names}


def _short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _text(value: object) -> str:
    return json.dumps(value, default=str, sort_keys=True)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    found = {name: tool[name] for name in ("type", "name") if _short(tool.get(name))}
    if isinstance(function, Mapping) and _short(function.get("name")):
        found["function"] = {"name": function["name"]}
    return found


def _skeleton(value: Any, depth: int) -> Any:
    """Of an answer only why it ended and which tools it called."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_skeleton(item, depth + 1) for item in value if isinstance(item, Mapping)]
    if not isinstance(value, Mapping):
        return None
    kept = {
        name: inner for name, inner in value.items() if name in _ANSWER and (isinstance(inner, int) or _short(inner))
    }
    for name in ("choices", "message", "tool_calls", "function", "function_call", "output", "content"):
        if isinstance(inner := value.get(name), (list, Mapping)):
            kept[name] = _skeleton(inner, depth + 1)
    return kept


def shortened(value: Any, longest: int, depth: int = 0) -> Any:
    """`value` with strings of more than `longest` characters cut: three quarters from the front, one from the end."""
    if isinstance(value, str) and len(value) > longest:
        return f"{value[: longest * 3 // 4]} [...] {value[-(longest // 4) :]}"
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {str(name): shortened(inner, longest, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [shortened(inner, longest, depth + 1) for inner in value]
    return value


def encode(record: Mapping[str, Any]) -> bytes:
    """JSON on one line; what is no JSON becomes a string, what is nested without end is cut.

    Raises:
        ValueError, TypeError, RecursionError: not even so.
    """
    if orjson is not None:
        try:
            return bytes(orjson.dumps(record, default=_printed, option=orjson.OPT_NON_STR_KEYS))
        except Exception:  # half a surrogate pair, an integer of more than 64 bits, something circular
            _log.debug("a record that only the slow encoder can write")
    try:
        return json.dumps(record, default=_printed, separators=(",", ":")).encode("ascii")
    except (ValueError, TypeError, RecursionError):
        return json.dumps(shortened(record, 100_000), default=_printed, separators=(",", ":")).encode("ascii")


def _printed(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


# ---------------------------------------------------------------------------------------------------------- writing
class _Board:
    """Two numbers in memory that outlives the process: the last that was offered, the last that was written."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.path: Path | None = None
        self._numbers: Any = [0, 0]
        try:
            home = self.home(folder)
            home.mkdir(mode=0o700, exist_ok=True)
            if home.lstat().st_uid != os.getuid() or home.is_symlink():
                return
            path = home / writer
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(file, bytes(mmap.PAGESIZE))  # the page exists from now on: a later store needs no room
                self._numbers = memoryview(mmap.mmap(file, mmap.PAGESIZE)).cast("Q")
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
            data = (cls.home(folder) / writer).read_bytes()[:16]
        except OSError:
            return None
        return (int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")) if len(data) == 16 else None

    def offered(self, number: int) -> None:
        self._numbers[0] = number

    def written(self, number: int) -> None:
        self._numbers[1] = number


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
        self._size, self._opened, self._number = 0, 0.0, 0
        self._closed = False
        self._patience = _LAST_WAIT
        self._started = time.time()
        self._next_beat = self._next_look = self._next_clean = 0.0
        self._reported = 0.0
        self._board = _Board(settings.memory, self.writer)
        notice = {"pid": os.getpid(), "host": socket.gethostname(), "content": settings.content, "version": VERSION}
        self._put_notice("start", notice)
        self._thread = threading.Thread(target=self._run, name="tocsin-litellm", daemon=True)
        self._thread.start()

    @property
    def offered(self) -> int:
        """The last number that was given."""
        return self._seq

    # -------------------------------------------------------------------------------------------- the gateway's side
    def put(self, record: bytes, extra: bytes = b"") -> bool:
        """Queue an encoded record; False when it was dropped, which is counted."""
        with self._lock:
            if self._queued + len(record) > self.settings.queue_bytes:
                self._drop("queue_full")
                return False
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
        while True:
            self._wake.wait(_TICK / 10 if self.urgent else _TICK)
            self._wake.clear()
            try:
                self._turn()
            except OSError as error:
                self._failed(error)
            except Exception:
                _log.exception("the writer of records failed; it goes on")
                time.sleep(_RETRY)

    def _turn(self) -> None:
        now = time.time()
        self._tick()
        if self._closed and not (self._queue or self._pending):
            return
        if self._health < 0:
            self._announce(now)
        if self._unsaid and self._queued < self.settings.queue_bytes:
            with self._lock:
                self._say_drops()
        if now >= self._next_beat and not self.trouble:
            self._next_beat = now + self.settings.beat_seconds
            self._put_notice("beat", {"dropped": sum(self.dropped.values()), "queue_bytes": self._queued})
        self._look_after_file(now)
        while self._queue or self._pending:
            self._look_after_file(time.time())
            self._fill()
            self._write()
            self._report()  # a disk that is only slow may never let this end
        self._report()
        if now >= self._next_clean:
            self._next_clean = now + 60
            self._clean(now)

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
            self.trouble = ""

    def _failed(self, error: OSError) -> None:
        """The disk is full, or worse: say so once, and try again soon. Meanwhile the queue fills."""
        text = error.strerror or type(error).__name__
        news = text != self.trouble
        if news:
            _log.error("cannot write records to %s: %s; they wait in memory", self.settings.folder, text)
        self.trouble = text
        if error.errno not in _FULL:  # that file is done with; a line that was begun is written whole to the next one
            self._let_go()
        self._report(force=news)
        time.sleep(_RETRY)

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._sent = 0
            self._set_aside()

    def _set_aside(self) -> None:
        self._number += 1
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(f"{self.path.name}.{self._number:06d}"))

    def _look_after_file(self, now: float) -> None:
        if self._file >= 0 and not self._sent and now >= self._next_look:
            self._next_look = now + 1
            due = self._size >= self.settings.rotate_bytes or now - self._opened >= self.settings.rotate_seconds
            if not self._still_there() or (self._size and due):
                self._let_go()
        if self._file < 0:
            self.settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._size, self._opened, self._sent = os.fstat(self._file).st_size, now, 0

    def _still_there(self) -> bool:
        """Whether the open file still has its name: somebody may have removed or renamed it."""
        try:
            named, mine = self.path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

    # -------------------------------------------------------------------------------------------- health, and the dead
    def _announce(self, now: float) -> None:
        """Make the health file, hold its lock as a sign of life, and tell what killed writers have lost."""
        self.settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.health_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._health = file
        self._report(force=True)
        for path in sorted(self.settings.folder.glob("litellm-*.health.json")):
            if path != self.health_path:
                try:
                    self._bury(path, now)
                except OSError as error:
                    _log.warning("cannot look at %s: %s", path, error)

    def _bury(self, path: Path, now: float) -> None:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
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
            except (ValueError, KeyError, TypeError):
                path.unlink()  # it died before it had written anything
                return
            if path.name != f"litellm-{writer}.health.json":
                return
            if host != socket.gethostname() and now - updated < 10 * _TICK:
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
        now = time.time()
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
            "updated": round(now, 3),
            "records": self._records,
            "offered": self._seq,
            "written": self._written,
            "dropped": self.dropped,
            "queue_bytes": self._queued,
            "trouble": self.trouble,
        }
        try:
            os.pwrite(self._health, json.dumps(health).ljust(_HEALTH_SIZE - 1).encode() + b"\n", 0)
        except OSError as error:
            self.trouble = self.trouble or (error.strerror or "health file")

    def _clean(self, now: float) -> None:
        """Remove the oldest files, until what is left is neither too much nor too old; never one that is written to."""
        found: list[tuple[float, int, Path]] = []
        for path in self.settings.folder.glob("litellm-*.jsonl*"):
            health = path.with_name(path.name.split(".")[0] + ".health.json")
            try:
                if path.suffix != ".jsonl" or not health.exists():
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
            except OSError:
                continue
        total = sum(size for _, size, _ in found)
        for modified, size, path in sorted(found):
            if total <= self.settings.keep_bytes and now - modified <= self.settings.keep_seconds:
                break
            path.unlink(missing_ok=True)
            total -= size

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent, without touching its files."""
        for file in (self._file, self._health):
            if file >= 0:
                os.close(file)
        self._file = self._health = -1


# ---------------------------------------------------------------------------------------------------------- the hook
class Hook(CustomLogger):  # type: ignore[misc, unused-ignore]
    """LiteLLM's callbacks. `settings` None: those of the environment, read when the first record comes."""

    def __init__(self, settings: Settings | None = None) -> None:
        try:
            super().__init__()
        except Exception:
            _log.exception("LiteLLM's base class failed")
        self._settings = settings
        self._writer: LineWriter | None = None
        self._content = Content("off", b"")
        self._guard = threading.Lock()
        self._held: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._addresses: OrderedDict[str, dict[str, Any]] = OrderedDict()

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
        """A refused request: newer versions of LiteLLM tell the client's address only here."""
        try:
            self._name(request_data)
        except Exception:
            self._trouble()

    # -------------------------------------------------------------------------------------------- what it does
    def start(self) -> LineWriter:
        """The writer of this process."""
        with self._guard:
            if self._writer is None:
                settings = self._settings or Settings.from_environment()
                self._content = Content(settings.content, settings.hash_key)
                self._writer = LineWriter(settings, tick=self._expire)
            return self._writer

    def take(self, kwargs: Any) -> None:
        """Write the record in a callback's arguments, if there is one. Never raises."""
        try:
            payload = kwargs.get("standard_logging_object")
            if not payload:
                return
            call = payload.get("litellm_call_id")
            if _lacks_address(payload) and isinstance(call, str):
                self._hold(call, payload)
            else:
                self._write(payload)
        except Exception:
            self._trouble()

    def hurry(self) -> None:
        """The process ends: from now on a record is on disk before its callback returns."""
        writer = self._writer
        if writer is not None:
            writer.hurry()

    def close(self) -> None:
        """Write what is left. Records that come later are still written."""
        try:
            for _, payload in self._take_held(lambda _deadline: True):
                self._write(payload)
            if self._writer is not None:
                self._writer.close()
        except Exception:
            self._trouble()

    def _write(self, payload: Mapping[str, Any], restored: tuple[str, ...] = ()) -> None:
        writer = self._writer or self.start()
        extra = b',"restored":' + json.dumps(restored).encode() if restored else b""
        try:
            record = self._content.of(payload)
            line = encode(record)
            if len(line) > writer.settings.record_bytes:
                extra += b',"shortened":true'
                line = encode(shortened(record, 8_192))
            if len(line) > writer.settings.record_bytes:
                line = encode(Content("off", b"").of(payload))
        except Exception:
            _log.warning("a record that cannot be encoded; only its outline is written")
            extra += b',"outline":true'
            try:
                line = encode(_outline(payload))
            except Exception:
                writer.drop("unencodable")
                return
        if len(line) > writer.settings.record_bytes:
            writer.drop("unencodable")
            return
        writer.put(line, extra)

    def _hold(self, call: str, payload: Mapping[str, Any]) -> None:
        with self._guard:
            address = self._addresses.pop(call, None)
            if address is None:
                self._held[call] = (time.monotonic() + _HOLD, dict(payload))
                full = self._held.popitem(last=False)[1][1] if len(self._held) > _HELD else None
        if address is not None:
            self._write(*_restored(payload, address))
        elif full is not None:
            self._write(full)
        self.start()

    def _name(self, request_data: Mapping[str, Any]) -> None:
        call, metadata = request_data.get("litellm_call_id"), request_data.get("metadata")
        if not isinstance(call, str) or not isinstance(metadata, Mapping):
            return
        address = {name: metadata.get(name) for name in ("requester_ip_address", "user_agent") if metadata.get(name)}
        with self._guard:
            held = self._held.pop(call, None)
            if held is None and address:
                self._addresses[call] = address
                if len(self._addresses) > _HELD:
                    self._addresses.popitem(last=False)
        if held is not None:
            self._write(*_restored(held[1], address))

    def _take_held(self, due: Callable[[float], bool]) -> Iterator[tuple[float, dict[str, Any]]]:
        with self._guard:
            calls = [call for call, (deadline, _) in self._held.items() if due(deadline)]
            found = [self._held.pop(call) for call in calls]
        yield from found

    def _expire(self) -> None:
        if self._held:
            urgent = self._writer is not None and self._writer.urgent
            now = time.monotonic() + (_HOLD - _HOLD_URGENT if urgent else 0)
            for _, payload in self._take_held(lambda deadline: deadline <= now):
                self._write(payload)

    def _trouble(self) -> None:
        try:
            _log.exception("a record was lost; the gateway goes on")
            (self._writer or self.start()).drop("error")
        except Exception:
            _log.error("records cannot be written")

    def _forked(self) -> None:
        writer, self._writer, self._guard = self._writer, None, threading.Lock()
        self._held.clear()
        if writer is not None:
            writer.forget()


def _lacks_address(payload: Mapping[str, Any]) -> bool:
    error = payload.get("error_information")
    if not isinstance(error, Mapping) or payload.get("requester_ip_address"):
        return False
    return str(error.get("normalized_error")).startswith("401") or error.get("error_message") in _REFUSALS


def _restored(payload: Mapping[str, Any], address: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The record with the address that LiteLLM left out of it, and the names of the fields that were added."""
    missing = {name: value for name, value in address.items() if not payload.get(name)}
    metadata = payload.get("metadata")
    named = {**metadata, **missing} if isinstance(metadata, Mapping) else metadata
    return {**payload, **missing, "metadata": named}, tuple(missing)


def _outline(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a record that cannot be encoded."""
    names = _RECORD_FIELDS - {"cost_breakdown", "status_fields"}
    found = {name: value for name, value in payload.items() if name in names}
    return {name: value for name, value in found.items() if value is None or isinstance(value, (str, int, float))}


hook = Hook()
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
        made.hurry()
        try:
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
    try:
        _at_signal(hook)
        atexit.register(hook.close)
        os.register_at_fork(after_in_child=hook._forked)
        hook.start()
    except Exception:
        _log.exception("the hook could not start; it tries again with the first record")


_install()
