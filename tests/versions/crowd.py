"""The crowd asks LiteLLM of one version. What comes, by the hook and by posts, is read as the exporter reads it."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from exporters.sources.http import HttpSource
from exporters.sources.spool import Spool
from tests.events.gateways.samples import decode, rows
from tests.support.litellm_process import LiteLLMProcess
from tests.versions.cases import ALICE, CASES, GATEWAYS_OWN, Case
from tests.versions.loading import LOADS, MODULE, SHIM, load
from tests.versions.provider import MARK, Provider

Json = dict[str, Any]

HOOK: Final = "hook"
POSTS: Final = "posts"
WAYS: Final = (HOOK, POSTS)
NO_POSTS: Final = frozenset({"1.74.3"})
"""There the callback `generic_api` belongs to LiteLLM's paid edition and posts nothing without its licence."""

_GATEWAY: Final = Path(__file__).parent / "gateway"
_TOKEN: Final = "token-of-the-crowd"
_MASTER: Final = "sk-master-of-the-crowd"
_LAST: Final = "last"
_FLUSH: Final = "flush"
_MORE: Final = frozenset({_LAST, _FLUSH})
"""Requests beside the cases: one whose record shows that LiteLLM has got round to logging, one that lets it post."""
_AT_ONCE: Final = 8
_PATIENCE: Final = 300.0
"""Seconds for which a client waits, or nothing new may come: far more than any machine needs."""
_QUIET: Final = 4.0
"""Seconds without anything new after which all has come: a broken stream has no last record to wait for."""


@dataclass(slots=True)
class Seen:
    """What one version did: the status that each case got, and the attempts read, by way and case.

    Attempts that belong to no case have the name "". `damaged` are lines that could not be read, by way.
    """

    version: str
    statuses: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, dict[str, list[Json]]] = field(default_factory=dict)
    damaged: dict[str, list[str]] = field(default_factory=dict)
    fields_dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)
    """What was wrong when the hook was loaded, by way of loading."""
    outputs: str = ""

    def rows(self, way: str, case: str) -> list[Json]:
        """The attempts of a case that came one way, each once."""
        found = self.attempts[way].get(case, [])
        return [*{row["event_id"]: row for row in found}.values()]


class CrowdProxy(LiteLLMProcess):
    """LiteLLM for the crowd, with posts to `posts`.

    With custom auth the hook comes by a file of one line, without it as a copied file: the ways that every version has.
    """

    def __init__(self, folder: Path, provider: str, posts: str, *, version: str, custom_auth: bool) -> None:
        self.records = folder / "records"
        self._posts = posts
        self._custom_auth = custom_auth
        settings = {
            "PROVIDER": provider,
            "LITELLM_MASTER_KEY": _MASTER,
            "TOCSIN_HOOK_FOLDER": str(self.records),
            "TOCSIN_HOOK_MEMORY": str(folder),
            "DEFAULT_FLUSH_INTERVAL_SECONDS": "36000",  # never by the clock: see guards.py
        }
        if custom_auth:
            settings["PYTHONPATH"] = str(MODULE.parent)
        super().__init__(folder, settings, version=version)

    def prepare(self) -> None:
        """The configuration of this version."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in ("entry.py", "guards.py"):
            shutil.copyfile(_GATEWAY / name, self._folder / name)
        (self._folder / "tocsin_hook.py").write_text(SHIM if self._custom_auth else MODULE.read_text())
        config = yaml.safe_load((_GATEWAY / "config.yaml").read_text())
        config["litellm_settings"]["callbacks"] = ["tocsin_hook.hook"]
        if not self._custom_auth:
            del config["general_settings"]["custom_auth"]
        if self.version not in NO_POSTS:
            config["litellm_settings"]["callbacks"].append("posts")
            config["callback_settings"] = {
                "posts": {
                    "callback_type": "generic_api",
                    "endpoint": self._posts,
                    "headers": {"Authorization": f"Bearer {_TOKEN}"},
                }
            }
        (self._folder / "config.yaml").write_text(yaml.safe_dump(config))

    def written(self) -> str:
        """What the hook has written so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.records.glob("*.jsonl")))

    def ready(self) -> bool:
        """The hook has made its file."""
        return any(self.records.glob("*.health.json"))


