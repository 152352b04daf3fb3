"""Whatever hangs, the health check ends in time and reports everything else.

Real hangs: a connection that is never accepted, a dripping body, a silent name server, a lock that is never released,
C code that never releases Python's own lock, a dead disk.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.checked_home import CheckedHome, full_pipe, healthy, needs_root, public_folder
from tests.checkout import CHECKOUT, make_checkout
from tests.faults import WHOLE
from tests.home import Outcome, as_printed, unmeasured

DEFAULT = 15.0
LIMITS = [3.0, pytest.param(DEFAULT, marks=pytest.mark.skipif(not WHOLE, reason="once is enough: make faults"))]
NO_QUEUE = 0  # places in the queue of a listening socket that accepts nothing


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of the program with the stuck source in it, where an ordinary user may read it."""
    with public_folder() as folder:
        make_checkout(folder, "collectors/stuck")
        yield folder / "healthcheck.py"


@pytest.fixture(scope="module")
def shared_home() -> Iterator[CheckedHome]:
    with healthy() as home:
        yield home


def timed(home: CheckedHome, limit: float, *prefix: str, program: Path = CHECKOUT / "healthcheck.py",
          arguments: tuple[str, ...] = ("--json",)) -> tuple[float, Outcome]:
    command = [*prefix, sys.executable, str(program), "--config", str(home.config), *arguments]
    if limit != DEFAULT:
        command += ["--timeout", f"{limit:g}"]
    environment = dict(os.environ) if limit == DEFAULT else unmeasured()  # measuring coverage takes time
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/",
                          env={**environment, "PYTHONPATH": str(program.parent)})
    return time.perf_counter() - started, Outcome(done.returncode, done.stdout, done.stderr)


def by_name(run: Outcome) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in run.json["components"]}


def expect_in_time(took: float, run: Outcome, limit: float, name: str) -> dict[str, Any]:
    """Return the component that hangs: it failed within the limit, and all others pass."""
    components = by_name(run)
    assert took <= limit, f"{took:.2f} s"
    assert components[name]["status"] == "fail"
    assert {components[other]["status"] for other in ("secrets", "database_write", "alerts", "spool")} == {"pass"}
    return components[name]


def running(program: Path | str) -> str:
    return subprocess.run(["pgrep", "-f", str(program)], capture_output=True, text=True).stdout


@contextmanager
def stuck(home: CheckedHome, how: str, **settings: Any) -> Iterator[None]:
    home.settings["collectors"]["stuck"] = {"how": how, **settings}
    home.write_config()
    try:
        yield
    finally:
        del home.settings["collectors"]["stuck"]
        home.write_config()


@contextmanager
def bridge_at(home: CheckedHome, address: str) -> Iterator[None]:
    before = dict(home.settings["collectors"]["hue"])
    home.configure("hue", bridge_ip=address, discovery_url=None, timeout_seconds=300)
    try:
        yield
    finally:
        home.settings["collectors"]["hue"] = before
        home.write_config()


@pytest.mark.parametrize("limit", LIMITS)
def test_a_connection_that_is_never_accepted(limit: float, shared_home: CheckedHome) -> None:
    """The queue of the listening socket is full, so that the kernel answers no further SYN."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(NO_QUEUE)
        address = hole.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        with bridge_at(shared_home, f"http://127.0.0.1:{address[1]}"):
            hue = expect_in_time(*timed(shared_home, limit), limit, "hue")
        for client in waiting:
            client.close()
    assert "did not answer within" in hue["message"]


@pytest.mark.parametrize("limit", [3.0, DEFAULT])
def test_a_dripping_body(limit: float, shared_home: CheckedHome) -> None:
    shared_home.simulator.faults.add("drip-body", pause=0.3, chunk=1)
    try:
        with bridge_at(shared_home, shared_home.simulator.http_url):
            hue = expect_in_time(*timed(shared_home, limit), limit, "hue")
    finally:
        shared_home.simulator.faults.clear()
    assert "did not finish its answer within" in hue["message"]


@needs_root
@pytest.mark.parametrize("limit", LIMITS)
def test_a_silent_name_server(limit: float, shared_home: CheckedHome, tmp_path: Path) -> None:
    """In a mount namespace of its own the machine's name server is a socket that never answers."""
    resolv = tmp_path / "resolv.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind(("127.0.0.53", 53))
        except OSError as error:
            pytest.skip(f"port 53 of this machine is taken: {error}")
        resolv.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:3\n", encoding="utf-8")
        prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind "{resolv}" /etc/resolv.conf && exec "$@"', "sh")
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            pytest.skip("a mount namespace was refused")
        with bridge_at(shared_home, "http://bridge.example.org"):
            hue = expect_in_time(*timed(shared_home, limit, *prefix), limit, "hue")
    assert hue["message"].startswith("timed out after") and "(asking hue)" in hue["message"]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("how", ["gil", "lock", "swallow"])
