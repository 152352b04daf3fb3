"""The health check, begun in the strangest ways: it tells the truth, in time, and leaves nobody behind."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.checked_home import CheckedHome, full_pipe, needs_root
from tests.checkout import CHECKOUT
from tests.home import unmeasured


def begin(checked_home: CheckedHome, *arguments: str, prefix: Sequence[str] = (), **named: Any) -> "subprocess.Popen[str]":
    """Begin the health check, as a process of its own, in another folder."""
    environment = unmeasured() | {"PYTHONPATH": str(CHECKOUT)} | named.pop("environment", {})
    return subprocess.Popen(
        [*prefix, sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(checked_home.config), *arguments],
        text=True, cwd="/", stderr=subprocess.PIPE, env=environment, **{"stdout": subprocess.PIPE, **named})


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_failure(closed: str, checked_home: CheckedHome) -> None:
    with begin(checked_home, "--offline", prefix=["sh", "-c", f'exec "$0" "$@" {closed}']) as run:
        out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "")
    assert ("\nsecrets " in out) is (">&-" not in closed.split())


def test_ignored_children_are_waited_for_all_the_same(checked_home: CheckedHome) -> None:
    with begin(checked_home, "--offline", prefix=["bash", "-c", "trap '' CHLD; exec \"$0\" \"$@\""]) as run:
        out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "") and "\nsecrets " in out


def test_a_held_back_alarm_rings_all_the_same(checked_home: CheckedHome) -> None:
    """Whoever is to read does not, and whoever started us held the alarm back."""
    with full_pipe() as pipe, begin(checked_home, "--offline", "--timeout", "2", stdout=pipe, preexec_fn=lambda: (
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]))) as run:
        assert run.wait(timeout=10) == 0


def test_a_broken_sqlite_takes_nobody_along(checked_home: CheckedHome, tmp_path: Path) -> None:
    (tmp_path / "sqlite3.py").write_text("raise ImportError('no _sqlite3')", encoding="utf-8")
    tmp_path.chmod(0o755)
    assert statuses(checked_home, tmp_path) == {
        "configuration": "pass", "secrets": "pass", "log_rotation": "pass", "disk_space": "pass", "alerts": "pass",
        "database_wal": "fail", "database_write": "fail", "spool": "fail", "freshness": "fail", "hue": "skipped",
        "amazon_aqm": "skipped"}


def test_a_storekeeper_that_dies_takes_nobody_along_and_is_told_of(checked_home: CheckedHome, tmp_path: Path) -> None:
    (tmp_path / "sqlite3.py").write_text("import os\nos.kill(os.getpid(), 11)", encoding="utf-8")
    tmp_path.chmod(0o755)
    assert statuses(checked_home, tmp_path)["secrets"] == "pass"
    with begin(checked_home, "--offline", environment={"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}) as run:
        assert run.communicate(timeout=30)[0].count("ended unanswered") == 4


def statuses(checked_home: CheckedHome, folder: Path) -> dict[str, str]:
    """Return how the components are where a folder comes first in Python's path."""
    with begin(checked_home, "--offline", "--json", environment={"PYTHONPATH": f"{folder}:{CHECKOUT}"}) as run:
        out, err = run.communicate(timeout=30)
    assert err == "" and run.returncode in (1, 2)
    return {each["name"]: each["status"] for each in json.loads(out)["components"]}


@needs_root
def test_whoever_kills_it_leaves_nobody_behind(checked_home: CheckedHome, tmp_path: Path) -> None:
    """Its foreman hangs in an import, which root has it make before it becomes the owner of the home."""
    (tmp_path / "requests.py").write_text("import time\ntime.sleep(60)", encoding="utf-8")
    tmp_path.chmod(0o755)
    with begin(checked_home, "--timeout", "2", environment={"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}) as run:
        time.sleep(0.5)
        run.kill()
    assert within(4, lambda: not alive(checked_home))


def test_a_terminal_that_is_closed_ends_it_like_any_other_end(checked_home: CheckedHome, tmp_path: Path) -> None:
    os.rename(checked_home.secrets, tmp_path / "secrets.yaml")
    os.mkfifo(checked_home.data / "ALERT_X.txt")
    with begin(checked_home, "--offline") as run:
        time.sleep(0.5)
        run.send_signal(signal.SIGHUP)
        assert run.wait(timeout=5) == 129
    assert within(2, lambda: not alive(checked_home))


def alive(checked_home: CheckedHome) -> str:
    """Return the processes that go on looking at this home."""
    return subprocess.run(["pgrep", "-f", f"healthcheck.py --config {checked_home.config}"], capture_output=True,
                          text=True).stdout


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    """Tell whether something comes true in time."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--nagios",), 3)])
def test_where_no_process_can_be_begun_it_says_so(arguments: tuple[str, ...], code: int, checked_home: CheckedHome) -> None:
    with begin(checked_home, *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))) as run:
        out, err = run.communicate(timeout=30)
    assert run.returncode == code and "no process can be begun" in out and err == ""


def test_it_counts_from_its_start_whatever_it_waited_for(checked_home: CheckedHome) -> None:
    """What it had to wait for before it could begin, a slow disk say, counts as well."""
    os.mkfifo(checked_home.data / "ALERT_X.txt")
    started = time.monotonic()
    with begin(checked_home, "--offline", "--timeout", "3", prefix=["sh", "-c", 'sleep 1; exec "$0" "$@"']) as run:
        run.communicate(timeout=30)
    assert run.returncode == 1 and time.monotonic() - started < 3.5
