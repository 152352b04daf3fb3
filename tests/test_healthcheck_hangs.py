"""Whatever hangs, the health check ends in time, and tells of everything else.

Five kinds of hang, each for real: a connection that nobody takes, a body that drips, a name server that does not
answer, a lock that is not let go, and C code that keeps Python's own lock.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.checked_home import CheckedHome, full_pipe, healthy, needs_root, public_folder
from tests.checkout import CHECKOUT, ROOMS
from tests.faults import WHOLE
from tests.home import Outcome, unmeasured

DEFAULT = 15.0
LIMITS = [3.0, pytest.param(DEFAULT, marks=pytest.mark.skipif(not WHOLE, reason="once is enough: make faults"))]
LISTEN_ONLY = 0  # places in the queue of a listening socket that accepts nobody


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of the program with the stuck source in it, where an ordinary user may read it."""
    without = shutil.ignore_patterns("__pycache__", "secrets.yaml")
    with public_folder() as folder:
        for room in ROOMS:
            shutil.copytree(CHECKOUT / room, folder / room, ignore=without)
        shutil.copy(CHECKOUT / "healthcheck.py", folder)
        shutil.copy(CHECKOUT / "tests" / "trial" / "stuck.py", folder / "collectors")
        yield folder / "healthcheck.py"


@pytest.fixture(scope="module")
def checked_home() -> Iterator[CheckedHome]:
    """One healthy home for all; each test sets its own source."""
    with healthy() as checked_home:
        yield checked_home


def timed(checked_home: CheckedHome, limit: float, *prefix: str, program: Path = CHECKOUT / "healthcheck.py",
          arguments: tuple[str, ...] = ("--json",)) -> tuple[float, Outcome]:
    """Return how long the process took from its start to its end, and what it came to."""
    command = [*prefix, sys.executable, str(program), "--config", str(checked_home.config), *arguments]
    if limit != DEFAULT:
        command += ["--timeout", f"{limit:g}"]
    started = time.perf_counter()
    environment = dict(os.environ) if limit == DEFAULT else unmeasured()  # to be measured takes time
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/",
                          env={**environment, "PYTHONPATH": str(program.parent)})
    return time.perf_counter() - started, Outcome(done.returncode, done.stdout, done.stderr)


def told(run: Outcome) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in run.json["components"]}


def expect_in_time(took: float, run: Outcome, limit: float, name: str, others: str = "pass") -> dict[str, Any]:
    """The one that hangs is told of, within the limit, and all others are as they are."""
    components = told(run)
    assert took <= limit, f"{took:.2f} s"
    assert components[name]["status"] == "fail"
    assert {components[each]["status"] for each in ("secrets", "database_write", "alerts", "spool")} == {others}
    return components[name]


@contextmanager
def stuck(checked_home: CheckedHome, how: str, **settings: Any) -> Iterator[None]:
    checked_home.settings["collectors"]["stuck"] = {"how": how, **settings}
    checked_home.write_config()
    try:
        yield
    finally:
        del checked_home.settings["collectors"]["stuck"]
        checked_home.write_config()


@contextmanager
def bridge_at(checked_home: CheckedHome, address: str) -> Iterator[None]:
    before = dict(checked_home.settings["collectors"]["hue"])
    checked_home.configure("hue", bridge_ip=address, discovery_url=None, timeout_seconds=300)
    try:
        yield
    finally:
        checked_home.settings["collectors"]["hue"] = before
        checked_home.write_config()


