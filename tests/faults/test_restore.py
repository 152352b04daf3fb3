"""Backups of every kind are restored while both collectors run: nothing is lost without a word, nothing is doubled.

What the database had and the backup lacks is in the file that `restore` sets aside, and says so.
"""

import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.faults import WHOLE
from tests.faults.forked import (
    COLLECTORS,
    EVERY,
    READINGS,
    START,
    TYPES,
    false_rows,
    integrity,
    run_pair,
    start_pair,
    stored,
)
from tests.forking import prepare
from tests.home import Home, unmeasured
from tests.publishers.running import enable
from tests.simulator.server import Simulator

Keys = Counter[tuple[str, datetime]]
TURNS = 40 if WHOLE else 3


def copied(home: Home, backup: Path) -> None:
    """By cp, between two cycles."""
    shutil.copy(home.database, backup)


def backed_up(home: Home, backup: Path) -> None:
    with closing(sqlite3.connect(home.database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


def vacuumed(home: Home, backup: Path) -> None:
    with closing(sqlite3.connect(home.database)) as source:
        source.execute("VACUUM INTO ?", (str(backup),))


def dumped(home: Home, backup: Path) -> None:
    """As `sqlite3 readings.db .dump | sqlite3 backup.db` does; it loses the version of the schema."""
    with closing(sqlite3.connect(home.database)) as source, closing(sqlite3.connect(backup)) as target:
        target.executescript("\n".join(source.iterdump()))


def snapped(home: Home, backup: Path) -> None:
    enable(home, "snapshot")
    assert home.process(module="publishers.snapshot").code == 0
    snapshot, = (home.data / "snapshots").glob("*.db")
    shutil.move(snapshot, backup)


@pytest.mark.parametrize("back_up", [copied, backed_up, vacuumed, snapped])
def test_a_restore_beside_both_collectors_loses_nothing_without_a_word(back_up: Callable[[Home, Path], None], home: Home,
                                                                       simulator: Simulator) -> None:
    prepare()
    home.introduce(simulator)
    taken = Keys({key: READINGS[key[0]] for turn in range(2 * TURNS + 4) for key in pair(turn)})
    assert all(run.code == 0 for turn in range(2) for run in run_pair(home, simulator, START + turn * EVERY))
    back_up(home, backup := home.folder / "backup.db")
    for turn in range(2, 2 * TURNS + 2, 2):
        assert all(run.code == 0 for run in run_pair(home, simulator, START + turn * EVERY))
        running = start_pair(home, simulator, START + (turn + 1) * EVERY)
        restore = subprocess.Popen([*home.command(module="readings"), "restore", str(backup)], cwd=CHECKOUT,
                                   env=unmeasured(), stdout=subprocess.PIPE, text=True)
        said, _ = restore.communicate()
        assert [run.end().code for run in running] == [0, 0] and restore.returncode == 0
        assert "Set aside: " in said
    assert all(run.code == 0 for turn in (2, 3) for run in run_pair(home, simulator, START + (turn + 2 * TURNS) * EVERY))
    present, everywhere = stored(home), kept(home)
    assert {key for turn in (0, 1, 2 * TURNS + 2, 2 * TURNS + 3) for key in pair(turn)} <= set(present)
    assert everywhere == taken, "what the database lacks is in a file that was set aside"
    assert all(count == READINGS[name] for (name, _), count in present.items())
    assert integrity(home) == ["ok"] and false_rows(home, simulator) == []


def pair(turn: int) -> list[tuple[str, datetime]]:
    return [(name, START + turn * EVERY) for name in COLLECTORS]


def kept(home: Home) -> Keys:
    """Return the readings in the database and in all that were set aside, the same ones once."""
    found = set[tuple[str, str, str]]()
    for path in home.data.glob("readings.db*"):
        if path.suffix == ".db" or "set-aside" in path.name and not path.name.endswith(("-wal", "-shm")):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                found |= set(connection.execute("SELECT device_id, device_type, timestamp FROM readings"))
    return Keys((TYPES[kind], datetime.fromisoformat(timestamp)) for _, kind, timestamp in found)


def test_a_dump_is_restored_by_the_way_that_is_named(home: Home, simulator: Simulator) -> None:
    """It has no version; `restore` says what it lacks, or takes it and the next cycle completes it."""
    prepare()
    home.introduce(simulator)
    assert all(run.code == 0 for run in run_pair(home, simulator, START))
    dumped(home, backup := home.folder / "backup.db")
    restored = home.process("restore", str(backup), module="readings")
    assert restored.code == 0, restored
    assert all(run.code == 0 for run in run_pair(home, simulator, START + EVERY))
    assert set(stored(home)) == {*pair(0), *pair(1)} and integrity(home) == ["ok"]