def test_a_probe_that_never_ends(how: str, limit: float, shared_home: CheckedHome, checkout: Path) -> None:
    """C code that keeps Python's lock, another process's lock file, and code that swallows every exception."""
    lock = checkout.with_name("lock")
    lock.touch(mode=0o666)
    with lock.open() as held, stuck(shared_home, how, path=str(lock)):
        fcntl.flock(held, fcntl.LOCK_EX)
        component = expect_in_time(*timed(shared_home, limit, program=checkout), limit, "stuck")
    assert component["message"].startswith("timed out after") and "(asking stuck)" in component["message"]
    remedy = as_printed("python healthcheck.py --only stuck --timeout 60", shared_home.config, checkout.parent)
    assert remedy in component["remedy"]
    assert running(checkout) == ""


@needs_root
def test_a_dead_disk(checked_home: CheckedHome) -> None:
    """A file system that never answers, as a server's that is gone: only SIGKILL ends a read from it, no other signal."""
    device = os.open("/dev/fuse", os.O_RDWR)
    folder = checked_home.config.parent
    command = ["mount", "-i", "-t", "fuse", "-o", f"fd={device},rootmode=40000,user_id=0,group_id=0", "dead", str(folder)]
    try:
        if subprocess.run(command, capture_output=True, pass_fds=[device]).returncode:
            pytest.skip("this machine mounts no FUSE file system for us")
        took, run = timed(checked_home, 3.0)
    finally:
        os.close(device)  # ends every read with an error
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)
    components = by_name(run)
    assert (run.code, run.err, took <= 3.0) == (2, "", True), (took, run)
    assert {component["status"] for component in components.values()} == {"fail"} and len(components) >= 9
    assert "(reading config.yaml and secrets.yaml)" in components["configuration"]["message"]


@pytest.mark.parametrize(("arguments", "text"), [
    (("--help",), "installation, amazon_aqm, hue, stuck"), (("--frobnicate",), "--frobnicate"),
    (("--nagios", "--only", "humidity"), "HOME MONITOR UNKNOWN: ")])
def test_a_command_line_that_checks_nothing_leaves_no_process(
        arguments: tuple[str, ...], text: str, shared_home: CheckedHome, checkout: Path) -> None:
    run = shared_home.check(*arguments, program=checkout)
    assert text in " ".join((run.out + run.err).split()) and "Traceback" not in run.err and running(checkout) == ""


