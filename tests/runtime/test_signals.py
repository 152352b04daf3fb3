"""A run that is asked to end at a moment at which Python would swallow it."""

import signal
import subprocess
import sys
import time

import pytest

from runtime.files import locked
from storage import spool
from tests.checkout import CHECKOUT
from tests.home import Home

SCRIPT = """
import atexit, os, signal, sys, time
from types import SimpleNamespace
from jobs.collect import run
from storage.reading import Sighting
from tests.jobs.fake_source import degrees, source

class Connection:
    def __del__(self):
        os.kill(os.getpid(), signal.{number})
        time.sleep(0)  # Python takes notice of signals between two steps

def collect(settings, secrets, http, memory, now):
    if {what!r} == "reading":
        yield degrees(20)(now)
    else:
        yield Sighting(device_id="made_up:1", device_type="thing")
    if {when!r} == "while it disposes of something":
        Connection()
        time.sleep(5)
    if {when!r} == "while it waits":
        print("it waits", flush=True)
        time.sleep(5)

if {when!r} == "when all is done":
    atexit.register(Connection)
module = source()
module.collect = collect
raise SystemExit(run(module, ["--config", sys.argv[1]]))
"""


def run(home: Home, when: str, number: str = "SIGTERM", what: str = "reading") -> tuple[int, str]:
    """Return the exit code, and what was said, of a run that gets the signal then, having told of that."""
    home.write_config()
    script = SCRIPT.format(when=when, number=number, what=what)
    done = subprocess.run([sys.executable, "-c", script, str(home.config)], cwd=CHECKOUT, capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_it_ends_though_it_is_just_disposing_of_something(home: Home, number: str, code: int) -> None:
    """At once, without a word, and with what it had collected in the spool for the next cycle."""
    assert run(home, "while it disposes of something", number) == (code, "")
    assert run(home, "never") == (0, "")
    row = home.cycles()[0]
    assert (row["spooled"], row["outcome"]) == (1, "interrupted")
    assert row["error_type"] == "Interrupted"


def test_a_second_signal_does_not_end_what_the_first_has_begun(home: Home) -> None:
    """Ctrl-C twice, or a time limit that signals a process and its group: what was collected is kept all the same."""
    home.write_config()
    script = SCRIPT.format(when="while it waits", number="SIGTERM", what="reading")
    with subprocess.Popen([sys.executable, "-c", script, str(home.config)], cwd=CHECKOUT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "it waits\n"
        with locked(home.data / "spool.journal.lock", 0):
            for _ in range(5):
                process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            assert process.poll() is None, "it waits for the spool"
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (143, "") and spool.status(home.data).readings == 1


def test_one_that_has_read_nothing_yet_leaves_no_row(home: Home) -> None:
    """To have seen a device is no reading of it, and that the source was out of reach would not be true."""
    assert run(home, "while it disposes of something", what="sighting") == (143, "")
    assert run(home, "never") == (0, "")
    assert [row["outcome"] for row in home.cycles()] == ["ok"]


def test_what_is_done_is_not_called_interrupted(home: Home) -> None:
    """The exit code is that of the cycle."""
    assert run(home, "when all is done") == (0, "")
    assert len(home.rows()) == 1
