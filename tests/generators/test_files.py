"""Generated files on disk: the committed ones are current, and what is not is found, named and repaired."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import tocsin
from exporters import schema
from generators import files
from generators.errors import GeneratorError
from generators.files import Stale, header, write
from generators.links import DASHBOARD_UID
from runtime.beneath import LinkError, write_named
from spec import Spec, load_spec

ROOT = Path(tocsin.__file__).parent


@pytest.fixture(scope="module")
def shipped() -> Spec:
    return load_spec()


@pytest.fixture(scope="module")
def made(shipped: Spec) -> dict[str, str]:
    return files.render_all(shipped)


@pytest.fixture
def folder(tmp_path: Path, made: dict[str, str]) -> Path:
    files.write(tmp_path, {**made, **schema.generate()})
    return tmp_path


# ----------------------------------------------------------------------------------------------------- what is there
def test_what_is_committed_is_what_the_spec_says(made: dict[str, str]) -> None:
    """When this fails, run `make generate` and commit what it writes."""
    assert list(map(str, files.stale(ROOT, made))) == []


def test_the_committed_schema_of_the_configuration_is_that_of_its_types() -> None:
    for path, text in schema.generate().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, path


def test_the_same_spec_gives_the_same_bytes(shipped: Spec, made: dict[str, str]) -> None:
    assert files.render_all(shipped) == made
    assert list(made) == sorted(made)


def test_every_file_says_that_it_is_generated_and_is_plain(made: dict[str, str]) -> None:
    for path, text in made.items():
        assert files.marked(path, text), path
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert "\r" not in text, path
        assert not any(line.endswith(" ") for line in text.splitlines()), path


def test_every_kind_of_artefact_is_made(made: dict[str, str]) -> None:
    assert {
        "alert_rules/tocsin.rules.yaml",
        "alert_rules/tocsin.tests.yaml",
        "alert_rules/tocsin-escalation.rules.yaml",
        "alert_rules/tocsin-escalation.tests.yaml",
        "alert_rules/tocsin-baseline.tests.yaml",
        "alert_rules/alertmanager.yaml",
        "alert_rules/alertmanager-subtree.yaml",
        "runbooks/README.md",
        "docs/metrics.md",
        "docs/spec.md",
    } <= set(made)


def test_links_lead_to_the_dashboard(made: dict[str, str]) -> None:
    """Its id and its variables are those that the addresses in pages name."""
    boards = [json.loads(text) for path, text in made.items() if path.startswith("dashboards/")]
    found = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in boards}
    named = {word for text in made.values() for word in re.findall(r"[?&]var-(\w+)=", text)}
    assert named
    assert named <= found[DASHBOARD_UID]


def test_a_path_that_two_generators_want_is_refused(shipped: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GENERATORS", ("docs.metrics_page", "docs.metrics_page"))
    with pytest.raises(GeneratorError, match=r"docs/metrics\.md: generated twice"):
        files.render_all(shipped)


# ---------------------------------------------------------------------------------------------------------- staleness
def test_a_changed_spec_makes_files_stale(folder: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("alerts: {LLMSpendBurst: {when: {value: 51}}}", encoding="utf-8")
    found = files.stale(folder, files.render_all(load_spec(overlay)))
    assert [(file.path, file.kind) for file in found] == [
        ("alert_rules/tocsin.rules.yaml", "different"),
        ("alert_rules/tocsin.tests.yaml", "different"),
        ("dashboards/tocsin-overview.json", "different"),
        ("dashboards/tocsin-volumetric.json", "different"),
        ("docs/schema/spec.schema.json", "different"),
        ("runbooks/LLMAlertStorm.md", "different"),
        ("runbooks/LLMSpendBurst.md", "different"),
    ]


def test_what_is_missing_different_or_orphaned_is_found_and_repaired(folder: Path, made: dict[str, str]) -> None:
    (folder / "alert_rules/tocsin.rules.yaml").unlink()
    with (folder / "docs/metrics.md").open("a", encoding="utf-8") as page:
        page.write("by hand\n")
    (folder / "runbooks/LLMOld.md").write_text(files.header("<!--", "-->") + "old\n", encoding="utf-8")
    (folder / "docs/old.md").write_text(files.header("<!--", "-->") + "old\n", encoding="utf-8")
    wrong = ["alert_rules/tocsin.rules.yaml", "docs/metrics.md", "docs/old.md", "runbooks/LLMOld.md"]
    kinds = ["missing", "different", "orphaned", "orphaned"]
    assert [(file.path, file.kind) for file in files.stale(folder, made)] == list(zip(wrong, kinds, strict=True))
    assert files.write(folder, made) == wrong
    assert files.stale(folder, made) == []
    assert files.write(folder, made) == []


def test_what_a_person_wrote_is_never_removed(folder: Path, made: dict[str, str]) -> None:
    mine = folder / "runbooks/mine.md"
    mine.write_text("# Mine\n", encoding="utf-8")
    (folder / "docs/install.md").write_text("# Install\n", encoding="utf-8")
    assert files.stale(folder, made) == [Stale("runbooks/mine.md", "orphaned")]
    assert files.write(folder, made) == []
    assert mine.is_file()


# ------------------------------------------------------------------------------------------------------- command line
def test_the_command_writes_and_then_is_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = ["--output", str(tmp_path / "mine")]
    assert tocsin.main(["generate", *target]) == 0
    assert "wrote alert_rules/tocsin.rules.yaml" in capsys.readouterr().out
    assert tocsin.main(["generate", *target, "--check"]) == 0
    assert "are up to date" in capsys.readouterr().out


def test_check_lists_what_is_stale_and_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = folder / "alert_rules/tocsin.rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace(">= 3", ">= 4"), encoding="utf-8")
    (folder / "runbooks/mine.md").write_text("# Mine\n", encoding="utf-8")
    before = rules.read_bytes()
    assert tocsin.main(["generate", "--check", "--output", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "alert_rules/tocsin.rules.yaml: different" in said
    assert "runbooks/mine.md: orphaned" in said
    assert "Run `tocsin generate`" in said
    assert "move or remove them" in said
    assert rules.read_bytes() == before


def test_the_command_in_json(folder: Path, capsys: pytest.CaptureFixture[str], made: dict[str, str]) -> None:
    (folder / "docs/spec.md").unlink()
    target = ["--output", str(folder), "--format", "json"]
    assert tocsin.main(["generate", "--check", *target]) == 1
    stale = [{"path": "docs/spec.md", "kind": "missing"}]
    answer = {"folder": str(folder), "files": len(made) + len(schema.generate())}
    assert json.loads(capsys.readouterr().out) == {**answer, "changed": [], "stale": stale}
    assert tocsin.main(["generate", *target]) == 0
    assert json.loads(capsys.readouterr().out) == {**answer, "changed": ["docs/spec.md"], "stale": []}


def test_overlays_make_a_set_of_ones_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("alerts: {LLMSpendBurst: {when: {value: 200}}, LLMToolMisuse: {enabled: false}}", encoding="utf-8")
    second.write_text("alerts: {LLMSpendBurst: {when: {value: 300}}}", encoding="utf-8")
    out = tmp_path / "out"
    assert tocsin.main(["generate", "--overlay", str(first), str(second), "--output", str(out)]) == 0
    rules = yaml.safe_load((out / "alert_rules/tocsin.rules.yaml").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    assert found["LLMSpendBurst"].endswith(">= 300")
    assert "LLMToolMisuse" not in found
    assert not (out / "runbooks/LLMToolMisuse.md").exists()


def test_an_overlay_never_changes_this_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("alerts: {LLMSpendBurst: {when: {value: 200}}}", encoding="utf-8")
    assert tocsin.main(["generate", "--overlay", str(overlay)]) == 2
    assert "--output DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("alerts: {LLMSpendBurst: {wen: {value: 200}}}", "wen"),
        ("channels: {chat-security: {secret: ../x}}", "TOC008"),
        ("alerts: {LLMSpendBurst: {owasp: [LLM10]}}", "TOC002"),
    ],
)
def test_a_spec_with_errors_generates_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overlay: str, said: str
) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_text(overlay, encoding="utf-8")
    assert tocsin.main(["generate", "--overlay", str(path), "--output", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    assert tocsin.main(["generate", "--output", str(tmp_path / "out")]) == 1
    assert str(tmp_path / "out") in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------------- links
FILES = {"dashboards/a.json": "{}\n", "top.md": "text\n"}


@pytest.mark.parametrize("linked", ["dashboards", "dashboards/a.json", "top.md"])
def test_nothing_is_written_through_a_link(tmp_path: Path, linked: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "dashboards").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    (elsewhere / "a.json").write_text("mine")
    if linked == "dashboards":
        (root / "dashboards").rmdir()
        (root / "dashboards").symlink_to(elsewhere)
    else:
        (root / linked).symlink_to(elsewhere / "file")
    with pytest.raises(LinkError, match="symbolic link"):
        write(root, FILES)
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"file": "mine", "a.json": "mine"}


def test_no_orphan_behind_a_link_is_removed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.mkdir()
    (elsewhere / "old.yml").write_text(header())
    (root / "runbooks").symlink_to(elsewhere)
    with pytest.raises(LinkError):
        write(root, FILES)
    assert (elsewhere / "old.yml").exists()


def test_a_second_name_of_another_file_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/top.md").hardlink_to(tmp_path / "other")
    write(tmp_path / "root", FILES)
    assert (tmp_path / "other").read_text() == "mine"
    assert (tmp_path / "root/top.md").read_text() == "text\n"
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["dashboards", "top.md"]


def test_the_folder_that_a_person_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", FILES)
    assert (tmp_path / "real/top.md").read_text() == "text\n"


def test_a_file_that_a_person_names_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "page.html").symlink_to("other")
    with pytest.raises(LinkError):
        write_named(tmp_path / "page.html", "page")
    assert (tmp_path / "other").read_text() == "mine"
    write_named(tmp_path / "page2.html", "page")
    assert (tmp_path / "page2.html").read_text() == "page"
