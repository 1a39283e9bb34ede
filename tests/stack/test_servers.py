"""Real servers: started, asked, killed, restarted and told something new, and what they send arrives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from exercises import servers
from exercises.programs import package_root
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

RealServer = Callable[[str], Path]
SERVERS = (servers.Prometheus, servers.Alertmanager)


@pytest.fixture(autouse=True)
def _available(real_server: RealServer) -> None:
    for name in ("prometheus", "alertmanager"):
        real_server(name)


def to_receiver(url: str, group_wait: str = "0s") -> str:
    """An Alertmanager configuration that sends everything to one address."""
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "all",
                "group_by": ["incident_key"],
                "group_wait": group_wait,
                "group_interval": "1s",
            },
            "receivers": [{"name": "all", "webhook_configs": [{"url": url, "send_resolved": True}]}],
        }
    )


def config_of(kind: type[servers.Server]) -> str:
    return servers.scrape_config() if kind is servers.Prometheus else to_receiver("http://127.0.0.1:1/")


def rule_file(folder: Path, threshold: int) -> Path:
    alert = {"alert": "Loud", "expr": f"vector(2) > {threshold}", "labels": {"incident_key": "noise"}}
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [alert]}]}), encoding="utf-8")
    return path


def eventually(condition: Callable[[], bool]) -> bool:
    return wait_for(condition, "it never happens")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.program)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[servers.Server]:
    kind: type[servers.Server] = request.param
    server = kind(tmp_path / kind.program, config_of(kind))
    yield server
    server.stop()


# --------------------------------------------------------------------------------------------------------------- life
def test_it_listens_on_loopback_alone_and_ends_by_its_pid(server: servers.Server) -> None:
    with pytest.raises(servers.ServerFailedError, match="no address before its first start"):
        _ = server.url
    with server:
        assert Path(f"/proc/{server.pid}/exe").resolve() == servers.find(server.program).resolve()
        assert listening_addresses(server.pid) == {server.url.removeprefix("http://")}
        pid = server.pid
        server.start()
        assert server.pid == pid
    assert not alive(pid)
    assert not server.running
    with pytest.raises(servers.ServerFailedError, match="is not running"):
        _ = server.pid


def listening_addresses(pid: int) -> set[str]:
    mine = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115 - sockets are no paths
    out = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in mine:
                address, _, port = fields[1].partition(":")
                shown = socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)) if table == "tcp" else address
                out.add(f"{shown}:{int(port, 16)}")
    return out


def test_it_ends_when_the_block_raises(server: servers.Server) -> None:
    with pytest.raises(ZeroDivisionError), server:
        pid = server.pid
        raise ZeroDivisionError
    assert not alive(pid)


def test_it_ends_with_a_parent_that_is_killed(server: servers.Server, tmp_path: Path) -> None:
    kind = type(server).__name__
    code = (
        "import sys; from pathlib import Path; from exercises import servers\n"
        f"server = servers.{kind}(Path(sys.argv[1]), sys.argv[2]); server.start()\n"
        "print(server.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "child"), config_of(type(server))]
    root = Path(servers.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert eventually(lambda: not alive(pid))


def test_ctrl_c_in_the_terminal_does_not_end_it(server: servers.Server) -> None:
    with server:
        assert os.getpgid(server.pid) == server.pid != os.getpgid(os.getpid())


def test_a_crash_is_noticed_and_overcome(server: servers.Server) -> None:
    with server:
        url, pid = server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not server.running)
        with pytest.raises(servers.ServerFailedError, match="does not answer GET /"):
            server.get("/api/v2/status")
        server.restart()
        assert server.url == url
        assert server.pid != pid


def test_a_wrong_configuration_is_told_at_the_start(server: servers.Server) -> None:
    server.configure("nonsense: true\n")
    with pytest.raises(servers.ServerFailedError, match=r"(?s)ended with code \d; its log ends:.*nonsense"):
        server.start()
    assert not server.running
    server.configure(config_of(type(server)))
    server.start()
    assert server.running


def test_a_refused_configuration_leaves_the_one_before(server: servers.Server) -> None:
    with server:
        with pytest.raises(servers.ServerFailedError, match="refused POST /-/reload"):
            server.configure("nonsense: true\n")
        assert server.running
        server.restart()
        assert "nonsense" not in server.config_file.read_text()


# -------------------------------------------------------------------------------------------------------------- ports
def test_a_port_that_somebody_takes_between_look_and_start(
    server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [other.getsockname()[1], *(servers.free_port() for _ in range(2))]
        monkeypatch.setattr(servers, "free_port", lambda: ports.pop(0))
        with server:
            assert len(ports) == 1
            assert not server.url.endswith(f":{other.getsockname()[1]}")


def test_its_own_port_taken_during_a_restart(server: servers.Server) -> None:
    with server:
        port = int(server.url.rpartition(":")[2])
        server.kill()
        with socket.create_server(("127.0.0.1", port)):
            with pytest.raises(servers.ServerFailedError, match="address already in use"):
                server.start()
            assert not server.running
        server.start()
        assert server.url.endswith(f":{port}")


def test_an_equal_server_on_its_port_is_not_taken_for_it(server: servers.Server, tmp_path: Path) -> None:
    """The other one would answer that it is ready."""
    with server:
        port = int(server.url.rpartition(":")[2])
        second = type(server)(tmp_path / "second", config_of(type(server)))
        second._port = port
        with pytest.raises(servers.ServerFailedError, match="address already in use"):
            second.start()
        assert server.running


# --------------------------------------------------------------------------------------------------------- prometheus
def test_prometheus_keeps_samples_over_a_kill(tmp_path: Path) -> None:
    prometheus = servers.Prometheus(tmp_path, servers.scrape_config(interval=0.2))
    with prometheus:
        me = prometheus.url
        prometheus.configure(servers.scrape_config(targets=[me], interval=0.2))
        (before,) = prometheus.wait_for("sum_over_time(up[5m]) >= 3")
        assert before.labels == {"instance": me.removeprefix("http://"), "job": "tocsin"}
        prometheus.kill()
        prometheus.configure(servers.scrape_config())  # so that every sample below is from before the kill
        prometheus.start()
        assert prometheus.url == me
        (after,) = prometheus.query("sum_over_time(up[5m])")
        assert (after.labels, after.value >= before.value) == (before.labels, True)
        with pytest.raises(TimeoutError, match=r"no_such_metric gave nothing within 0\.1 s"):
            prometheus.wait_for("no_such_metric", timeout=0.1)


def test_prometheus_refuses_what_is_no_vector(tmp_path: Path) -> None:
    with servers.Prometheus(tmp_path, servers.scrape_config()) as prometheus:
        (two,) = prometheus.query("vector(2)")
        assert (two.labels, two.value, abs(two.at - time.time()) < 60) == ({}, 2.0, True)
        with pytest.raises(servers.ServerFailedError, match="gives a scalar, not a vector"):
            prometheus.query("2")
        with pytest.raises(servers.ServerFailedError, match=r"refused GET .* \(400\).*parse error"):
            prometheus.query("2 +")
        with pytest.raises(servers.ServerFailedError, match="something else than JSON"):
            prometheus.get("/-/healthy")


# ------------------------------------------------------------------------------------------------------- alertmanager
def test_a_rule_fires_ends_and_both_arrive(tmp_path: Path) -> None:
    with (
        servers.CaptureReceiver() as receiver,
        servers.Alertmanager(tmp_path / "a", to_receiver(f"{receiver.url}/all")) as alertmanager,
        servers.Prometheus(
            tmp_path / "p",
            servers.scrape_config(rules=[rule_file(tmp_path, 1)], alertmanagers=[alertmanager.url], interval=0.2),
            flags=["--rules.alert.resend-delay=1s"],
        ) as prometheus,
    ):
        receiver.wait_for(lambda delivery: delivery.path == "/all")
        rule_file(tmp_path, 3)
        prometheus.post("/-/reload")
        receiver.wait_for(lambda delivery: delivery.page is not None and delivery.page.status == "resolved")
    first, last = receiver.pages[0], receiver.pages[-1]
    assert (first.status, first.receiver, first.group_labels) == ("firing", "all", {"incident_key": "noise"})
    (fired,), (ended,) = first.alerts, last.alerts
    assert (fired.labels["alertname"], fired.ends_at) == ("Loud", None)
    assert abs(fired.starts_at.timestamp() - first.at) < 60
    assert ended.ends_at is not None
    assert ended.starts_at == fired.starts_at < ended.ends_at


def test_alertmanager_sends_elsewhere_after_a_reload(tmp_path: Path) -> None:
    with (
        servers.CaptureReceiver() as receiver,
        servers.Alertmanager(tmp_path, to_receiver(f"{receiver.url}/one")) as alertmanager,
    ):
        alertmanager.post("/api/v2/alerts", [{"labels": {"alertname": "A", "incident_key": "a"}}])
        receiver.wait_for(lambda delivery: delivery.path == "/one")
        alertmanager.configure(to_receiver(f"{receiver.url}/two"))
        alertmanager.post("/api/v2/alerts", [{"labels": {"alertname": "B", "incident_key": "b"}}])
        two = receiver.wait_for(lambda delivery: delivery.path == "/two")
        assert two.page is not None


def test_alertmanager_keeps_its_silences_over_a_restart(tmp_path: Path) -> None:
    with (
        servers.CaptureReceiver() as receiver,
        servers.Alertmanager(tmp_path, to_receiver(f"{receiver.url}/all")) as alertmanager,
    ):
        silence = {
            "matchers": [{"name": "incident_key", "value": "quiet", "isRegex": False}],
            "startsAt": "2020-01-01T00:00:00Z",
            "endsAt": "2100-01-01T00:00:00Z",
            "createdBy": "a test",
            "comment": "",
        }
        alertmanager.post("/api/v2/silences", silence)
        alertmanager.restart()
        (kept,) = alertmanager.get("/api/v2/silences")
        assert kept["status"]["state"] == "active"
        alertmanager.post("/api/v2/alerts", [{"labels": {"alertname": "A", "incident_key": "quiet"}}])
        alertmanager.post("/api/v2/alerts", [{"labels": {"alertname": "B", "incident_key": "loud"}}])
        receiver.wait_for(lambda delivery: delivery.path == "/all")
        assert [page.group_labels for page in receiver.pages] == [{"incident_key": "loud"}]


# ----------------------------------------------------------------------------------------------------------- programs
@pytest.mark.parametrize("name", ["prometheus", "promtool", "alertmanager", "amtool", "mtail"])
def test_every_program_runs(real_server: RealServer, name: str) -> None:
    program = real_server(name)
    done = subprocess.run([program, "--version"], cwd=package_root(program), capture_output=True, text=True, check=True)
    assert "version" in done.stdout + done.stderr
