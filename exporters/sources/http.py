"""The HTTP source: takes posts of records, and answers 2xx only once they are synced to its spool.

What it does before the answer is little: the token, the length, one pass over the JSON, and a sync that it shares with
whoever posts at the same time. A gateway may throw away what it logs while a post is under way, so each millisecond
here can be lost records there. Counting comes later, from the spool.

The head of a request is read before anything is known of the sender (`runtime.bounded_http`); its body only after its
token was found right, and under a limit for one and for all together.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec

from exporters.defaults import MAX_BODY
from exporters.sources.body_parser import ENCODINGS, BodyError, lines_of, unpack
from exporters.sources.chunk import Chunk
from exporters.sources.readers import buffer_of
from exporters.sources.spool import Cursor, Spool, SpoolFullError, SpoolPosition, SpoolSlowError
from exporters.sources.status import Status
from runtime.bounded_http import BoundedHandler, BoundedServer
from runtime.errors import ConfigError

log = logging.getLogger("tocsin")

PATH: Final = "/records"
PATIENCE: Final = 15.0
"""Seconds that a client may take over all of its request."""
AT_ONCE: Final = 64
"""Requests that are served at the same time; later ones wait in the listen queue."""
IN_FLIGHT: Final = 64 * 1024 * 1024
"""Bytes of bodies in memory, all requests together; whoever finds no room waits for it."""
MAX_LINE: Final = 8 * 1024 * 1024
"""Bytes of a record at most; a longer one is passed over and counted, as in a log file."""
LEAST_TOKEN: Final = 16
"""Characters of a token at least."""
WRONG_TOKENS: Final = 10
"""Wrong tokens a second, from everybody together, that get a polite answer."""

SMALL: Final = 1024 * 1024
"""Bytes of a body of unknown length for which there is room at first."""

_CHUNK: Final = 256 * 1024
_LINE: Final = 1_024  # bytes of a line between chunks
_TRAILERS: Final = 32  # lines behind the last chunk
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_TROUBLED: Final = 60.0  # seconds for which a post that could not be kept takes the source down
_RETRY_AFTER: Final = "5"  # seconds
_CODES: Final = ("200", "400", "401", "404", "405", "408", "411", "413", "415", "429", "431", "503")
_REASONS: Final = {
    "not_json": HTTPStatus.BAD_REQUEST,
    "not_records": HTTPStatus.BAD_REQUEST,
    "gzip": HTTPStatus.BAD_REQUEST,
    "zstd": HTTPStatus.BAD_REQUEST,
    "chunks": HTTPStatus.BAD_REQUEST,
    "incomplete": HTTPStatus.BAD_REQUEST,
    "request": HTTPStatus.BAD_REQUEST,
    "failed": HTTPStatus.BAD_REQUEST,
    "token": HTTPStatus.UNAUTHORIZED,
    "token_rate": HTTPStatus.TOO_MANY_REQUESTS,
    "path": HTTPStatus.NOT_FOUND,
    "method": HTTPStatus.METHOD_NOT_ALLOWED,
    "slow": HTTPStatus.REQUEST_TIMEOUT,
    "length": HTTPStatus.LENGTH_REQUIRED,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_many": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "encoding": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "head": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "full": HTTPStatus.SERVICE_UNAVAILABLE,
    "disk": HTTPStatus.SERVICE_UNAVAILABLE,
    "disk_slow": HTTPStatus.SERVICE_UNAVAILABLE,
}


_MOST_TOKEN_BYTES = 65_536


def read_tokens(path: Path) -> tuple[bytes, ...]:
    """The tokens in a file, one a line: several while one replaces another.

    Raises:
        OSError: it cannot be read.
        ConfigError: there is none, or one is too short or cannot be in a header.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_TOKEN_BYTES + 1)
    if len(data) > _MOST_TOKEN_BYTES:
        raise ConfigError(f"{path} has more than {_MOST_TOKEN_BYTES} bytes, expected a few tokens, one a line")
    tokens = tuple(line.strip() for line in data.splitlines() if line.strip())
    if not tokens:
        raise ConfigError(f"{path} is empty, expected a token, for instance from `openssl rand -hex 32`")
    for number, token in enumerate(tokens, 1):
        if len(token) < LEAST_TOKEN or not all(0x21 <= byte <= 0x7E for byte in token):
            text = f"{path}: token {number} is too short or has characters that a header cannot carry"
            raise ConfigError(f"{text}; expected at least {LEAST_TOKEN} printable ones without spaces")
    return tokens


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


