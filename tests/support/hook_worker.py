"""A worker process of a gateway with the real hook inside, which logs records at a steady rate until it is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exporters.hooks.litellm import tocsin_litellm
from tests.support.waiting import PATIENCE, wait_for

_ROOT = Path(__file__).parents[2]
_CODE = """
import asyncio, itertools, sys, time
sys.path[:0] = [{root!r}, {module!r}]

async def main():
    import tocsin_litellm  # while a loop runs, as a gateway's worker does: so it starts, and handles SIGTERM
    from tests.support.litellm_lines import record
    for number in itertools.count():
        made = record(time.time(), f"{name}-{{number}}", user=f"user-{{number % 50}}")
        await tocsin_litellm.hook.async_log_success_event({{"standard_logging_object": made}}, None, None, None)
        await asyncio.sleep({pause})

asyncio.run(main())
"""


class HookWorker:
    """One worker. `name` begins its call ids; its files are in `folder`, what outlives it in `memory`."""

    def __init__(self, name: str, folder: Path, memory: Path, *, rate: float = 20.0) -> None:
        self.folder = folder
        memory.mkdir(exist_ok=True)
        code = _CODE.format(
            root=str(_ROOT), module=str(Path(tocsin_litellm.__file__).parent), name=name, pause=1 / rate
        )
        environment = {**os.environ, "TOCSIN_HOOK_FOLDER": str(folder), "TOCSIN_HOOK_MEMORY": str(memory)}
        self.process = subprocess.Popen([sys.executable, "-c", code], env=environment)

    def health(self) -> dict[str, Any]:
        """What it says of itself; nothing before it has begun."""
        for path in self.folder.glob("litellm-*.health.json"):
            told: dict[str, Any] = json.loads(path.read_bytes() or b"{}")
            if told.get("pid") == self.process.pid:
                return told
        return {}

    def wait_until(self, field: str, *, differs: object = "") -> dict[str, Any]:
        """What it says of itself once a field is neither empty nor the given value."""

        def told() -> dict[str, Any]:
            assert self.process.poll() is None, f"it has ended, and {field} stays as it is: {self.health()}"
            health = self.health()
            return {} if health.get(field) in ("", None, 0, differs) else health

        return wait_for(told, f"{field} stays as it is")

    def end(self, number: signal.Signals) -> None:
        """Send a signal that ends it, and wait for that."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        self.wait_until("written")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGKILL)
