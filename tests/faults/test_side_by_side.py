"""Both collectors side by side with everybody else who uses the database; and what troubles one without the other."""

import itertools
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from storage import manager
from tests.faults import WHOLE
from tests.faults.forked import (
    COLLECTORS,
    EVERY,
    FORKING,
    READINGS,
    START,
    Ended,
    false_rows,
    furnish,
    integrity,
    prepare,
    run_pair,
    stored,
)
from tests.home import CHECKOUT, Home
from tests.simulator.server import Simulator

CYCLES = 2000 if WHOLE else 40
WORST_WAIT_SECONDS = 1.0 if WHOLE else 3.0  # the shorter run is part of every test run, on however busy a machine

Round = Callable[[Path], None]


@pytest.fixture
def both(home: Home, simulator: Simulator) -> Home:
    """A home in which both collectors have stored their first cycle; the checkpoints come often."""
    prepare()
    home.settings["storage"] = {"wal_checkpoint_interval": 10}
    furnish(home, simulator)
    assert [each.code for each in run_pair(home, simulator, START - EVERY)] == [0, 0]
    return home


def read(database: Path) -> None:
    """Look at everything, as a report does: no cycle is there in part."""
    with manager.reading(database) as connection:
        counts = connection.execute("SELECT COUNT(*), device_type FROM readings GROUP BY timestamp, device_type")
        assert set(counts) == {(5, "hue_sensor"), (1, "alexa_aqm")}


def back_up(database: Path) -> None:
    """Copy it as docs/data.md says, and look at the copy."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(f"{database}.copy")) as copy:
        source.backup(copy)
        assert copy.execute("PRAGMA quick_check").fetchone() == ("ok",)


def checkpoint(database: Path) -> None:
    """Move the -wal into the database, and shorten it, without asking anybody."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def go_round(work: Round, database: Path, over: Event, told: Path) -> None:
    """Be one of the others: do it as often as the collectors run, and for as long."""
    for number in itertools.count(1):
        work(database)
        if over.is_set() and number >= CYCLES:
            break
        time.sleep(0.005)
    told.write_text(str(number))


@contextmanager
def others_at_work(home: Home) -> Iterator[dict[str, int]]:
    """Let a reader, a backup and checkpoints go on all the time; at the end there is who did how many rounds."""
    over, rounds = FORKING.Event(), dict[str, int]()
    works = [read, back_up, checkpoint]
    processes = [FORKING.Process(target=go_round, args=(work, home.database, over, home.folder / work.__name__))
                 for work in works]
    for process in processes:
        process.start()
    try:
        yield rounds
    finally:
        over.set()
        for process in processes:
            process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    rounds |= {work.__name__: int((home.folder / work.__name__).read_text()) for work in works}


def check_all_is_there(home: Home, simulator: Simulator, cycles: int) -> None:
    """Every reading of every cycle once, at the first attempt, and none that is false."""
    found = stored(home)
    assert sorted(name for name, _ in found) == sorted(COLLECTORS * cycles)
    assert {key: count for key, count in found.items() if count != READINGS[key[0]]} == {}
    told = home.rows("SELECT outcome, retries, COUNT(*) AS count FROM collection_cycles GROUP BY outcome, retries")
    assert told == [{"outcome": "ok", "retries": 0, "count": len(COLLECTORS) * cycles}]
    assert false_rows(home, simulator) == [] and integrity(home) == ["ok"]


def test_collectors_a_reader_a_backup_and_checkpoints_do_not_disturb_each_other(
        both: Home, simulator: Simulator) -> None:
    """SC-001: no error, every row, and nobody waits for the database for as long as a second.

    Each cycle is a process of its own (see tests/faults/forked.py); what is waited for is measured from the moment at
    which the spool has the readings to the end of the run.
    """
    ended: list[Ended] = []
    with others_at_work(both) as rounds:
        for turn in range(CYCLES):
            ended += run_pair(both, simulator, START + turn * EVERY)
    assert {(each.code, each.err) for each in ended} == {(0, "")} and min(rounds.values()) >= CYCLES
    check_all_is_there(both, simulator, CYCLES + 1)
    waits = sorted(each.storing or 0.0 for each in ended)
    [row] = both.rows("SELECT MAX(duration_ms - fetch_ms) AS worst FROM collection_cycles")
    if WHOLE:
        print(f"\\n{CYCLES} cycles of each collector, {rounds}: 0 errors, {len(both.rows())} rows; from spool to end "
              f"{1000 * waits[len(waits) // 2]:.0f} ms in the median, {1000 * waits[-1]:.0f} ms at worst; "
              f"duration_ms - fetch_ms {row['worst']:.0f} ms at worst")
    assert waits[0] > 0 and waits[-1] < WORST_WAIT_SECONDS
    assert row["worst"] < 1000 * WORST_WAIT_SECONDS


def test_the_commands_that_cron_starts_do_not_disturb_each_other(home: Home, simulator: Simulator) -> None:
    """The same with the whole command lines by the real clock, both in the same second, as under cron."""
    prepare()
    furnish(home, simulator)
    commands = [home.command(module=f"collectors.{name}") for name in COLLECTORS]
    run_commands(commands)
    cycles = 100 if WHOLE else 2
    with others_at_work(home):
        for _ in range(cycles):
            time.sleep(1 - time.time() % 1)
            assert run_commands(commands) == [(0, ""), (0, "")]
    check_all_is_there(home, simulator, cycles + 1)


def run_commands(commands: list[list[str]]) -> list[tuple[int, str]]:
    """Run the commands side by side; return exit codes and all that was said."""
    runs = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for command in commands]
    said = [run.communicate(timeout=60)[0] for run in runs]
    return [(run.returncode, text) for run, text in zip(runs, said)]
