"""A stream that no one reads, or a file that never opens, ends no run late and loses nothing."""

import itertools
import os
import pty
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import spool
from tests.checked_home import full_pipe
from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

LIMIT = 25  # seconds: below the run's own deadline, so that no watchdog has ended it


@pytest.fixture(autouse=True)
def pointed(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")


def run(home: Home, *arguments: str, prefix: tuple[str, ...] = (), stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL) -> int:
    """Return the exit code of a cycle."""
    return subprocess.run([*prefix, *home.command(*arguments)], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=stderr, timeout=LIMIT, env=unmeasured()).returncode


def assert_next_cycle_stores(home: Home, rows: int) -> None:
    home.wait_for_the_next_second()
    assert home.process().code == 0
    assert (len(home.rows()), spool.status(home.data).readings) == (rows, 0)


@pytest.mark.parametrize(("full", "arguments"), [("both", ["-v"]), ("stdout", ["--json"]),
                                                 ("stdout", ["--discover"])])
def test_a_full_pipe_ends_no_run_late(full: str, arguments: list[str], home: Home) -> None:
    with full_pipe() as pipe:
        out, err = (pipe if full in (name, "both") else subprocess.DEVNULL for name in ("stdout", "stderr"))
        assert run(home, *arguments, stdout=out, stderr=err) == 0
    stored = 0 if "--discover" in arguments else 5
    assert len(home.rows()) == stored
    assert_next_cycle_stores(home, stored + 5)


def test_an_error_that_no_one_reads_keeps_its_exit_code(home: Home, simulator: Simulator) -> None:
    simulator.faults.add("key-refused")
    with full_pipe() as pipe:
        assert run(home, stderr=pipe) == 2
    assert (home.data / "ALERT_HUE_PAIRING_NEEDED.txt").exists()


@contextmanager
def stopped_terminal() -> Iterator[int]:
    """Yield a terminal whose output was stopped, as by Ctrl-S."""
    controller, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    yield terminal
    os.close(controller)
    os.close(terminal)


@pytest.mark.parametrize("arguments", [[], ["-v"], ["--dry-run"]])
def test_a_stopped_terminal_ends_no_run_late(arguments: list[str], home: Home) -> None:
    with stopped_terminal() as terminal:
        assert run(home, *arguments, stdout=terminal, stderr=terminal) == 0
    assert_next_cycle_stores(home, 5 if "--dry-run" in arguments else 10)


@pytest.mark.parametrize("closed", [closed for count in (1, 3) for closed in itertools.combinations("012", count)])
def test_no_file_takes_the_number_of_a_closed_stream(closed: tuple[str, ...], home: Home, simulator: Simulator) -> None:
    """What is printed would go into the spool."""
    simulator.faults.add("key-refused", times=1)
    script = f'exec "$@" {" ".join(f"{number}>&-" for number in closed)}'
    assert run(home, "-v", prefix=("sh", "-c", script, "sh")) == 2
    assert spool.status(home.data).set_aside == 0
    assert_next_cycle_stores(home, 5)


@pytest.mark.parametrize("name", ["hue.session.json", "logs/home_monitor.log", "logs/.home_monitor.log.lock"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(name: str, home: Home) -> None:
    path = home.data / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    assert run(home) == 0
    assert len(home.rows()) == 5


def test_missing_certificate_authorities_are_named(home: Home, tmp_path: Path) -> None:
    """requests raises a plain OSError for them."""
    home.settings["collectors"]["amazon_aqm"] = {"enabled": True}
    home.write_config()
    home.write_secrets({"amazon_aqm": {"refresh_token": "Atnr|x"}})
    (tmp_path / "certifi.py").write_text(f"def where(): return {str(tmp_path / 'gone.pem')!r}\n", encoding="utf-8")
    done = subprocess.run(home.command(module="collectors.amazon_aqm"), cwd=CHECKOUT, capture_output=True, text=True,
                          timeout=LIMIT, env={**unmeasured(), "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"})
    assert done.returncode == 2 and "gone.pem" in done.stderr and "install" in done.stderr
    assert done.stderr.count("\n") == 1