@pytest.mark.parametrize("limit", LIMITS)
def test_a_connection_that_nobody_takes(limit: float, checked_home: CheckedHome) -> None:
    """The queue of the listening socket is full, so that the kernel answers no further SYN."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(LISTEN_ONLY)
        address = hole.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with bridge_at(checked_home, f"http://127.0.0.1:{address[1]}"):
            found = expect_in_time(*timed(checked_home, limit), limit, "hue")
        for each in waiting:
            each.close()
    assert "did not answer within" in found["message"]


@pytest.mark.parametrize("limit", [3.0, DEFAULT])
def test_a_body_that_drips(limit: float, checked_home: CheckedHome) -> None:
    checked_home.simulator.faults.add("drip-body", pause=0.3, chunk=1)
    try:
        with bridge_at(checked_home, checked_home.simulator.http_url):
            found = expect_in_time(*timed(checked_home, limit), limit, "hue")
    finally:
        checked_home.simulator.faults.clear()
    assert "did not finish its answer within" in found["message"]


@needs_root
@pytest.mark.parametrize("limit", LIMITS)
def test_a_name_server_that_does_not_answer(limit: float, checked_home: CheckedHome, tmp_path: Path) -> None:
    """In a mount namespace of its own the machine's name server is a socket that hears and says nothing."""
    resolv = tmp_path / "resolv.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        try:
            deaf.bind(("127.0.0.53", 53))
        except OSError as error:
            pytest.skip(f"port 53 of this machine is taken: {error}")
        resolv.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:3\n", encoding="utf-8")
        prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind "{resolv}" /etc/resolv.conf && exec "$@"', "sh")
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            pytest.skip("a mount namespace was refused")
        with bridge_at(checked_home, "http://bridge.example.org"):
            found = expect_in_time(*timed(checked_home, limit, *prefix), limit, "hue")
    assert found["message"].startswith("timed out after") and "(asking hue)" in found["message"]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("how", ["gil", "lock", "swallow"])
def test_a_probe_that_never_ends(how: str, limit: float, checked_home: CheckedHome, checkout: Path) -> None:
    """C code that keeps Python's lock, a lock file of somebody else's, and what swallows every exception."""
    lock = checkout.with_name("lock")
    lock.touch(mode=0o666)
    with lock.open() as held, stuck(checked_home, how, path=str(lock)):
        fcntl.flock(held, fcntl.LOCK_EX)
        found = expect_in_time(*timed(checked_home, limit, program=checkout), limit, "stuck")
    assert found["message"].startswith("timed out after") and "(asking stuck)" in found["message"]
    assert found["remedy"].startswith("python healthcheck.py --only stuck --timeout 60")


def test_nothing_goes_on_after_the_end(checked_home: CheckedHome, checkout: Path) -> None:
    """Not even what hangs: its process is gone."""
    with stuck(checked_home, "gil"):
        timed(checked_home, 2.0, program=checkout)
    alive = subprocess.run(["pgrep", "-f", str(checkout)], capture_output=True, text=True)
    assert alive.stdout == ""


@pytest.mark.parametrize("arguments", [("--help",), ("--frobnicate",), ("--nagios", "--only", "humidity")])
def test_a_command_line_that_asks_nothing_leaves_nobody_waiting(
        arguments: tuple[str, ...], checked_home: CheckedHome, checkout: Path) -> None:
    """The foreman has begun already, and ends with its children, saying nothing."""
    run = checked_home.check(*arguments, program=checkout)
    assert "Traceback" not in run.err
    alive = subprocess.run(["pgrep", "-f", str(checkout)], capture_output=True, text=True)
    assert alive.stdout == ""


