"""Finding servers' programs, with stand-ins for apt and dpkg: no network, nothing real is unpacked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exercises import programs, servers
from tests.support.waiting import PATIENCE

# A `download` leaves a package in its folder and a line in `downloads`. The stand-ins see only the folder of the test.
APT = """\
#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
  *update) echo "{update}"; exit {update_code} ;;
  *Dir::State=*download*) [ {private_code} -eq 0 ] || {{ echo "E: no private luck"; exit {private_code}; }} ;;
  *download*) [ {code} -eq 0 ] || {{ echo "E: no luck"; exit {code}; }} ;;
esac
for package; do :; done
sleep {seconds}
echo "$package" >> {downloads}
echo "$package" > "$package"_1_all.deb
"""
DPKG = """\
#!/bin/sh
PATH=/usr/bin:/bin
case "$(cat "$2")" in
  prometheus) names="prometheus promtool" ;;
  prometheus-alertmanager) names="prometheus-alertmanager amtool" ;;
  libfaketime) mkdir -p "$3/usr/lib/sparc-linux-gnu/faketime"
    echo >"$3/usr/lib/sparc-linux-gnu/faketime/libfaketimeMT.so.1" ;;
  *) names="" ;;
esac
mkdir -p "$3/usr/bin"
for name in $names; do
  echo "reads /usr/share/prometheus/alertmanager/default.tmpl" > "$3/usr/bin/$name"
  chmod +x "$3/usr/bin/$name"
done
"""


class Machine:
    """A PATH and a cache folder of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.cache = folder / "cache"
        self.servers = self.cache / "tocsin" / "servers"
        self._downloads = folder / "downloads"
        self.path.mkdir()

    @property
    def downloads(self) -> list[str]:
        return self._downloads.read_text().split() if self._downloads.exists() else []

    def has(self, name: str, text: str = "#!/bin/sh\n") -> Path:
        program = self.path / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def has_apt(
        self, code: int = 0, private_code: int = 0, update: str = "", update_code: int = 0, seconds: float = 0
    ) -> None:
        """Both tools; `private_code` is that of a download after `update`, which has package lists of its own."""
        apt = APT.format(
            code=code,
            private_code=private_code,
            update=update,
            update_code=update_code,
            seconds=seconds,
            downloads=self._downloads,
        )
        self.has("apt-get", apt)
        self.has("dpkg-deb", DPKG)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.cache))
    return machine


# -------------------------------------------------------------------------------------------------------------- where
def test_a_program_on_path_is_taken_as_it_is(machine: Machine) -> None:
    machine.has_apt()
    there = machine.has("promtool")
    assert programs.find("promtool") == there
    assert programs.package_root(there) is None
    assert machine.downloads == []


@pytest.mark.parametrize("name", ["alertmanager", "prometheus-alertmanager"])
def test_alertmanager_may_have_either_name(machine: Machine, name: str) -> None:
    there = machine.has("prometheus-alertmanager")
    assert programs.find(name) == there
    assert programs.find(name) == there
    upstream = machine.has("alertmanager")
    assert programs.find(name) == upstream


def test_a_file_that_cannot_be_run_is_no_program(machine: Machine) -> None:
    machine.has("promtool").chmod(0o644)
    with pytest.raises(programs.ServerMissingError):
        programs.find("promtool", fetch=False)


def test_what_was_fetched_is_found_again_without_apt(machine: Machine) -> None:
    machine.has_apt()
    promtool = programs.find("promtool")
    assert promtool == machine.servers / "prometheus" / "usr" / "bin" / "promtool"
    assert programs.package_root(promtool) == machine.servers / "prometheus"
    (machine.path / "apt-get").unlink()
    assert programs.find("promtool", fetch=False) == promtool
    assert programs.find("prometheus", fetch=False) == promtool.with_name("prometheus")
    assert machine.downloads == ["prometheus"]


