from __future__ import annotations

from pathlib import Path

import pytest

from exporters.config import load_config, read_canaries
from spec.errors import SpecError

GOOD = """
listen: "[::1]:0"
state_folder: state
sources:
  web:
    gateway: litellm
    paths: [logs/*.jsonl, /var/log/litellm.jsonl]
spec: [overlay.yaml]
canaries_file: canaries.txt
sinks:
  events:
    type: jsonl
    folder: out
    content: full
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "tocsin.yaml"
    path.write_text(text)
    return path


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.sources["web"].paths == (str(tmp_path / "logs/*.jsonl"), "/var/log/litellm.jsonl")
    assert (config.state_folder, config.spec) == (tmp_path / "state", (tmp_path / "overlay.yaml",))
    assert config.canaries_file == tmp_path / "canaries.txt"
    assert config.sinks["events"].folder == tmp_path / "out"
    assert config.address == ("::1", 0)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("gateway: litellm", "gateway: litelm", 6, "did you mean 'litellm'?"),
        ("state_folder:", "state_dir:", 3, "did you mean 'state_folder'?"),
        ("    paths: [logs/*.jsonl, /var/log/litellm.jsonl]", "    paths: []", 7, "found no path"),
        ("    paths: [logs/*.jsonl, /var/log/litellm.jsonl]", "    paths: logs", 7, "expected a list"),
        ('listen: "[::1]:0"', "listen: localhost", 2, "an address and a port"),
        ('listen: "[::1]:0"', "listen: 7[1:7", 2, "an address and a port"),
        ('listen: "[::1]:0"', "listen: a b:7", 2, "an address and a port"),
        ('listen: "[::1]:0"', "listen: a:٧", 2, "an address and a port"),
        ("gateway: litellm", "gateway: litellm\n    start_at: beginnning", 7, "did you mean 'beginning'?"),
        ("gateway: litellm", "gateway: [litellm", 6, "expected"),
        ("type: jsonl", "type: jsonnl", 12, "did you mean 'jsonl'?"),
        ("folder: out", "foldr: out", 13, "did you mean 'folder'?"),
        ("content: full", "content: fulll", 14, "did you mean 'full'?"),
        ("content: full", "rotate_bytes: 10", 14, "expected at least 4096 bytes"),
        ("content: full", "keep: 1", 14, "expected at least 2 files"),
        ("  events:", "  a b:", 11, "expected only letters"),
        ("content: full", "content: full\n  other: {type: jsonl, folder: ./out/}", 15, "the folder of sink 'events'"),
        ("content: full", "content: full\nscan_content: false", 14, "no content is read"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_expected(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SpecError) as raised:
        load_config(path)
    assert said in str(raised.value)
    assert f"{path}:{line}" in str(raised.value) or f"{path}:{line + 1}" in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_canaries_are_the_lines_that_are_no_comments(tmp_path: Path) -> None:
    path = tmp_path / "canaries"
    path.write_text("# planted in the wiki\n\n  quartz-otter-19  \nblue-falcon-7\n")
    assert read_canaries(path) == ("quartz-otter-19", "blue-falcon-7")