def test_the_writers_lock_is_waited_for_one_second_at_most(checked_home: CheckedHome) -> None:
    with (checked_home.data / "readings.db.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        took, run = timed(checked_home, 15.0, arguments=("--json", "--offline"))
    found = told(run)["database_write"]
    assert (found["status"], run.code) == ("fail", 1) and "another process holds" in found["message"]
    assert 1.0 < took < 2.5 and "fuser -v" in found["remedy"]


@pytest.mark.parametrize(("how", "said"), [
    ("memory", "a fault in the program, please report it: MemoryError"),
    ("segfault", "ended unanswered (asking stuck, when signal 11 ended it)"),
    ("exit", "ended unanswered (asking stuck)"),
    ("raise", "a fault in the program, please report it: RuntimeError: it is \\x1b[31mbroken\\nhere"),
])
def test_one_that_fails_takes_no_other_along(how: str, said: str, checked_home: CheckedHome, checkout: Path) -> None:
    with stuck(checked_home, how):
        took, run = timed(checked_home, 15.0, program=checkout)
        assert said in expect_in_time(took, run, 8.0, "stuck")["message"] and run.code == 1


def test_a_source_that_cannot_be_imported_takes_no_other_along(checked_home: CheckedHome, checkout: Path) -> None:
    (checkout.parent / "collectors" / "stuck.py").write_text("import nowhere_to_be_found", encoding="utf-8")
    found = expect_in_time(*timed(checked_home, 15.0, program=checkout), 5.0, "stuck")
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in found["message"]


def test_its_own_time_out_is_unknown_to_nagios(checked_home: CheckedHome, checkout: Path) -> None:
    with stuck(checked_home, "gil"):
        _, run = timed(checked_home, 3.0, program=checkout, arguments=(
            "--nagios", "--skip", "hue", "--skip", "amazon_aqm"))
    assert run.code == 3 and run.out.startswith("HOME MONITOR UNKNOWN: ") and "stuck: timed out after" in run.out


def test_a_terminal_that_takes_nothing_does_not_hold_it(checked_home: CheckedHome) -> None:
    """Its output goes into a pipe that is full already."""
    started = time.perf_counter()
    with full_pipe() as pipe:
        done = subprocess.run([sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(checked_home.config),
                               "--offline", "--timeout", "2"], stdout=pipe, stderr=subprocess.PIPE, timeout=20, cwd="/",
                              env={**unmeasured(), "PYTHONPATH": str(CHECKOUT)})
    assert time.perf_counter() - started <= 2.2 and done.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_can_be_interrupted(number: int, code: int, checked_home: CheckedHome, checkout: Path) -> None:
    with stuck(checked_home, "gil"):
        with subprocess.Popen([sys.executable, str(checkout), "--config", str(checked_home.config)], cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PYTHONPATH": str(checkout.parent)}) as process:
            threading.Timer(1.5, process.send_signal, [number]).start()
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, b"", b"")
    assert subprocess.run(["pgrep", "-f", str(checkout)], capture_output=True).stdout == b""


def test_ten_faults_at_once_are_all_told_of_in_time() -> None:
    """With everything broken it still tells of everything."""
    with healthy() as broken:
        broken.simulator.bridge.keys.clear()
        assert [run.code for run in broken.collect("hue")] == [2]
        (broken.data / "spool.bad").write_text("half a line", encoding="utf-8")
        broken.database.write_bytes(b"Dear diary, " * 500)
        for each in broken.data.glob("readings.db-*"):
            each.unlink()
        broken.write_config(collection={"interval_seconds": "often"}, logging={"max_bytes": 1}, unknown={})
        broken.configure("amazon_aqm", base_url="http://127.0.0.1:9", auth_url="http://127.0.0.1:9")
        broken.keep_secrets(surprise={"a": 1})
        broken.secrets.chmod(0o644)
        broken.hand_over()
        took, run = timed(broken, 15.0)
    said = {name: each["message"] for name, each in told(run).items()}
    assert run.code == 2 and took < 15
    for name, text in (
            ("configuration", "collection.interval_seconds: 'often' is not a whole number"),
            ("configuration", "logging.max_bytes: 1 is out of range"), ("configuration", "unknown: unknown key"),
            ("secrets", "others on this machine may read"), ("secrets", "surprise: unknown key"),
            ("database_wal", "damaged or not a database"), ("database_write", "damaged or not a database"),
            ("log_rotation", "logging.max_bytes"), ("spool", "bytes of the spool were damaged"),
            ("alerts", "ALERT_HUE_PAIRING_NEEDED.txt"), ("freshness", "damaged or not a database"),
            ("hue", "the bridge refuses our key"), ("amazon_aqm", "cannot be reached")):
        assert text in said[name], (name, said[name])
    assert json.loads(run.out)["status"] == "fail"
