"""docs/gateways/litellm.md is done as it stands there: from nothing to a page, by the hook and by posts.

Changed is only what a test has to change: folders, addresses, and 15 s between two scrapes become one. The hook is not
installed but put on LiteLLM's path.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from exercises.programs import package_root
from exercises.servers import free_port
from tests.conftest import RealServer
from tests.support.litellm_versions import OLDEST, PINNED, VERSIONS, environment, need
from tests.support.pages import ROOT, Block, blocks, section
from tests.support.waiting import PATIENCE, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]

_GATEWAYS: Final = ROOT / "docs" / "gateways"
_HOOK: Final = ROOT / "exporters" / "hooks" / "litellm"
_PORTS: Final = ("4000", "9877", "9878", "9090", "9093", "5001")
_PORT: Final = re.compile(rf"(?:(?<=:)|(?<=-port ))(?:{'|'.join(_PORTS)})\b")
_FOLDERS: Final = ("etc", "tmp", "var")
_ADDED: Final = {  # an address for what the page leaves at its default
    "prometheus": " --web.listen-address=127.0.0.1:9090",
    "alertmanager": " --web.listen-address=127.0.0.1:9093 --cluster.listen-address=",
    "listen": " --port 5001",
}
_READY: Final = {
    "litellm": "127.0.0.1:4000/health/liveliness",
    "export": "127.0.0.1:9877/-/ready",
    "prometheus": "127.0.0.1:9090/-/ready",
    "alertmanager": "127.0.0.1:9093/-/ready",
}
_SERVER: Final = re.compile(
    r"(?:\.venv/bin/tocsin |\.venv/bin/python -m exercises\.)?(litellm|export|tail|listen|prometheus|alertmanager)\b"
)
_ACCOUNT: Final = re.compile(r"a-[0-9a-f]{12}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}")


LONG: Final = pytest.mark.skipif(
    os.environ.get("TOCSIN_SOAK") != "1", reason="`make long` runs this version: set TOCSIN_SOAK=1"
)


class Walk:
    """Does what a page says, in a folder of its own, until it is closed."""

    def __init__(self, folder: Path, real_server: RealServer, *, callback: str, version: str) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        programs = {name: real_server(name) for name in ("prometheus", "promtool", "alertmanager", "amtool")}
        self._programs = {**programs, "litellm": environment(version) / "bin" / "litellm"}
        self._key = "sk-" + secrets.token_hex(32)
        self._ports = {port: str(free_port()) for port in _PORTS}
        self._changes = {
            **{f"/{name}/": f"{folder}/{name}/" for name in _FOLDERS},
            'LITELLM_MASTER_KEY="sk-$(openssl rand -hex 32)"': f"LITELLM_MASTER_KEY={self._key}",
            "sudo ": "",
            ".venv/bin/": f"{Path(sys.executable).parent}/",
            "settings:\n": "settings:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n",
            "scrape_interval: 15s": "scrape_interval: 1s",
            "spec: [overlay.yaml]": f"spec: [overlay.yaml]\nlisten: 127.0.0.1:{self._ports['9877']}",
            "tocsin_litellm.hook": callback,
        }
        self._env = {
            "HOME": os.environ["HOME"],
            "PATH": os.environ["PATH"],
            "USER": getpass.getuser(),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": self._key,
            "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
            "PYTHONPATH": str(_HOOK),
            "TOCSIN_HOOK_FOLDER": f"{folder}/var/log/tocsin-litellm",  # as /var/log is not that of the page
            "TOCSIN_HOOK_MEMORY": str(folder),
        }
        for name in _FOLDERS:
            (folder / name).mkdir()

    def here(self, text: str) -> str:
        """A text of the page with the folders and addresses of this walk."""
        text = _PORT.sub(lambda found: self._ports[found[0]], text)
        known = "|".join(re.escape(ours) for ours in self._changes)
        return re.sub(known, lambda found: self._changes[found[0]], text)

    def do(self, block: Block) -> str:
        """Write the file that a block is, or run its commands; what they printed. The last one may be a server."""
        if block.language == "yaml":
            named = re.match(r"# (\S+)\n", block.text)
            assert named, block.text
            (self._folder / self.here(named[1])).write_text(self.here(block.text))
            return ""
        if block.language != "sh" or block.text.startswith("pip install "):
            return ""
        *before, last = block.text.rstrip("\n").split("\n")
        exports = "\n".join(line for line in before if line.startswith("export "))
        server = _server(last)
        printed = self._run("\n".join(before if server else [*before, last]))
        if server:
            command = last.partition(" #")[0].rstrip() + _ADDED.get(server, "")
            self._start(server, f"{exports}\nexec {command}")
        return printed

    def _run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._on_this_machine(script)],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _start(self, server: str, script: str) -> None:
        # Debian's Alertmanager finds its templates only from where its package was unpacked.
        folder = package_root(self._programs["alertmanager"]) if server == "alertmanager" else None
        with (self._folder / f"{server}.log").open("ab") as output:
            self._running[server] = subprocess.Popen(
                ["bash", "-c", self._on_this_machine(script)],
                cwd=folder or self._folder,
                env=self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if address := _READY.get(server):
            self.wait(lambda: _answers(self.here(address)), server)

    def _on_this_machine(self, script: str) -> str:
        """The script for this walk, with the programs that were found, which need not be on the PATH."""
        script = self.here(script)
        for name, path in self._programs.items():
            script = re.sub(rf"^(exec )?{name} ", rf"\g<1>{path} ", script, flags=re.MULTILINE)
        return script

    def printed(self, server: str) -> str:
        """What one of the running programs has printed."""
        return (self._folder / f"{server}.log").read_text(errors="replace")

    def wait(self, happened: Callable[[], bool], server: str) -> None:
        """Until something has happened that a server causes."""

        def has() -> bool:
            assert self._running[server].poll() is None, f"{server}: {self.printed(server)[-3000:]}"
            return happened()

        wait_for(has, f"what {server} is to do does not happen", progress=lambda: self.printed(server))

    def interrupt(self, server: str) -> int:
        """Ctrl-C; the exit status."""
        self._running[server].send_signal(signal.SIGINT)
        return self._running[server].wait(PATIENCE)

    def close(self) -> None:
        """End what runs."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _server(command: str) -> str:
    """The name of a command that goes on until it is stopped; "" for any other."""
    named = _SERVER.match(command)
    return named[1] if named else ""


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}", timeout=PATIENCE).ok
    except requests.RequestException:
        return False