def test_the_writers_lock_is_waited_for_one_second_at_most(shared_home: CheckedHome) -> None:
    with (shared_home.data / "readings.db.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        took, run = timed(shared_home, 15.0, arguments=("--json", "--offline"))
    component = by_name(run)["database_write"]
    assert (component["status"], run.code) == ("fail", 1) and "another process holds" in component["message"]
    assert 1.0 < took < 2.5 and "fuser -v" in component["remedy"]


@pytest.mark.parametrize(("how", "message"), [
    ("memory", "a fault in the program, please report it: MemoryError"),
    ("segfault", "ended unanswered (asking stuck, when signal 11 ended it)"),
    ("exit", "a fault in the program, please report it: SystemExit"),
    ("raise", "a fault in the program, please report it: RuntimeError: it is \\x1b[31mbroken\\nhere"),
])
def test_a_probe_that_crashes_costs_no_other_answer(how: str, message: str, shared_home: CheckedHome,
                                                    checkout: Path) -> None:
    with stuck(shared_home, how):
        took, run = timed(shared_home, 15.0, program=checkout)
        assert message in expect_in_time(took, run, 8.0, "stuck")["message"] and run.code == 1


@pytest.mark.parametrize("source", ["import nowhere_to_be_found", "raise SystemExit(3)"])
def test_a_source_that_cannot_be_imported_costs_no_other_answer(source: str, shared_home: CheckedHome,
                                                                checkout: Path) -> None:
    (checkout.parent / "collectors" / "stuck.py").write_text(source, encoding="utf-8")
    component = expect_in_time(*timed(shared_home, 15.0, program=checkout), 5.0, "stuck")
    assert "a fault in the program" in component["message"]


def test_its_own_time_out_is_unknown_to_nagios(shared_home: CheckedHome, checkout: Path) -> None:
    with stuck(shared_home, "gil"):
        _, run = timed(shared_home, 3.0, program=checkout, arguments=(
            "--nagios", "--skip", "hue", "--skip", "amazon_aqm"))
    assert run.code == 3 and run.out.startswith("HOME MONITOR UNKNOWN: ") and "stuck: timed out after" in run.out


def test_a_full_pipe_does_not_delay_it(shared_home: CheckedHome) -> None:
    started = time.perf_counter()
    with full_pipe() as pipe:
        done = subprocess.run([sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(shared_home.config),
                               "--offline", "--timeout", "2"], stdout=pipe, stderr=subprocess.PIPE, timeout=20, cwd="/",
                              env={**unmeasured(), "PYTHONPATH": str(CHECKOUT)})
    assert time.perf_counter() - started <= 2.2 and done.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_it_can_be_interrupted(number: int, code: int, shared_home: CheckedHome, checkout: Path) -> None:
    with stuck(shared_home, "gil"):
        with subprocess.Popen([sys.executable, str(checkout), "--config", str(shared_home.config)], cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**unmeasured(), "PYTHONPATH": str(checkout.parent)},
                              preexec_fn=partial(signal.signal, number, signal.SIG_DFL)) as process:  # also under nohup
            threading.Timer(1.5, process.send_signal, [number]).start()
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, b"", b"")
    assert running(checkout) == ""


def test_under_nohup_the_end_of_the_terminal_does_not_end_it(shared_home: CheckedHome, checkout: Path) -> None:
    with stuck(shared_home, "gil"):
        with subprocess.Popen(["nohup", sys.executable, str(checkout), "--config", str(shared_home.config), "--json",
                               "--timeout", "3"], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**unmeasured(), "PYTHONPATH": str(checkout.parent)}) as process:
            threading.Timer(1.5, process.send_signal, [signal.SIGHUP]).start()
            out, _ = process.communicate(timeout=20)
    assert process.returncode == json.loads(out)["exit_code"] != 0


def test_ten_faults_at_once_are_all_reported_in_time() -> None:
    with healthy() as broken:
        broken.simulator.bridge.keys.clear()
        assert [run.code for run in broken.collect("hue")] == [2]
        (broken.data / "spool.bad").write_text("half a line", encoding="utf-8")
        broken.database.write_bytes(b"Dear diary, " * 500)
        for path in broken.data.glob("readings.db-*"):
            path.unlink()
        broken.write_config(collection={"interval_seconds": "often"}, logging={"max_bytes": 1}, unknown={})
        broken.configure("amazon_aqm", base_url="http://127.0.0.1:9", auth_url="http://127.0.0.1:9")
        broken.keep_secrets(surprise={"a": 1})
        broken.secrets.chmod(0o644)
        broken.hand_over()
        took, run = timed(broken, 15.0)
    components = by_name(run)
    assert run.code == 2 and took < 15
    for name, text in (
            ("configuration", "collection.interval_seconds"), ("configuration", "logging.max_bytes"),
            ("configuration", "unknown: "), ("secrets", "secrets.yaml"), ("secrets", "surprise: "),
            ("database_wal", "readings.db"), ("database_write", "readings.db"), ("log_rotation", "logging.max_bytes"),
            ("spool", "spool.bad"), ("alerts", "ALERT_HUE_PAIRING_NEEDED.txt"), ("freshness", "readings.db"),
            ("hue", ""), ("amazon_aqm", "")):
        status = "warn" if name == "secrets" else "fail"
        assert text in components[name]["message"] and components[name]["status"] == status, components[name]
    assert json.loads(run.out)["status"] == "fail"
