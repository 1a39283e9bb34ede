"""How LiteLLM gets at the hook: each of its versions has its own way, and none may keep the gateway from starting."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import unreported_by
from tests.events.gateways.samples import record
from tests.exporters.hooks.conftest import attempts

MODULE = Path(tocsin_litellm.__file__)
README = MODULE.with_name("README.md").read_text()


def _executed(path: Path) -> ModuleType:
    """As LiteLLM loads a file beside its configuration: executed, and never entered into ``sys.modules``."""
    spec = importlib.util.spec_from_file_location("tocsin_copy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "tocsin_copy" not in sys.modules
    return module


def _logs(module: ModuleType, folder: Path, memory: Path) -> None:
    hook = module.Hook(module.Settings(folder=folder, memory=memory))
    asyncio.run(hook.async_log_success_event({"standard_logging_object": record()}, None, None, None))
    hook.close()


def test_a_copied_file_is_executed_without_being_a_module(tmp_path: Path, folder: Path) -> None:
    copy = tmp_path / "tocsin_litellm.py"
    copy.write_bytes(MODULE.read_bytes())
    _logs(_executed(copy), folder, tmp_path)
    assert attempts(folder) == [record()]


def test_the_shim_of_the_readme_is_one_line_that_finds_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "from tocsin_litellm import hook"
    assert line in README
    monkeypatch.syspath_prepend(str(MODULE.parent))
    shim = tmp_path / "tocsin_hook.py"
    shim.write_text(line + "\n")
    assert type(_executed(shim).hook).__name__ == "Hook"
    sys.modules.pop("tocsin_litellm", None)


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = f"""
import sys
for name in ("orjson", "pydantic"):
    sys.modules[name] = None
sys.path[:0] = [{str(MODULE.parent)!r}]
import tocsin_litellm as module
from pathlib import Path
hook = module.Hook(module.Settings(folder=Path({str(tmp_path)!r}) / "records", memory=Path({str(tmp_path)!r})))
hook.take({{"standard_logging_object": {{"id": "1", "status": "success", "messages": [{{"content": "hello"}}]}}}})
hook.close()
"""
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=60)
    assert attempts(tmp_path / "records") == [{"id": "1", "status": "success", "messages": [{"content": "hello"}]}]


def _alone(tmp_path: Path, arrange: str, then: str = "") -> subprocess.CompletedProcess[str]:
    """A process that imports the hook after `arrange`, and gives it a record."""
    code = f"""
import asyncio, logging, sys, types
sys.path[:0] = [{str(MODULE.parent)!r}]
{arrange}
async def main():
    import tocsin_litellm
    callback = tocsin_litellm.hook
    {then or 'callback.take({"standard_logging_object": {"status": "success"}})'}
asyncio.run(main())
print("the gateway goes on")
"""
    environment = {"TOCSIN_HOOK_FOLDER": str(tmp_path / "records"), "TOCSIN_HOOK_MEMORY": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("arrange", "says"),
    [
        pytest.param("sys.modules['fcntl'] = None", "file locks", id="no POSIX system"),
        pytest.param(
            "sys.modules['litellm'] = types.ModuleType('litellm')", "1.74 or newer", id="a LiteLLM without CustomLogger"
        ),
    ],
)
def test_where_it_cannot_run_it_steps_aside_with_one_line(tmp_path: Path, arrange: str, says: str) -> None:
    done = _alone(tmp_path, arrange)
    assert done.stdout == "the gateway goes on\n"
    (line,) = done.stderr.splitlines()
    assert "steps aside" in line
    assert says in line
    assert not (tmp_path / "records").exists()


def test_a_hook_that_cannot_be_made_is_a_callback_that_does_nothing(tmp_path: Path) -> None:
    arrange = """
class CustomLogger:
    made = 0
    def __init__(self): pass
    def __getattr__(self, name): raise RuntimeError("no")
    def __setattr__(self, name, value): raise RuntimeError("no")
    async def async_log_success_event(self, *_): CustomLogger.made += 1
base = types.ModuleType("litellm.integrations.custom_logger"); base.CustomLogger = CustomLogger
for name in ("litellm", "litellm.integrations"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[base.__name__] = base
"""
    then = "await callback.async_log_success_event({}, None, None, None); assert type(callback).made == 1"
    done = _alone(tmp_path, arrange, then)
    assert done.stdout == "the gateway goes on\n", done.stderr
    (line,) = done.stderr.splitlines()
    assert "steps aside" in line


@pytest.mark.parametrize(
    "settings",
    [
        {"TOCSIN_HOOK_FOLDER": "/proc/nowhere"},
        {"TOCSIN_HOOK_MEMORY": "/proc/nowhere"},
        {"TOCSIN_HOOK_CONTENT": "\N{SNOWMAN}", "TOCSIN_HOOK_QUEUE_BYTES": "9" * 5000},
        {"TOCSIN_HOOK_HASH_KEY_FILE": "/dev/zero"},
        {"TOCSIN_HOOK_FOLDER": "x" * 5000},
    ],
)
def test_settings_that_cannot_be_used_do_not_keep_the_gateway_from_starting(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    arrange = f"import os; os.environ.update({settings!r})"
    done = _alone(tmp_path, arrange)
    assert done.stdout == "the gateway goes on\n", done.stderr
    assert "Traceback" not in done.stderr


def test_it_tells_its_own_version_and_that_of_litellm(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tocsin_litellm, "litellm_version", lambda: "1.74.3")
    hook = tocsin_litellm.Hook(tocsin_litellm.Settings(folder=folder, memory=tmp_path))
    hook.start()
    hook.close()
    (health,) = (json.loads(path.read_bytes()) for path in folder.glob("*.health.json"))
    (start,) = (
        line["notice"]
        for path in folder.glob("*.jsonl")
        for line in map(json.loads, path.read_bytes().splitlines())
        if line["kind"] == "start"
    )
    for told in (health, start):
        assert (told["hook"], told["litellm"]) == (tocsin_litellm.HOOK_VERSION, "1.74.3")
    assert start["unreported"] == ["client_address", "address_of_refused_credentials"]
    project = tomllib.loads(MODULE.with_name("pyproject.toml").read_text())
    assert project["project"]["version"] == tocsin_litellm.HOOK_VERSION


@pytest.mark.parametrize(
    ("version", "unreported"),
    [("1.74.3", True), ("1.88.99", True), ("1.89.0", False), ("1.110.2", False), ("2.0.0", False), ("", False)],
)
def test_what_a_version_does_not_tell_is_known(version: str, unreported: bool) -> None:
    assert ("client_address" in unreported_by(version)) is unreported
    for name in unreported_by(version):
        assert f"`{name}`" in README
