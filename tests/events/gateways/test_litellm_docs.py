"""What the page about LiteLLM says can be done as it stands there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from exporters.config import load_config
from exporters.hooks.litellm.tocsin_litellm import Hook, LineWriter, Settings
from tests.events.gateways.samples import decode, record, rows

PAGE = Path(__file__).parents[3] / "docs" / "gateways" / "litellm.md"


def _blocks(name: str) -> list[str]:
    """The page's YAML that sets `name`."""
    found = re.findall(r"^ *```yaml\n(.+?)^ *```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [block for block in found if f"{name}:" in block]


def test_the_callback_that_is_named_exists() -> None:
    blocks = _blocks("callbacks")
    assert len(blocks) == 2  # added to what is there, and alone
    for block in blocks:
        (*_, callback) = yaml.safe_load(block)["litellm_settings"]["callbacks"]
        module, _, name = callback.rpartition(".")
        assert isinstance(getattr(import_module(f"exporters.hooks.litellm.{module}"), name), Hook)


@pytest.fixture
def writer(tmp_path: Path) -> LineWriter:
    hook = Hook(Settings(folder=tmp_path / "tocsin-litellm", memory=tmp_path))
    for status in ("success", "failure"):
        hook.take({"standard_logging_object": record(status)})
    hook.close()
    return hook.start()


def test_the_configuration_reads_what_the_hook_writes_and_nothing_else(tmp_path: Path, writer: LineWriter) -> None:
    (block,) = _blocks("state_folder")
    (tmp_path / "tocsin.yaml").write_text(block)
    (source,) = load_config(tmp_path / "tocsin.yaml").sources.values()
    (pattern,) = (Path(path) for path in source.paths)
    assert pattern.parent == Settings().folder
    assert [*writer.path.parent.glob(pattern.name)] == [writer.path]
    writer.path.rename(writer.path.with_name(f"{writer.path.name}.000001"))
    assert len([*writer.path.parent.glob(pattern.name)]) == 1


def test_what_the_hook_writes_is_read(writer: LineWriter) -> None:
    batch = decode(writer.path.read_bytes())
    assert [row["outcome"] for row in rows(batch)] == ["success", "failure"]
    assert batch.rejects == []
