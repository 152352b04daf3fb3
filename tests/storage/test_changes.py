"""What publishers follow: new rows, changed days, deletions, used ids again, a record put back or begun anew."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runtime.formats import format_time, parse_time
from storage import manager, record
from storage.changes import Changes, Cursor
from storage.reading import Row
from storage.restoring import restore
from storage.state import Witness
from tests.storage.samples import NOW, a_cycle, a_reading, at, store

ROWS = 40
Key = tuple[str, datetime]


class Destination:
    """Keeps what it is sent, as a publisher should; with `stop_after` it dies after so many batches."""

    def __init__(self, database: Path) -> None:
        self.database, self.cursor, self.rows = database, Cursor(), dict[Key, Row]()
        self.sent = 0

    def follow(self, batch_rows: int = 7, stop_after: int = 10_000) -> None:
        for number, batch in enumerate(changes(self.database).batches(self.cursor, batch_rows), 1):
            self.sent += len(batch.rows)
            new = {(str(row["device_id"]), parse_time(str(row["timestamp"]))): row for row in batch.rows}
            for device_id, since, until in batch.deletions:
                for key in [key for key in self.rows
                            if key[0] == device_id and since <= key[1] < until and key not in new]:
                    del self.rows[key]
            self.rows |= new
            self.cursor = Cursor.load(list(batch.cursor))
            if number == stop_after:
                return


def changes(database: Path) -> Changes:
    def describe() -> None:
        raise AssertionError("nobody asked for the home")
    return Changes(database, describe)  # type: ignore[arg-type]


def stored(database: Path) -> dict[Key, Row]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM readings ORDER BY id")]
    return {(row["device_id"], parse_time(row["timestamp"])): row for row in rows}


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def database(database: Path) -> Path:
    store(database, *(a_cycle(*(a_reading(f"hue:{room}", at(hours=number)) for room in ("attic", "hall")),
                              at=at(hours=number)) for number in range(ROWS // 2)))
    return database


@pytest.fixture
def destination(database: Path) -> Destination:
    reached = Destination(database)
    reached.follow()
    assert (reached.rows, reached.sent) == (stored(database), ROWS)
    return reached


def test_what_is_sent_once_is_not_sent_again(destination: Destination) -> None:
    destination.follow()
    assert destination.sent == ROWS


def test_a_cursor_that_no_state_can_hold_begins_at_the_start() -> None:
    assert {Cursor.load(value) for value in (None, 5, [], [1, 2], [{}, 0, None, None, 0])} == {Cursor()}


@pytest.mark.parametrize("statement", [
    "UPDATE readings SET name = 'Loft' WHERE device_id = 'hue:attic'",
    "UPDATE readings SET temperature_celsius = NULL WHERE id = 3",
    "UPDATE readings SET device_id = 'hue:loft' WHERE device_id = 'hue:attic'",
    "UPDATE readings SET timestamp = replace(timestamp, '2026', '2025') WHERE id < 9",
    "UPDATE readings SET timestamp = '2026-11-22T23:30:00-02:00' WHERE id = 4",
    "DELETE FROM readings WHERE id IN (1, 5, 9)",
    "DELETE FROM readings WHERE id >= 20",
    "DELETE FROM readings",
], ids=["renamed", "corrected", "another device", "another year", "with an offset", "some deleted", "the newest deleted",
        "all deleted"])
def test_changes_and_deletions_reach_the_destination(destination: Destination, statement: str) -> None:
    execute(destination.database, statement)
    destination.follow()
    assert destination.rows == stored(destination.database)


def test_a_changed_device_and_day_is_sent_and_no_other(destination: Destination) -> None:
    execute(destination.database, "UPDATE readings SET name = 'Loft' WHERE id = 1")
    destination.follow()
    assert destination.sent == ROWS + ROWS // 2


def test_a_row_with_an_offset_is_kept_when_its_neighbour_is_deleted(destination: Destination) -> None:
    execute(destination.database, "UPDATE readings SET timestamp = '2026-11-23T00:30:00+02:00' WHERE id = 4")
    destination.follow()
    execute(destination.database, "DELETE FROM readings WHERE timestamp LIKE '2026-11-22%' AND device_id = 'hue:hall'")
    destination.follow()
    assert destination.rows == stored(destination.database)


def test_ids_used_again_are_noticed(destination: Destination) -> None:
    execute(destination.database, "DELETE FROM readings WHERE id > 30")
    store(destination.database, *(a_cycle(a_reading(at=at(days=9, hours=hour)), at=at(days=9, hours=hour))
                                  for hour in range(12)))
    destination.follow()
    assert destination.rows == stored(destination.database)


def a_backup_is_put_back_by_hand(database: Path, backup: Path) -> None:
    shutil.copy(backup, database)


def a_backup_is_restored(database: Path, backup: Path) -> None:
    witness = Witness(database.parent.parent / "config" / "config.yaml")
    restore(backup, database, witness, NOW, lambda step, done, total: None)


@pytest.mark.parametrize("put_back", [a_backup_is_put_back_by_hand, a_backup_is_restored])
@pytest.mark.parametrize("lost", [0, 3])
def test_a_record_that_was_put_back_deletes_nothing(destination: Destination, tmp_path: Path, lost: int,
                                                    put_back: Callable[[Path, Path], None]) -> None:
    database, backup = destination.database, tmp_path / "backup.db"
    (database.parent.parent / "config").mkdir()
    execute(database, "DELETE FROM readings WHERE id = 2")
    destination.follow()
    shutil.copy(database, backup)
    store(database, *(a_cycle(a_reading("hue:hall", at(minutes=minute)), at=at(minutes=minute))
                      for minute in range(1, 1 + lost)))
    execute(database, *(f"UPDATE readings SET name = 'name {number}' WHERE id = {number}" for number in (7, 8)))
    destination.follow()
    sent = destination.rows
    put_back(database, backup)
    execute(database, *(f"UPDATE readings SET name = 'other {number}' WHERE id = 30" for number in range(5)))
    destination.follow()
    if put_back is a_backup_is_restored or lost:
        assert destination.rows == sent | stored(database)


def test_a_restored_record_names_those_that_it_continues(database: Path, tmp_path: Path) -> None:
    shutil.copy(database, tmp_path / "backup.db")
    (tmp_path / "config").mkdir()
    ids = []
    for _ in range(3):
        with manager.reading(database) as connection:
            ids.append(record.identify(connection))
        a_backup_is_restored(database, tmp_path / "backup.db")
    assert [each.predecessors[-1:] for each in ids] == [[], [ids[0].record_id], [ids[0].record_id]]
    assert len({each.record_id for each in ids}) == 3


def test_a_fresh_database_deletes_nothing(destination: Destination) -> None:
    sent = destination.rows
    destination.database.unlink()
    store(destination.database, a_cycle(a_reading(at=at(days=30)), at=at(days=30)))
    destination.follow()
    assert destination.rows == sent | stored(destination.database) and len(destination.rows) == ROWS + 1


def storm(chance: random.Random, database: Path) -> Iterator[str]:
    """Yield statements that insert, also late, update and delete at random."""
    rooms = "hue:attic", "hue:hall", "alexa:office"
    for _ in range(chance.randrange(1, 12)):
        moment = format_time(NOW + timedelta(minutes=chance.randrange(3000)))
        room, which = chance.choice(rooms), f"id = {chance.randrange(1, 120)}"
        yield chance.choice((
            "INSERT OR IGNORE INTO readings (timestamp, device_id, device_type, temperature_celsius, created_at) "
            f"VALUES ('{moment}', '{room}', 'hue_sensor', {chance.uniform(-9, 30)}, '{moment}')",
            f"UPDATE readings SET name = 'name {chance.random()}' WHERE {which}",
            f"UPDATE OR IGNORE readings SET timestamp = '{moment}' WHERE {which}",
            f"UPDATE OR IGNORE readings SET device_id = '{room}' WHERE {which}",
            f"UPDATE OR REPLACE readings SET timestamp = '{moment}' WHERE {which}",
            f"DELETE FROM readings WHERE {which}",
            "DELETE FROM readings WHERE id = (SELECT MAX(id) FROM readings)"))


@pytest.mark.parametrize("seed", range(12))
def test_a_follower_that_dies_at_random_ends_up_with_the_record(database: Path, seed: int) -> None:
    chance, destination = random.Random(seed), Destination(database)
    for _ in range(25):
        execute(database, *storm(chance, database))
        destination.follow(batch_rows=chance.randrange(1, 30), stop_after=chance.randrange(1, 6))
    destination.follow()
    assert destination.rows == stored(database)
