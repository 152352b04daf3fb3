"""The copy equals the record although the publisher is killed, the server crashes and the record changes meanwhile.

With PUBLISHERS=whole in the environment: 30,000 readings, 150 kills, ten crashes.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from runtime.formats import format_time
from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.publishers.postgresql import Centre, Server, fill, make_centre, needs_postgresql, publish, running, settle
from tests.storage.samples import NOW

pytestmark = [needs_postgresql, pytest.mark.slow]
WHOLE = os.environ.get("PUBLISHERS") == "whole"
READINGS, KILLS, CRASHES, LONGEST_SECONDS = (30_000, 150, 10, 0.6) if WHOLE else (1_500, 6, 1, 0.4)
ROOMS = 6
COLUMNS = ("device_id, device_type, timestamp, temperature_celsius, humidity_percent, is_anomalous, name, measured_at, "
           "created_at")


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


class Storm:
    """Changes a home's record as the program and its owner do, at random."""

    def __init__(self, home: Home, chance: Random, backup: Path) -> None:
        self._home, self._chance, self._backup = home, chance, backup
        self._stored = 0
        self._changes: list[Callable[[], None]] = [self._store, self._store, self._replay, self._rename, self._delete,
                                                   self._reuse, self._correct]

    def rage(self, count: int) -> None:
        for _ in range(count):
            self._chance.choice(self._changes)()

    def store(self, count: int, earlier: timedelta = timedelta()) -> None:
        """Store so many readings, each room's a minute after the other; with `earlier`, from before the others."""
        start = NOW + timedelta(minutes=self._stored) - earlier
        rows = [(f"hue:{number % ROOMS}", "hue_sensor", format_time(start + timedelta(minutes=number // ROOMS)),
                 round(20 + self._chance.random(), 2), self._chance.choice([None, 40.5]), int(self._chance.random() < 0.1),
                 f"Room {number % ROOMS}", format_time(NOW), format_time(NOW)) for number in range(count)]
        self._change(f"INSERT OR IGNORE INTO readings ({COLUMNS}) VALUES ({', '.join('?' * 9)})", rows)
        self._stored += 0 if earlier else count // ROOMS + 1

    def keep(self) -> None:
        """Make the backup that is restored later."""
        with closing(sqlite3.connect(self._home.database)) as source, closing(sqlite3.connect(self._backup)) as backup:
            source.backup(backup)

    def _store(self) -> None:
        self.store(60)

    def _replay(self) -> None:
        self.store(30, timedelta(days=self._chance.randrange(2, 30)))

    def _rename(self) -> None:
        self._change("UPDATE readings SET name = ? WHERE device_id = ?",
                     [(self._chance.choice(["Küche", "it's; --", None]), self._room())])

    def _delete(self) -> None:
        self._change("DELETE FROM readings WHERE device_id = ? AND id % 20 = ?", [(self._room(), self._chance.randrange(20))])

    def _reuse(self) -> None:
        """Let the newest ids be used again, as SQLite does."""
        self._change("DELETE FROM readings WHERE id > (SELECT MAX(id) - 30 FROM readings)", [()])
        self.store(60)

    def _correct(self) -> None:
        self._change("UPDATE readings SET temperature_celsius = 7 WHERE device_id = ? AND id % 50 = 3", [(self._room(),)])

    def _room(self) -> str:
        return f"hue:{self._chance.randrange(ROOMS)}"

    def _change(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with closing(sqlite3.connect(self._home.database, timeout=30)) as connection, connection:
            connection.executemany(statement, rows)


def run(home: Home, seconds: float) -> int:
    """Publish in a process, which is killed after so many seconds; return its exit code."""
    with subprocess.Popen(home.command(module="publishers.postgres"), cwd=CHECKOUT, env=unmeasured(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.kill()
        return process.wait()


def is_equal(home: Home) -> str:
    """Publish until nothing is left; return what --verify prints."""
    assert publish(home).code == 0
    done = publish(home, "--verify")
    assert done.code == 0, done
    return str(done.out).strip().removeprefix("postgres: ")


def test_kills_crashes_and_changes_at_once_lose_and_double_nothing(home: Home, server: Server, tmp_path: Path,
                                                                   request: pytest.FixtureRequest) -> None:
    centre, chance = make_centre(server, request), Random(17)
    fill(home, range(3))
    settle(home, centre, batch_rows=500)
    storm, killed = Storm(home, chance, tmp_path / "backup.db"), 0
    storm.store(READINGS)
    for number in range(KILLS):
        killed += run(home, LONGEST_SECONDS * chance.random()) == -signal.SIGKILL
        storm.rage(3)
        if number % (KILLS // CRASHES) == 1:
            crash_while_publishing(home, server, chance)
    assert is_equal(home) == "EQUAL"
    count = home.rows("SELECT COUNT(*) AS count FROM readings")[0]["count"]
    keys = "COUNT(*), COUNT(DISTINCT (device_id, timestamp))"
    assert centre.execute(f"SELECT {keys} FROM home_monitor.readings") == [(count, count)]
    print(f"{count} readings, {killed} kills, {CRASHES} crashes of the server: EQUAL")


def crash_while_publishing(home: Home, server: Server, chance: Random) -> None:
    with subprocess.Popen(home.command(module="publishers.postgres"), cwd=CHECKOUT, env=unmeasured(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(LONGEST_SECONDS * chance.random())
        server.stop(signal.SIGQUIT)
        time.sleep(0.2)
        server.start()
        assert process.wait() in (0, 1)


def test_a_restored_backup_and_a_fresh_database_go_on_amid_changes(home: Home, server: Server, tmp_path: Path,
                                                                   request: pytest.FixtureRequest) -> None:
    """A restored record deletes nothing at the destination: rows that only the copy has are counted as kept."""
    storm = Storm(home, Random(5), tmp_path / "backup.db")
    fill(home, range(3))
    settle(home, make_centre(server, request))
    storm.store(READINGS // 10)
    storm.keep()
    storm.store(60)
    assert is_equal(home) == "EQUAL"
    assert home.process("restore", str(tmp_path / "backup.db"), module="readings").code == 0
    storm.rage(10)
    assert is_equal(home).startswith("EQUAL, ")
    shutil.move(home.database, tmp_path / "former.db")
    for rest in home.data.glob("readings.db-*"):
        rest.unlink()
    assert publish(home).code == 2
    assert home.process("accept-new-database", module="devices").code == 0
    fill(home, range(200, 203))
    storm.rage(10)
    assert publish(home).code in (0, 2)
    publish(home, "--adopt")
    assert is_equal(home).startswith("EQUAL, ")


def test_readings_of_two_homes_with_one_house_id_are_not_mixed(home: Home, server: Server, tmp_path: Path,
                                                              request: pytest.FixtureRequest) -> None:
    centre, other = make_centre(server, request), Home(tmp_path / "other")
    for each, hours in ((home, range(3)), (other, range(5, 9))):
        fill(each, hours)
        settle(each, centre)
    assert publish(home).code == 0
    before = centre.rows("*")
    refused = publish(other)
    assert refused.code == 2 and "another record under the house_id" in refused.err and refused.err.count("\n") == 1
    assert (other.data / "ALERT_POSTGRES_NEEDS_YOU.txt").exists() and centre.rows("*") == before
    assert publish(home).code == 0


def houses(folder: Path, count: int, centre: Centre) -> list[Home]:
    """Return homes that share one database with readings, each its own house."""
    first = Home(folder / "0")
    fill(first, range(10))
    homes = [first]
    for number in range(1, count):
        homes.append(Home(folder / str(number)))
        fill(homes[-1], range(2))
    for number, each in enumerate(homes):
        settle(each, centre, house_id=f"house-{number}", splay_seconds=20 if WHOLE else 3)
    return homes


def test_many_houses_at_once_with_splay_are_all_served(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A hundred of them in the long form, at a server that serves a hundred connections."""
    with running("-c", "max_connections=100") as server:
        homes = houses(tmp_path, 100 if WHOLE else 6, make_centre(server, request))
        started = time.monotonic()
        runs = [subprocess.Popen(home.command(module="publishers.postgres"), cwd=CHECKOUT, env=unmeasured(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for home in homes]
        said = [run.communicate()[1] for run in runs]
        assert [run.returncode for run in runs] == [0] * len(homes) and not any(said), said
        print(f"{len(homes)} houses in {time.monotonic() - started:.0f} s, none refused")
