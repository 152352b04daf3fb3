"""A run that gets a signal at a moment when Python would swallow the exception."""

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
        time.sleep(0)  # Python handles signals between two instructions

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


def listen() -> None:
    """Undo what a shell does to programs in the background."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def run(home: Home, when: str, number: str = "SIGTERM", what: str = "reading") -> tuple[int, str]:
    """Return the exit code and stderr of a run that gets the signal then."""
    home.write_config()
    script = SCRIPT.format(when=when, number=number, what=what)
    done = subprocess.run([sys.executable, "-c", script, str(home.config)], cwd=CHECKOUT, capture_output=True,
                          text=True, timeout=60, preexec_fn=listen)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129), ("SIGQUIT", 131)])
def test_a_signal_during_a_destructor_ends_the_run(home: Home, number: str, code: int) -> None:
    """At once, with nothing printed and the collected readings in the spool for the next cycle."""
    assert run(home, "while it disposes of something", number) == (code, "")
    assert run(home, "never") == (0, "")
    row = home.cycles()[0]
    assert (row["spooled"], row["outcome"]) == (1, "interrupted")


def test_a_second_signal_does_not_end_the_clean_up(home: Home) -> None:
    """Ctrl-C twice, or a time limit that signals a process and its group: the collected readings are kept."""
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


def test_a_run_without_a_reading_leaves_no_row(home: Home) -> None:
    """A sighting is no reading, and "unreachable" would not be true."""
    assert run(home, "while it disposes of something", what="sighting") == (143, "")
    assert run(home, "never") == (0, "")
    assert [row["outcome"] for row in home.cycles()] == ["ok"]


def test_a_signal_after_the_cycle_does_not_change_its_exit_code(home: Home) -> None:
    assert run(home, "when all is done") == (0, "")
    assert len(home.rows()) == 1


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_before_there_is_a_log_it_ends_without_a_word(home: Home, number: signal.Signals, code: int) -> None:
    home.write_config()
    script = f"import config, os\nconfig.load = lambda *_, **__: os.kill(os.getpid(), {int(number)})\n" \
        "from collectors import hue\nfrom jobs.collect import run\nimport sys\nrun(hue, ['--config', sys.argv[1]])"
    done = subprocess.run([sys.executable, "-c", script, str(home.config)], cwd=CHECKOUT, capture_output=True, text=True,
                          timeout=60, preexec_fn=listen)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
