"""A real LiteLLM proxy with the hook inside, and a crowd that asks it everything at once."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from exporters.hooks.litellm import tocsin_litellm
from tests.recordings.backend import Backend
from tests.recordings.plan import CHAT, EMBEDDINGS, Call, Json, Reply
from tests.support.litellm_process import LiteLLMProcess
from tests.support.waiting import PATIENCE

_GATEWAY = Path(__file__).parents[1] / "recordings" / "gateway"
KEY = "sk-one-of-the-company"
KEYS = {KEY: {"user_id": "alice", "team_id": "web", "key_alias": "alice-laptop"}}


class HookedProxy(LiteLLMProcess):
    """LiteLLM with `workers` processes in front of a provider, while it is open; its records are in `records`.

    `callback` None: no hook, for comparison.
    """

    def __init__(
        self,
        folder: Path,
        backend: str,
        *,
        workers: int = 1,
        callback: str | None = "tocsin_litellm.hook",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.records = folder / "records"
        self._callback = callback
        of_hook = {
            "BACKEND_OPENAI": backend + "/v1",
            "BACKEND_AZURE": backend,
            "RECORDING_KEYS": str(folder / "keys.json"),
            "RECORDING_LOG": str(folder / "unused.jsonl"),
            "PYTHONPATH": str(Path(tocsin_litellm.__file__).parent),
            "TOCSIN_HOOK_FOLDER": str(self.records),
            "GRACEFUL_SHUTDOWN_TIMEOUT": "10",
        }
        super().__init__(folder, of_hook | dict(settings or {}), workers=workers)

    def prepare(self) -> None:
        """LiteLLM's configuration, who may call it, and the keys."""
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_GATEWAY / "hooks.py", self._folder / "hooks.py")
        config = (_GATEWAY / "config.yaml").read_text()
        known = "callbacks: [hooks.recorder]"
        assert known in config
        chosen = f'callbacks: ["{self._callback}"]' if self._callback else "callbacks: []"
        (self._folder / "config.yaml").write_text(config.replace(known, chosen))
        (self._folder / "keys.json").write_text(json.dumps(KEYS))

    def ready(self) -> bool:
        """Every worker has made its file."""
        running = [told for told in self.health() if told["state"] == "running"] if self._callback else []
        return self._callback is None or len(running) >= self._workers

    def health(self) -> list[dict[str, Any]]:
        """What each worker says of itself."""
        return [json.loads(path.read_bytes()) for path in self.records.glob("*.health.json")]


# ------------------------------------------------------------------------------------------------ the crowd
@dataclass(slots=True)
class Asked:
    """What became of requests: call ids by kind, of those that were answered whole and of all others."""

    answered: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)

    def count(self) -> dict[str, int]:
        return {kind: len(calls) for kind, calls in self.answered.items()}


_ERROR = Reply(status=500, error=("server_error", "The server had an error"), seconds=0.0)
_ANSWER = Reply(text="A plain answer of some words, as they come.", input_tokens=20, output_tokens=9, seconds=0.02)
_STREAM = Reply(text="word " * 60, input_tokens=20, output_tokens=60, first=0.01, seconds=0.1)
_SLOW = Reply(text="word " * 200, input_tokens=20, output_tokens=200, first=0.01, seconds=2.0)
_TOOLS = Reply(tool_calls=(("read_file", '{"path": "notes.txt"}'),), finish="tool_calls", seconds=0.02)
_TOOL = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}}}

