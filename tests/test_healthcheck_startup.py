"""The health check, started in unusual ways: it still reports the truth in time, and leaves no process behind."""

import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import publishers
from tests.checked_home import CheckedHome, full_pipe
from tests.checkout import CHECKOUT
from tests.home import unmeasured


def start(checked_home: CheckedHome, *arguments: str, prefix: Sequence[str] = (), **named: Any) -> "subprocess.Popen[str]":
    environment = unmeasured() | {"PYTHONPATH": str(CHECKOUT)} | named.pop("environment", {})
    return subprocess.Popen(
        [*prefix, sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(checked_home.config), *arguments],
        text=True, cwd="/", stderr=subprocess.PIPE, env=environment, **{"stdout": subprocess.PIPE, **named})


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_failure(closed: str, checked_home: CheckedHome) -> None:
    with start(checked_home, "--offline", prefix=["sh", "-c", f'exec "$0" "$@" {closed}']) as run:
        out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "")
    assert ("\nsecrets " in out) is (">&-" not in closed.split())


def test_a_parent_that_ignores_children_changes_nothing(checked_home: CheckedHome) -> None:
    with start(checked_home, "--offline", prefix=["bash", "-c", "trap '' CHLD; exec \"$0\" \"$@\""]) as run:
        out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "") and "\nsecrets " in out


def test_a_blocked_alarm_ends_it_in_time(checked_home: CheckedHome) -> None:
    """Nothing reads its output, and the parent process has blocked SIGALRM."""
    with full_pipe() as pipe, start(checked_home, "--offline", "--timeout", "8", stdout=pipe, preexec_fn=lambda: (
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]))) as run:
        assert run.wait(timeout=30) == 0


PUBLISHERS = [module.name for module in pkgutil.iter_modules(publishers.__path__)]
BROKEN = "raise ImportError('no _sqlite3')"
CRASHING = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize("source, more", [(BROKEN, ()), (CRASHING, ("configuration", "spool"))], ids=["broken", "crashing"])
def test_a_broken_sqlite_costs_no_other_answer(source: str, more: tuple[str, ...], checked_home: CheckedHome,
                                               shared_folder: Path) -> None:
    """Also when it crashes in the process that reads the installation, which run by root imports all of the program.

    Most publishers import sqlite3.
    """
    (shared_folder / "sqlite3.py").write_text(source, encoding="utf-8")
    answers = statuses(checked_home, shared_folder)
    assert {name: status for name, status in answers.items() if name not in PUBLISHERS} == {
        "configuration": "pass", "secrets": "pass", "log_rotation": "pass", "disk_space": "pass", "alerts": "pass",
        "database_wal": "fail", "database_write": "fail", "spool": "pass", "freshness": "fail", "clock": "fail",
        "batteries": "fail", "installation": "pass", "hue": "skipped", "amazon_aqm": "skipped", **dict.fromkeys(more, "fail")}


def test_a_crash_that_cannot_be_left_out_is_the_answer(checked_home: CheckedHome, shared_folder: Path) -> None:
    (shared_folder / "yaml.py").write_text(CRASHING, encoding="utf-8")
    assert statuses(checked_home, shared_folder) == {"configuration": "fail"}


def statuses(checked_home: CheckedHome, folder: Path) -> dict[str, str]:
    with start(checked_home, "--offline", "--json", environment={"PYTHONPATH": f"{folder}:{CHECKOUT}"}) as run:
        out, err = run.communicate(timeout=30)
    assert err == "" and run.returncode in (1, 2)
    return {component["name"]: component["status"] for component in json.loads(out)["components"]}


def test_killing_it_leaves_no_process_behind(checked_home: CheckedHome) -> None:
    """Its children hang, and end by themselves: SIGKILL gives it no chance to end them."""
    os.mkfifo(checked_home.data / "ALERT_X.txt")
    with start(checked_home, "--offline", "--timeout", "2") as run:
        time.sleep(0.7)
        run.kill()
    assert within(4, lambda: not alive(checked_home))


def alive(checked_home: CheckedHome) -> str:
    return subprocess.run(["pgrep", "-f", f"healthcheck.py --config {checked_home.config}"], capture_output=True,
                          text=True).stdout


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--nagios",), 3)])
def test_without_processes_it_is_unknown(arguments: tuple[str, ...], code: int, checked_home: CheckedHome) -> None:
    with start(checked_home, *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))) as run:
        out, err = run.communicate(timeout=30)
    assert run.returncode == code and "ulimit -u" in out and err == ""


def test_the_time_limit_counts_from_the_start_of_the_process(checked_home: CheckedHome) -> None:
    """What it waited for before its first line, such as a slow disk, counts as well. FR-028."""
    os.mkfifo(checked_home.data / "ALERT_X.txt")
    started = time.monotonic()
    with start(checked_home, "--offline", "--timeout", "3", prefix=["sh", "-c", 'sleep 1; exec "$0" "$@"']) as run:
        run.communicate(timeout=30)
    assert run.returncode == 1 and time.monotonic() - started < 3.5
