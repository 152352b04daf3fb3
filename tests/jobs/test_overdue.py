"""A run that holds its collector's lock for longer than three intervals."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.home import Home
from tests.jobs.fake_source import at, degrees, source

SINCE = "2026-11-22T00:00:00+00:00"
HOLDER = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), sys.argv[2], file=file, flush=True)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(home: Home, since: str = SINCE) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, home.data / "made_up.lock", since], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process.pid
        process.kill()


@pytest.mark.parametrize("hours, code", [(0.2, 0), (0.25, 0), (0.26, 1)])
def test_a_run_that_holds_the_lock_too_long_is_named_once_a_day(hours: float, code: int, home: Home) -> None:
    home.write_config()
    with held(home) as process:
        with at(hours):
            run = home.run("--json", collector=source(degrees(20)))
        with at(hours + 0.1 * code):
            again = home.run(collector=source(degrees(20)))
    assert (run.code, again.code, run.json["outcome"], again.err) == (code, code, "skipped", "")
    named = f"process {process} has held {home.data / 'made_up.lock'} since {SINCE}"
    assert all((named in text) is bool(code) for text in (run.err, run.json["error"], home.cycles()[0]["error"] or ""))
    assert run.err.endswith(f"kill -KILL {process}\n") is bool(code)
    with at(hours):
        assert home.run(collector=source(degrees(20))).code == 0


def test_a_process_that_is_gone_holds_nothing(home: Home) -> None:
    """The lock is held by a run that has not written its name yet."""
    home.write_config()
    with held(home), at(9):
        (home.data / "made_up.lock").write_text(f"{2 ** 22 + 1} {SINCE}")
        run = home.run(collector=source(degrees(20)))
        assert (run.code, run.err) == (0, "")
