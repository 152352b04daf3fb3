"""Several real processes with one database: nothing is lost or refused."""

import logging
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from storage import manager
from tests.storage.legacy_databases import awkward_rows, leave
from tests.storage.samples import FORK, a_cycle, a_reading, at, in_a_process, rows, start, store

CYCLES = 60


def store_cycles(path: Path, collector: str) -> None:
    for n in range(CYCLES):
        readings = (a_reading(f"{collector}:{device}", at(seconds=n), raw_response="x" * 200) for device in range(5))
        store(path, a_cycle(*readings, at=at(seconds=n), collector=collector))


def assert_all_is_there(path: Path, *collectors: str) -> None:
    counts = rows(path, "SELECT device_id, COUNT(*) AS count FROM readings GROUP BY device_id ORDER BY device_id")
    assert counts == [{"device_id": f"{collector}:{device}", "count": CYCLES}
                      for collector in sorted(collectors) for device in range(5)]
    assert rows(path, "SELECT COUNT(*) AS count FROM collection_cycles") == [{"count": CYCLES * len(collectors)}]
    assert rows(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_two_processes_store_at_once(database: Path) -> None:
    writers = [start(store_cycles, database, collector) for collector in ("hue", "amazon_aqm")]
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert_all_is_there(database, "hue", "amazon_aqm")


def test_readers_and_copies_run_along_with_writers(database: Path, tmp_path: Path) -> None:
    store(database)
    writers = [start(store_cycles, database, collector) for collector in ("hue", "amazon_aqm")]
    counts = [0]
    while any(writer.is_alive() for writer in writers):
        with manager.reading(database) as connection, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            counts.append(connection.execute("SELECT COUNT(*) FROM readings").fetchone()[0])
            connection.backup(copy)
            assert copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert counts == sorted(counts) and len(set(counts)) > 2 and not any(count % 5 for count in counts)
    assert_all_is_there(database, "hue", "amazon_aqm")


class Refusal(logging.Handler):

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def test_four_processes_open_a_fresh_database_at_once_a_hundred_times(tmp_path: Path) -> None:
    together = FORK.Barrier(4, timeout=20)

    def race(number: int) -> None:
        logging.getLogger("storage").addHandler(Refusal(logging.WARNING))
        for n in range(100):
            together.wait()
            store(tmp_path / f"{n}" / "readings.db", a_cycle(a_reading(f"hue:{number}")))
    racers = [start(race, number) for number in range(4)]
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * 4
    assert {len(rows(tmp_path / f"{n}" / "readings.db")) for n in range(100)} == {4}


def opened_by_python(path: Path) -> list[str]:
    """Store, migrate and read; return all files that Python itself opened."""
    opened: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            opened.append(str(arguments[0]))
    sys.addaudithook(note)
    store(path, a_cycle(a_reading()))
    with manager.reading(path) as connection:
        connection.execute("SELECT * FROM readings").fetchall()
    return opened


def test_python_itself_never_opens_the_databases_files(database: Path) -> None:
    leave(database, awkward_rows())
    opened = in_a_process(lambda: opened_by_python(database))
    assert str(manager.lock_path(database)) in opened
    assert [name for name in opened if name.endswith((".db", "-wal", "-shm", "-journal"))] == []
