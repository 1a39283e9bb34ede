"""What an editor shows for a YAML file: the real yaml-language-server, asked as an editor asks it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_PACKAGE: Final = "yaml-language-server@1.24.0"
_SECONDS: Final = 60.0
_YAML: Final = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}

Json = dict[str, Any]


class EditorMissing(Exception):
    """The language server is not on this machine. The message says what to do."""


def find() -> Path:
    """The program: on PATH, in the cache, or with CI=true fetched into it.

    Raises:
        EditorMissing: it is not there, or needs a Node that is not.
    """
    if shutil.which("node") is None:
        raise EditorMissing("there is no node on PATH, which yaml-language-server runs in")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin" / "yaml-language-server"
    in_cache = cache / "node_modules" / ".bin" / "yaml-language-server"
    if on_path := shutil.which("yaml-language-server"):
        return Path(on_path)
    npm = shutil.which("npm")
    if not in_cache.exists() and os.environ.get("CI") == "true" and npm:
        cache.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=0", "--prefix", str(cache), _PACKAGE]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=120, check=False)
    if in_cache.exists():
        return in_cache
    raise EditorMissing(f"yaml-language-server is not on PATH: run `npm install --prefix {cache} {_PACKAGE}` once")


class Editor:
    """The language server, with one document after the other open in it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._inbox: queue.Queue[Json] = queue.Queue()
        self._diagnostics: dict[str, list[Json]] = {}
        self._asked = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        support = {
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        root = {"processId": os.getpid(), "rootUri": self._folder.as_uri(), "capabilities": support}
        self._ask("initialize", root)
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def problems(self, text: str) -> list[tuple[int, str]]:
        """What is marked in a text: lines, from 1, and messages."""
        uri = self._open(text)
        while uri not in self._diagnostics:
            self._take(self._inbox.get(timeout=_SECONDS))
        return [(found["range"]["start"]["line"] + 1, found["message"]) for found in self._diagnostics[uri]]

    def offered(self, text: str) -> dict[str, tuple[str, str]]:
        """What is offered where ``|`` stands in a text: what each choice inserts, and what is said of it."""
        answer = self._at("textDocument/completion", text)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {item["label"]: (item.get("insertText", ""), _text(item.get("documentation"))) for item in items}

    def hover(self, text: str) -> str:
        """What is shown about the word in which ``|`` stands."""
        answer = self._at("textDocument/hover", text)
        return _text(answer["contents"]).replace("\\", "") if answer else ""

    # ------------------------------------------------------------------------------------------------- the protocol
    def _at(self, method: str, text: str) -> Any:
        before, _, after = text.partition("|")
        place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        return self._ask(method, {"textDocument": {"uri": self._open(before + after)}, "position": place})

    def _open(self, text: str) -> str:
        path = self._folder / f"document-{self._asked}.yaml"
        self._asked += 1
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return path.as_uri()

    def _ask(self, method: str, params: Json) -> Any:
        self._asked += 1
        number = self._asked
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._inbox.get(timeout=_SECONDS)
            if message.get("id") == number and "method" not in message:
                return message.get("result")
            self._take(message)

    def _take(self, message: Json) -> None:
        """What the server tells, or asks its editor for: the settings."""
        params = message.get("params", {})
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[params["uri"]] = params["diagnostics"]
        elif "id" in message and "method" in message:
            items = params.get("items", ()) if isinstance(params, Mapping) else ()
            told = [_YAML if item.get("section") == "yaml" else None for item in items]
            self._send({"id": message["id"], "result": told or None})

    def _send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            self._inbox.put(json.loads(stream.read(length)))


def _text(found: Any) -> str:
    return str(found.get("value", "")) if isinstance(found, Mapping) else str(found or "")
