"""The power fails: only what had been written to the disk by then is left.

`data/` lies on a small disk in a file. Cycles run on it beside a second connection; one is killed at one of its writes,
and the file is copied at that instant, without what only the kernel's memory held, except for some files that were
written back. The copy is mounted, and must have everything that a cycle had reported as stored or spooled.
"""

import json
import random
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runtime.files import sync
from tests.faults import WHOLE
from tests.faults.disks import ext4, mounted, photograph, require_disks
from tests.faults.household import Given, Household, require
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

TRIALS, FIRST_TRIALS = (120, 40) if WHOLE else (2, 1)
# A cycle is killed at one of so many calls of that name. It makes fewer, so that it survives now and then.
USUAL, HELD, FIRST = ({"pwrite64": 17, "fdatasync": 4, "flock": 9}, {"pwrite64": 1, "fdatasync": 2, "flock": 9},
                      {"pwrite64": 70, "fdatasync": 17, "flock": 13, "unlink": 8})


class Disk:
    """A household on a disk that loses power; `stored` and `waiting` are what cycles reported."""

    def __init__(self, home: Home, simulator: Simulator, folder: Path) -> None:
        self.household, self.data = Household(home, simulator), home.data
        self.image, self.photo, self.past = (folder / f"{name}.img" for name in ("disk", "photo", "past"))
        ext4(self.image)
        self.witness = home.config.with_name("record.id")
        self.witnessed: bytes | None = None
        self.stored: set[Given] = set()
        self.waiting: set[Given] = set()

    def settle_in(self) -> None:
        """Run two cycles, from which every trial starts."""
        with mounted(self.image, self.data):
            assert [self.run().code, self.run().code] == [0, 0]
        self.keep()

    def run(self, *before: str) -> Outcome:
        """Run a cycle as a process, and record what it reports as stored or spooled."""
        given = self.household.given()
        outcome = self.household.process(*before)
        result = json.loads(outcome.out or "{}")
        self.stored |= given if result.get("stored") else set()
        self.waiting |= given if result.get("spooled") else set()
        return outcome

    def run_to_its_end(self, calls: dict[str, int], chance: random.Random) -> bool:
        """Run a cycle that is killed at one of these calls; return whether it was."""
        name = chance.choice(list(calls))
        outcome = self.run("strace", "-o", "/dev/null", "-e", f"trace={name}", "-e",
                           f"inject={name}:signal=KILL:when={chance.randint(1, calls[name])}")
        return outcome.code == -signal.SIGKILL

    def lose_power(self, chance: random.Random) -> None:
        """Copy what has been written to the disk, perhaps with some files that nothing had synced."""
        files = [path for path in sorted(self.data.iterdir()) if path.is_file() and chance.random() < 0.3]
        if files and chance.random() < 0.5:
            subprocess.run(["sync", "--data", *files], check=True)
        photograph(self.image, self.photo)

    def keep(self) -> None:
        """Keep the disk as the start of every trial, and what the witness on another disk says."""
        photograph(self.image, self.past)
        self.witnessed = self.witness.read_bytes() if self.witness.exists() else None

    def start_again(self) -> None:
        photograph(self.past, self.image)
        for name in (self.witness.name, "waiting.journal"):
            self.witness.with_name(name).unlink(missing_ok=True)
        if self.witnessed is not None:
            self.witness.write_bytes(self.witnessed)

    def problems(self) -> Iterator[str]:
        """Mount the copy, run the next cycle, and yield what is wrong then."""
        with mounted(self.photo, self.data):
            if self.stored - set(self.household.stored_at_once()):
                yield "rows are lost that a cycle had reported as stored"
            yield from self.household.problems(self.stored | self.waiting)


@pytest.fixture
def disk(home: Home, tmp_path: Path) -> Iterator[Disk]:
    require("strace", "faketime", "sync")
    require_disks(tmp_path)
    with Simulator(tls=None) as simulator:
        yield Disk(home, simulator, tmp_path)


def test_only_what_was_synced_survives(disk: Disk) -> None:
    with mounted(disk.image, disk.data):
        (disk.data / "synced").write_text("here")
        sync(disk.data / "synced")
        sync(disk.data)
        (disk.data / "synced").write_text("here no more")
        (disk.data / "not synced").write_text("gone")
        photograph(disk.image, disk.photo)
    with mounted(disk.photo, disk.data):
        assert (disk.data / "synced").read_text() == "here" and not (disk.data / "not synced").exists()


def test_a_power_cut_loses_nothing_that_was_reported_as_stored_or_spooled(disk: Disk) -> None:
    """In every other trial the second connection holds the database locked, so that readings wait in the spool."""
    disk.settle_in()
    past, problems, killed, reported = set(disk.stored), [], 0, 0
    for number in range(TRIALS):
        chance = random.Random(number)
        disk.start_again()
        disk.stored, disk.waiting, disk.household.collected = set(past), set(), set(past)
        with mounted(disk.image, disk.data), closing(
                sqlite3.connect(disk.household.home.database, isolation_level=None)) as second:
            second.execute("SELECT COUNT(*) FROM readings").fetchall()
            assert disk.run().code == 0
            if number % 2:
                second.execute("BEGIN IMMEDIATE")
            assert disk.run().code == number % 2
            killed += disk.run_to_its_end(HELD if number % 2 else USUAL, chance)
            disk.lose_power(chance)
        reported += len(disk.stored | disk.waiting) - len(past)
        problems += [f"trial {number}: {problem}" for problem in disk.problems()]
    assert not problems, "\n".join(problems)
    print(f"\n{TRIALS} power cuts ({killed} in the midst of a cycle): of {reported} readings reported as kept, 0 lost")


def test_a_power_cut_in_the_first_cycle_ever_loses_and_blocks_nothing(disk: Disk) -> None:
    disk.keep()
    problems, killed, reported = [], 0, 0
    for number in range(FIRST_TRIALS):
        chance = random.Random(number)
        disk.start_again()
        disk.stored, disk.waiting, disk.household.collected = set(), set(), set()
        with mounted(disk.image, disk.data):
            killed += disk.run_to_its_end(FIRST, chance)
            disk.lose_power(chance)
        reported += len(disk.stored)
        problems += [f"trial {number}: {problem}" for problem in disk.problems()]
    assert not problems, "\n".join(problems)
    print(f"\n{FIRST_TRIALS} power cuts in or after the first cycle ever ({killed} in its midst): of {reported} readings "
          "reported as kept, 0 lost")
