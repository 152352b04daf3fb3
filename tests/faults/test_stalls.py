"""A stall of 20 s in any one call on the run's files: what was read is in the spool, in the database or printed.

As memory cards, USB disks that spin up, and network disks do. The runs, under strace, all stall side by side.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from storage import spool
from tests.checkout import CHECKOUT
from tests.faults import WHOLE
from tests.faults.hangs import why_no_strace
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

DEADLINE, STALL = 10, 20  # seconds


class Stall(NamedTuple):
    """A system call, and the file it is about, below the home."""

    call: str
    file: str


SAMPLE = [Stall("pwrite64", "data/spool.journal"), Stall("openat", "data/spool.journal.lock"),
          Stall("fdatasync", "data/spool.journal"), Stall("fdatasync", "data/readings.db-wal")]
MORE = [Stall(call, file) for file, calls in {
    "data/spool.journal": ("openat", "pread64"), "data/spool.journal.lock": ("flock",), "data/hue.lock": ("openat", "flock"),
    "data/readings.db": ("openat", "pread64", "fcntl"), "data/readings.db.lock": ("openat", "flock"),
    "data/readings.db-wal": ("openat", "pwrite64"), "data/logs/home_monitor.log": ("openat", "write"),
    "data/hue.session.json": ("openat",), "config/config.yaml": ("openat",)}.items() for call in calls]
STALLS = SAMPLE + (MORE if WHOLE else [])


class Ended(NamedTuple):
    code: int
    stored: int
    waiting: int
    printed: int
    err: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Stall, Ended]]:
    if why := why_no_strace():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("stalls")
    with Simulator(tls=None) as simulator:
        homes = {stall: make(folder / str(number), simulator) for number, stall in enumerate(STALLS)}
        running = {stall: start(home, stall) for stall, home in homes.items()}
        outcomes = {}
        for stall, process in running.items():
            _, err = process.communicate(timeout=120)
            home = homes[stall]
            outcomes[stall] = Ended(process.returncode, len(home.rows()) - 5, spool.status(home.data).readings,
                                    printed(err), "".join(line for line in err.splitlines(True) if line[:6] != "strace"))
        yield outcomes


def make(folder: Path, simulator: Simulator) -> Home:
    """Make a home in which a cycle has run."""
    home = Home(folder)
    home.write_config(collection={"cycle_deadline_seconds": DEADLINE})
    home.point_at(simulator, scheme="http")
    assert home.process().code == 0
    home.wait_for_the_next_second()
    return home


def start(home: Home, stall: Stall) -> "subprocess.Popen[str]":
    inject = f"inject={stall.call}:delay_enter={STALL * 1_000_000}:when=1"
    return subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(home.folder / stall.file), "-e", f"trace={stall.call}", "-e",
         inject, *home.command()], cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=unmeasured())


def printed(err: str) -> int:
    with suppress(ValueError, IndexError):
        return len(json.loads(err.split("not stored: ")[1].splitlines()[0]))
    return 0


@pytest.mark.parametrize("stall", STALLS, ids=" ".join)
def test_nothing_that_was_read_is_lost(stall: Stall, ended: dict[Stall, Ended]) -> None:
    """A stall before the source was asked costs the cycle, which says so in one line."""
    one = ended[stall]
    assert one.code in (0, 1)
    before = stall.file in ("data/hue.lock", "data/hue.session.json", "config/config.yaml") or stall.call == "openat" and (
        stall.file == "data/logs/home_monitor.log")
    assert one.stored + one.waiting + one.printed >= (0 if before else 5), one
    assert "Traceback" not in one.err and one.err.count("\n") <= 1, one