def ask_everything(folder: Path, version: str, cases: Sequence[Case] = CASES) -> Seen:
    """Start LiteLLM, ask all cases, end it, and read what was written and posted."""
    seen = Seen(version, loaded={how: load(folder / how, version, how) for how in LOADS})
    arrived: dict[str, list[bytes]] = {HOOK: [], POSTS: []}
    with Provider() as provider:
        for custom_auth in (True, False):
            home = folder / ("custom-auth" if custom_auth else "master-key")
            source = HttpSource("posts", ("127.0.0.1", 0), (_TOKEN.encode(),), Spool(home / "spool", limit=1 << 30))
            posts = "http://{}:{}/records".format(*source.address)
            proxy = CrowdProxy(home, provider.address, posts, version=version, custom_auth=custom_auth)
            with proxy:
                _ask_all(proxy.address, [case for case in cases if case.custom_auth == custom_auth], seen)
                key = ALICE if custom_auth else _MASTER
                _settle(proxy, key)
                if version not in NO_POSTS:
                    _more(proxy.address, key, _FLUSH, "guard=pre-flush")
            arrived[HOOK] += [path.read_bytes() for path in sorted(proxy.records.glob("*.jsonl"))]
            arrived[POSTS] += [bytes(chunk.data) for chunk in source.read(1 << 40, now=0.0)]
            source.close()
            seen.outputs += proxy.said()
    owners = _Owners(cases)
    for way, parts in arrived.items():
        batch = decode(b"".join(parts))
        seen.damaged[way] = [reject.reason for reject in batch.rejects]
        seen.fields_dropped[way] = dict(batch.dropped_fields)
        found: dict[str, list[Json]] = {}
        for row in rows(batch):
            if (owner := owners.of(row["raw"])) not in _MORE:
                found.setdefault(owner, []).append(row)
        seen.attempts[way] = found
    return seen


class _Owners:
    """Which case a record is of: its words tell, else the key, else its call id."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._names = {case.name for case in cases} | _MORE
        self._keys = {hashlib.sha256(case.key.encode()).hexdigest(): case.name for case in cases if case.refused}

    def of(self, raw: bytes) -> str:
        record = json.loads(raw)
        record = record.get("record", record)
        for part in ("messages", "response", "error_information"):
            found = MARK.search(json.dumps(record.get(part)))
            if found and found[1] in self._names:
                return found[1]
        return self._keys.get((record.get("metadata") or {}).get("user_api_key_hash") or "", "")


def _ask_all(address: str, cases: Sequence[Case], seen: Seen) -> None:
    """Ask several at a time; those of one group that share a limit come one after the other."""
    local = threading.local()

    def ask(together: Sequence[Case]) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        for case in together:
            seen.statuses[case.name] = _ask(local.session, address, case)

    limited = [case for case in cases if case.group == "limit"]
    turns = [[case] for case in cases if case.group != "limit"] + ([limited] if limited else [])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(ask, turn) for turn in turns]:
            done.result()


def _ask(session: requests.Session, address: str, case: Case) -> int:
    key = _MASTER if case.key == GATEWAYS_OWN else case.key
    headers: Mapping[str, str] = case.headers | ({} if case.keyless else {"Authorization": f"Bearer {key}"})
    try:
        with session.post(
            address + case.path, json=case.body, headers=headers, timeout=_PATIENCE, stream=case.hang_up
        ) as answer:
            if case.hang_up:
                next(answer.iter_content(10), b"")
            return answer.status_code
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError):
        return 0  # the gateway broke off, as its provider did


def _more(address: str, key: str, name: str, text: str = "") -> None:
    body = {"model": "answers", "messages": [{"role": "user", "content": f"case={name} {text}"}]}
    headers = {"Authorization": f"Bearer {key}"}
    requests.post(address + "/v1/chat/completions", json=body, headers=headers, timeout=_PATIENCE).raise_for_status()


def _settle(proxy: CrowdProxy, key: str) -> None:
    """Wait until the record of a last request has come, and then nothing new any more."""
    _more(proxy.address, key, _LAST)
    deadline = time.monotonic() + _PATIENCE
    while f"case={_LAST}" not in proxy.written() and time.monotonic() < deadline:
        time.sleep(0.1)
    before, since = proxy.written(), time.monotonic()
    while time.monotonic() - since < _QUIET and time.monotonic() < deadline:
        time.sleep(0.1)
        if (now := proxy.written()) != before:
            before, since = now, time.monotonic()