KINDS: dict[str, tuple[str, Json, tuple[Reply, ...], int]] = {
    "chat": (CHAT, {"model": "gpt-4o-mini"}, (_ANSWER,), 200),
    "stream": (CHAT, {"model": "gpt-4o-mini", "stream": True}, (_STREAM,), 200),
    "tools": (CHAT, {"model": "gpt-4o-mini", "tools": [_TOOL]}, (_TOOLS,), 200),
    "embeddings": (EMBEDDINGS, {"model": "text-embedding-3-small"}, (Reply(input_tokens=9, seconds=0.0),), 200),
    "fallback": (CHAT, {"model": "gpt-4o"}, (_ERROR, _ANSWER), 200),
    "error": (CHAT, {"model": "o1"}, (_ERROR,), 500),
    "refused": (CHAT, {"model": "gpt-4o-mini"}, (), 401),
    "blocked": (CHAT, {"model": "gpt-4o-mini"}, (), 400),
    "disconnect": (CHAT, {"model": "gpt-4o-mini", "stream": True}, (_SLOW,), 200),
}
"""Path, body, replies of the provider, and the status that the client gets."""
_SECRET = "the key is AKIAIOSFODNN7EXAMPLE"  # Amazon's example


def crowd(
    proxy: HookedProxy,
    backend: Backend,
    *,
    count: int,
    at_once: int = 50,
    kinds: Sequence[str] = tuple(KINDS),
    stop: threading.Event | None = None,
    seed: int = 1,
    after: Callable[[int], None] = lambda _number: None,
) -> Asked:
    """Ask `count` things, `at_once` of them at the same time, until `stop` is set; `after` is told of each."""
    rng = random.Random(seed)
    asked, lock, local = Asked(), threading.Lock(), threading.local()
    chosen = [rng.choice(kinds) for _ in range(count)]

    def ask(number: int) -> None:
        if stop is not None and stop.is_set():
            return
        kind = chosen[number]
        path, body, replies, status = KINDS[kind]
        call = str(uuid.uuid4())
        text = f"question {call}" + (f": {_SECRET}" if kind == "blocked" else "")
        said = {"input": text} if path == EMBEDDINGS else {"messages": [{"role": "user", "content": text}]}
        key = f"sk-{call}" if kind == "refused" else KEY
        whole = body | said
        backend.expect([Call(at=0, key=key, address="", user_agent="", body=whole, path=path, replies=replies)])
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
        begun = time.perf_counter()
        good = _ask(local.session, proxy.address + path, whole, key, call, kind, status)
        seconds = time.perf_counter() - begun
        with lock:
            (asked.answered if good else asked.others)[kind].append(call)
            asked.seconds.append(seconds)
        after(number)

    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(ask, number) for number in range(count)]:
            done.result()
    return asked


def _ask(session: requests.Session, url: str, body: Json, key: str, call: str, kind: str, expected: int) -> bool:
    """Whether the client got the whole of the answer that it should."""
    headers = {"Authorization": f"Bearer {key}", "x-litellm-call-id": call}
    try:
        with session.post(url, json=body, headers=headers, timeout=PATIENCE, stream=True) as answer:
            if kind == "disconnect":
                next(answer.iter_content(10), b"")
                return False
            data = answer.content
            whole = b"[DONE]" in data if body.get("stream") else bool(data)
            return whole and answer.status_code == expected
    except requests.RequestException:
        return False


def recorded(folder: Path) -> Counter[str]:
    """How many records there are of each call id; of a refused credential, LiteLLM's own id is not that of the client,
    but its key tells."""
    found: Counter[str] = Counter()
    for line in lines_of(folder):
        if line["kind"] == "attempt":
            found[line["record"]["litellm_call_id"]] += 1
            found[line["record"]["metadata"]["user_api_key_hash"]] += 1
    return found


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Every whole line of the hook's files."""
    found = []
    for path in sorted(folder.glob("litellm-*.jsonl*")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                found.append(json.loads(line))
    return found


def _trace(kind: str, call: str) -> str:
    return hashlib.sha256(f"sk-{call}".encode()).hexdigest() if kind == "refused" else call


def missing(asked: Asked, folder: Path) -> list[str]:
    """What was answered whole and has fewer records than attempts, as kind and call id."""
    found = recorded(folder)
    return [
        f"{kind} {call}"
        for kind, calls in asked.answered.items()
        for call in calls
        if found[_trace(kind, call)] < (2 if kind == "fallback" else 1)
    ]