@contextmanager
def walk(folder: Path, real_server: RealServer, *, callback: str, version: str = PINNED) -> Iterator[Walk]:
    need(version)
    made = Walk(folder, real_server, callback=callback, version=version)
    try:
        yield made
    finally:
        made.close()


def steps() -> list[Block]:
    """The blocks of the way from nothing to a page."""
    return list(blocks(section((_GATEWAYS / "litellm.md").read_text(), "From nothing to a page")))


def masked(text: str) -> str:
    """A text in which accounts and times are all the same, and all white space too."""
    return " ".join(_TIME.sub("TIME", _ACCOUNT.sub("ACCOUNT", text)).split())


@pytest.mark.parametrize(
    "version", [PINNED, *(pytest.param(version, marks=LONG) for version in (OLDEST, VERSIONS[-1]) if version != PINNED)]
)
def test_the_steps_of_the_page_end_in_a_page_by_the_hook(version: str, tmp_path: Path, real_server: RealServer) -> None:
    samples = [block.text for block in steps() if block.language == "console"]
    callback = "tocsin_litellm.hook"
    if version == OLDEST:  # as the head of the page says
        text = (_GATEWAYS / "litellm.md").read_text()
        shim, callback = "from tocsin_litellm import hook", "tocsin_hook.hook"
        assert f"`{shim}`" in text and f"`{callback}`" in text
        (tmp_path / "tocsin_hook.py").write_text(shim + "\n")
    with walk(tmp_path, real_server, callback=callback, version=version) as walker:
        shown = ""
        for block in steps():
            text = block.text
            if "tocsin who " in block.text:  # the attack is over: its page comes before one can ask who it was
                walker.wait(lambda: masked(samples[-1]) in masked(walker.printed("listen")), "listen")
                (account,) = set(_ACCOUNT.findall(walker.printed("listen")))
                text = _ACCOUNT.sub(account, text)
            shown += walker.do(Block(block.language, text))
            if "tocsin tail " in block.text:
                walker.wait(lambda: "gpt-4o-mini" in walker.printed("tail"), "tail")
                assert walker.interrupt("tail") == 0
        (first, *_) = samples
        head, row = walker.printed("tail").splitlines()[1:3]
        assert set(first.split()) >= {"ok", "gpt-4o-mini"} and {"ok", "gpt-4o-mini"} <= set(row.split())
        assert set(first.splitlines()[1].split()) <= set(head.split())
    assert "default_user_id" in shown
    assert "1 page in 1 shift" in shown
    assert "LLMJailbreakRepeated" in (tmp_path / "report.html").read_text()


def test_the_same_by_posts(tmp_path: Path, real_server: RealServer) -> None:
    token, source, gateway = blocks(section((_GATEWAYS / "http.md").read_text(), "Turn it on"))
    with walk(tmp_path, real_server, callback="tocsin") as walker:
        for block in steps():
            if "# config.yaml" in block.text:
                block = Block("yaml", block.text.rstrip() + "\n" + _settings(gateway))
            elif "# /etc/tocsin/tocsin.yaml" in block.text:
                block = Block("yaml", "# /etc/tocsin/tocsin.yaml\n" + _with_sources(block, source))
            elif block.text.startswith("export LITELLM_MASTER_KEY"):
                block = Block("sh", token.text + block.text)
            elif "tocsin tail " in block.text or "tocsin who " in block.text:  # these read files
                continue
            walker.do(block)
        page = "https://wiki.example.org/tocsin/runbooks/LLMJailbreakRepeated.md"
        walker.wait(lambda: page in walker.printed("listen"), "listen")


def _settings(gateway: Block) -> str:
    """What the page about posts adds to LiteLLM's configuration, without the list of callbacks."""
    told: dict[str, Any] = yaml.safe_load(gateway.text)
    assert list(told) == ["litellm_settings", "callback_settings"]
    assert told["litellm_settings"]["callbacks"] == list(told["callback_settings"]) == ["tocsin"]
    return yaml.safe_dump({"callback_settings": told["callback_settings"]})


def _with_sources(config: Block, source: Block) -> str:
    """The exporter's configuration with the sources of the page about posts instead of its own."""
    own, theirs = yaml.safe_load(config.text), yaml.safe_load(source.text)
    assert list(theirs) == ["sources"]
    return yaml.safe_dump({"state_folder": own["state_folder"], **theirs}) + "spec: [overlay.yaml]\n"