class SpoolReader:
    """Reads the spool of a source beside it, for a sink that is behind; see `exporters.sources.Source`."""

    def __init__(self, source: str, spool: Spool, position: SpoolPosition, max_line: int) -> None:
        self.source = source
        self._spool = spool
        self._cursor = Cursor(position)
        self._buffer = buffer_of(max_line)
        self._sequence = 0

    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Hand over what was posted. Raises OSError."""
        chunk = min(piece_bytes or _CHUNK, _CHUNK)
        for start, end, data in self._spool.read(budget_bytes, self._buffer, chunk, self._cursor):
            self._sequence += 1
            yield Chunk(self.source, str(start.segment), start.offset, end, data, self._sequence - 1)

    def positions(self) -> dict[str, object]:
        """How far it has read."""
        return {"spool": self._cursor.at}

    def status(self) -> Status:
        """What waits for it, and what it could not read."""
        unread = self._spool.unread_of(self._cursor)
        return Status(self.source, up=True, unread_bytes=unread, bytes_lost=self._cursor.lost)

    def close(self) -> None:
        """Nothing is held."""


class HttpSource:
    """Listens on `address` until `close`; whoever posts has to know one of `tokens`. Sizes are bytes.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        source: str,
        address: tuple[str, int],
        tokens: tuple[bytes, ...],
        spool: Spool,
        *,
        max_body: int = MAX_BODY,
        max_line: int = MAX_LINE,
        patience: float = PATIENCE,
    ) -> None:
        self.source = source
        self.spool = spool
        self.max_body = max_body
        self.max_line = max_line
        self.room = _Room(max(IN_FLIGHT, max_body))
        self._tokens = tuple(map(_digest, tokens))
        self._buffer = buffer_of(max_line)
        self._sequence = 0
        self._counts = threading.Lock()
        self._answers = dict.fromkeys(_CODES, 0)
        self._refused = dict.fromkeys(_REASONS, 0)
        self._too_long = 0
        self._wrong = _Bucket(WRONG_TOKENS)
        self._trouble, self._troubled = "", 0.0  # what, and when last
        self._unreadable = ""
        handler = type("Handler", (_Handler,), {"source": self, "patience": patience})
        self._server = BoundedServer(address, handler, at_once=AT_ONCE)
        self._server.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._server.address

    # ------------------------------------------------------------------------------------------------ the source
    def read(self, budget_bytes: int, *, now: float, piece_bytes: int | None = None) -> Iterator[Chunk]:
        """Hand over what was posted; see `exporters.sources.Source`."""
        try:
            for start, end, data in self.spool.read(budget_bytes, self._buffer, min(piece_bytes or _CHUNK, _CHUNK)):
                self._sequence += 1
                yield Chunk(self.source, str(start.segment), start.offset, end, data, self._sequence - 1)
            self._unreadable = ""
        except OSError as error:
            self._unreadable = f"the spool cannot be read: {error.strerror}"

    def positions(self) -> dict[str, object]:
        """How far the spool was read."""
        return {"spool": self.spool.position}

    def saved(self, positions: Mapping[str, object]) -> None:
        """Let the spool forget what was counted."""
        position = positions["spool"]
        if isinstance(position, SpoolPosition):
            self.spool.saved(position)

    def rewind(self, positions: Mapping[str, object] | None) -> None:
        """Read the spool on from there again; None: from where it was read first."""
        position = (positions or {}).get("spool")
        self.spool.rewind(position if isinstance(position, SpoolPosition) else None)

    @property
    def crowded(self) -> bool:
        """The spool is more than half full, so it can wait for no sink any more: new posts come first."""
        return self.spool.size > self.spool.limit // 2

    def reader(self, positions: Mapping[str, object]) -> SpoolReader:
        """Another reader of what was posted, from these positions on."""
        position = positions.get("spool")
        return SpoolReader(
            self.source, self.spool, position if isinstance(position, SpoolPosition) else SpoolPosition(), self.max_line
        )

    def status(self) -> Status:
        """How it is doing."""
        recent = time.monotonic() - self._troubled < _TROUBLED
        reason = self._unreadable or (self._trouble if recent else "")
        with self._counts:
            return Status(
                source=self.source,
                up=not reason,
                reason=reason,
                unread_bytes=self.spool.unread,
                files=0,
                open_files=0,
                partial_lines=0,
                partial_bytes=0,
                bytes_lost=self.spool.lost,
                bytes_skipped=0,
                lines_too_long=self._too_long,
                problems=(reason,) if reason else (),
                answers=dict(self._answers),
                refused=dict(self._refused),
                spool_bytes=self.spool.size,
            )

    def close(self) -> None:
        """Take no more posts. What was taken stays in the spool."""
        self._server.stop()
        self.spool.close()

    # ------------------------------------------------------------------------------------------------ posts
    def knows(self, authorization: list[str]) -> bool:
        """Whether these values of the header hold one right token.

        Digests of one length are compared, with every token, whatever is presented: the time says neither how much of a
        token is right, nor how long it is, nor which one it was.
        """
        scheme, _, token = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
        presented = _digest(token.strip().encode("latin-1"))
        right = [hmac.compare_digest(presented, known) for known in self._tokens]
        return sum(right) > 0 and scheme.lower() == "bearer"

    def polite(self) -> bool:
        """Whether another wrong token gets more than a closed connection."""
        return self._wrong.allows()

    def count(self, code: int, reason: str = "", too_long: int = 0) -> None:
        """An answer was given."""
        with self._counts:
            self._answers[str(code)] = self._answers.get(str(code), 0) + 1
            self._too_long += too_long
            if reason:
                self._refused[reason] += 1

    def keep(self, lines: bytes) -> str:
        """Put lines into the spool; why that failed, or nothing."""
        try:
            self.spool.append(lines)
        except SpoolFullError:
            return self._say("full", "the spool is full; records are refused until stored ones are counted and saved")
        except SpoolSlowError:
            return self._say("disk_slow", "the disk of the spool is too slow; records are refused")
        except OSError as error:
            return self._say("disk", f"cannot write to the spool: {error.strerror}; records are refused")
        if self._trouble:
            self._trouble = ""
            log.info("source %s: records are accepted again", self.source)
        return ""

    def _say(self, reason: str, text: str) -> str:
        if text != self._trouble:
            log.error("source %s: %s", self.source, text)
        self._trouble, self._troubled = text, time.monotonic()
        return reason