def test_without_a_configured_cache_it_is_in_the_home_folder(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has_apt()
    home = machine.cache.with_name("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert programs.find("amtool").is_relative_to(home / ".cache" / "tocsin" / "servers")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert programs.find("amtool", fetch=False).is_relative_to(home / ".cache" / "tocsin" / "servers")


def test_the_unpacked_alertmanager_reads_its_templates_from_where_it_lies(machine: Machine) -> None:
    machine.has_apt()
    program = programs.find("alertmanager")
    assert program.read_text() == "reads usr/share/prometheus//alertmanager/default.tmpl\n"


def test_a_library_is_found_whatever_the_architecture(machine: Machine) -> None:
    machine.has_apt()
    found = programs.find("libfaketime")
    assert machine.downloads in ([], ["libfaketime"])  # none where the machine has it
    assert found.name == "libfaketimeMT.so.1"


# ------------------------------------------------------------------------------------------------------------- failing
def test_an_unknown_name_lists_the_known_ones(machine: Machine) -> None:
    with pytest.raises(programs.ServerMissingError, match=r"^grafana: not a server known here; .*mtail, prometheus"):
        programs.find("grafana")


@pytest.mark.parametrize("tool", ["apt-get", "dpkg-deb"])
def test_without_apt_the_error_says_what_to_do(machine: Machine, tool: str) -> None:
    machine.has_apt()
    (machine.path / tool).unlink()
    with pytest.raises(programs.ServerMissingError) as caught:
        programs.find("amtool")
    said = str(caught.value)
    assert f"because there is no {tool} on this machine" in said
    assert "put amtool on PATH (on Debian and Ubuntu it is in the package prometheus-alertmanager)" in said


def test_offline_the_error_says_why_and_what_to_do(machine: Machine) -> None:
    machine.has_apt(code=100, private_code=100, update="W: Failed to fetch //me:secret@mirror.example/ no route")
    with pytest.raises(programs.ServerMissingError) as caught:
        programs.find("alertmanager")
    said = str(caught.value)
    assert "apt-get failed (100): E: no private luck" in said
    assert "apt-get update said: W: Failed to fetch //mirror.example/ no route" in said
    assert "secret" not in said
    assert "run this once where apt-get reaches its package mirror" in said
    assert [left.name for left in machine.servers.iterdir()] == [".lock"]


def test_old_package_lists_are_replaced_by_private_ones(machine: Machine) -> None:
    machine.has_apt(code=100)
    assert programs.find("amtool").name == "amtool"


def test_one_source_that_fails_to_update_does_not_matter(machine: Machine) -> None:
    machine.has_apt(code=100, update_code=100)
    assert programs.find("amtool").name == "amtool"


def test_a_package_without_the_program(machine: Machine) -> None:
    machine.has_apt()
    with pytest.raises(programs.ServerMissingError, match="the package mtail does not contain it"):
        programs.find("mtail")


def test_a_cache_that_cannot_be_written(machine: Machine) -> None:
    machine.has_apt()
    machine.cache.write_text("a file where a folder belongs")
    with pytest.raises(programs.ServerMissingError, match="the cache cannot be written"):
        programs.find("amtool")


def test_apt_that_hangs_is_given_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has_apt(seconds=3)
    monkeypatch.setattr(programs, "_COMMAND_SECONDS", 0.2)
    with pytest.raises(programs.ServerMissingError, match=r"apt-get took longer than 0\.2 s"):
        programs.find("amtool")


# ----------------------------------------------------------------------------------------------------------- together
def test_two_processes_that_fetch_at_once_download_once(machine: Machine) -> None:
    machine.has_apt(seconds=0.3)
    code = "from exercises.programs import find; print(find('promtool'))"
    root = Path(programs.__file__).parents[1]
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = {process.communicate(timeout=PATIENCE)[0].strip() for process in both}
    assert said == {str(machine.servers / "prometheus" / "usr" / "bin" / "promtool")}
    assert machine.downloads == ["prometheus"]


def test_what_a_killed_caller_left_is_removed(machine: Machine) -> None:
    machine.has_apt()
    (machine.servers / ".unpack-killed" / "root").mkdir(parents=True)
    programs.find("amtool")
    assert sorted(left.name for left in machine.servers.iterdir()) == [".lock", "prometheus-alertmanager"]


def test_the_names_that_others_import_from_servers() -> None:
    assert servers.find is programs.find
    assert servers.ServerMissingError is programs.ServerMissingError