class _RefusedError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Handler(BoundedHandler):
    source: HttpSource
    method = "POST"

    def serve(self) -> None:
        """Take a post of records."""
        source = self.source
        try:
            self._admit()
            encoding = self.head.get("Content-Encoding", "identity").lower()
            if encoding not in ("identity", *ENCODINGS):
                raise _RefusedError("encoding")
            with ExitStack() as held:
                packed = encoding in ENCODINGS
                chunked = bool(self.head.all("Transfer-Encoding"))
                body = self._chunked(held, packed=packed) if chunked else self._whole(held, packed=packed)
                if packed:
                    body = unpack(body, source.max_body, encoding)
                lines, too_long = lines_of(body, max_line=source.max_line)
                if lines and (reason := source.keep(lines)):
                    raise _RefusedError(reason)
        except (_RefusedError, BodyError) as refused:
            self.refuse(_REASONS[refused.reason], refused.reason)
            return
        except (OSError, TimeoutError):
            raise  # the connection's
        except Exception as error:
            log.error(
                "source %s: a post was refused, as reading it failed with %s", source.source, type(error).__name__
            )
            self.refuse(_REASONS["failed"], "failed")
            return
        self.source.count(HTTPStatus.OK, too_long=too_long)
        self.answer(HTTPStatus.OK, b"{}", "application/json")

    def _admit(self) -> None:
        if self.head.path != PATH:
            raise _RefusedError("path")
        if not self.source.knows(self.head.all("Authorization")):
            raise _RefusedError("token" if self.source.polite() else "token_rate")

    def _whole(self, held: ExitStack, *, packed: bool) -> bytes:
        """A body whose length is stated."""
        length = self._length()
        beside = self.source.max_body if packed else length
        held.enter_context(self.source.room.hold(length + beside, self.patience))
        self.proceed()
        return self._read(length)

    def _length(self) -> int:
        stated = self.head.all("Content-Length")
        if len(stated) != 1:
            raise _RefusedError("length")
        text = stated[0]
        if not (text.isascii() and text.isdigit()):
            raise _RefusedError("length")
        if len(text) > 18 or int(text) > self.source.max_body:
            raise _RefusedError("too_large")
        return int(text)

    def _chunked(self, held: ExitStack, *, packed: bool) -> bytes:
        """A body in chunks (RFC 9112, 7.1). Room for a small one is enough until it grows beyond that."""
        most = self.source.max_body
        coded = [value.lower() for value in self.head.all("Transfer-Encoding")]
        if coded != ["chunked"] or self.head.all("Content-Length") or not self.head.newer:
            raise _RefusedError("length")  # two readers could see two requests
        small = min(SMALL, most)
        first = small + (most if packed else small)
        held.enter_context(self.source.room.hold(first, self.patience))
        self.proceed()
        body = bytearray()
        grown = False
        while length := self._chunk_size():
            if len(body) + length > most:
                raise _RefusedError("too_large")
            if len(body) + length > small and not grown:
                grown = True
                held.enter_context(self.source.room.hold_more(2 * most, first, self.patience))
            body += self._read(length)
            if self._line(2) != b"":
                raise _RefusedError("chunks")
        for _ in range(_TRAILERS):
            if not self._line(_LINE):
                return bytes(body)
        raise _RefusedError("chunks")

    def _chunk_size(self) -> int:
        digits = self._line(_LINE).partition(b";")[0].strip(b" \t")
        if not _HEX.fullmatch(digits):
            raise _RefusedError("chunks")
        return int(digits, 16)

    def _line(self, most: int) -> bytes:
        """The rest of a line, of at most so many bytes, without its end."""
        try:
            line = self.body.readline(most)
        except ConnectionError:
            raise _RefusedError("incomplete") from None
        if not line.endswith(b"\r\n"):
            raise _RefusedError("chunks" if len(line) == most or line.endswith(b"\n") else "incomplete")
        return line[:-2]

    def _read(self, length: int) -> bytes:
        try:
            body = self.body.read(length)
        except ConnectionError:
            raise _RefusedError("incomplete") from None
        if len(body) < length:
            raise _RefusedError("incomplete")
        return body

    def refuse(self, status: HTTPStatus, reason: str, *, linger: bool = True, **headers: str) -> None:
        """Refuse, and count it."""
        self.source.count(status, reason)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW_Authenticate"] = "Bearer"
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry_After"] = _RETRY_AFTER
        super().refuse(status, reason, linger=linger and reason != "token_rate", **headers)

    @classmethod
    def dropped(cls, status: HTTPStatus, reason: str) -> None:
        """Count a client that was refused before its request was looked at."""
        cls.source.count(status, reason)


class _Room:
    """Bytes of memory that requests share."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    def hold(self, size: int, patience: float) -> AbstractContextManager[None]:
        """Hold `size` bytes, of all there are at most; waits `patience` seconds for them.

        Raises:
            _RefusedError: there was no room in time.
        """
        return self.hold_more(size, 0, patience)

    @contextmanager
    def hold_more(self, size: int, held: int, patience: float) -> Iterator[None]:
        """Hold so much more that with what is `held` already it is `size`; see `hold`."""
        size = max(0, min(size, self._size) - min(held, self._size))
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= size, patience):
                raise _RefusedError("busy")
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


class _Bucket:
    """Allows so many a second, on average and at once."""

    def __init__(self, rate: float) -> None:
        self._rate = self._left = rate
        self._then = time.monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._left = min(self._rate, self._left + (now - self._then) * self._rate)
            self._then = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


def position_of(saved: Mapping[str, Any] | None) -> SpoolPosition | None:
    """The position in what was saved of a source; None when there is none.

    Raises:
        ValueError: it is none.
    """
    plain = saved.get("spool") if saved else None
    return msgspec.convert(plain, SpoolPosition) if isinstance(plain, dict) and "segment" in plain else None
