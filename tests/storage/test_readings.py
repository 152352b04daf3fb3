"""The newest readings are looked up by index; history is rewritten and deleted a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from runtime.formats import format_time
from storage import manager, readings, registry
from storage.readings import Newest, Work, deletion, rewriting
from tests.storage.samples import NOW, a_cycle, a_reading, add, at, rows, store

DEVICES = ("hue:a", "hue:b", "alexa:c")


@pytest.fixture
def connection(database: Path) -> Iterator[manager.Writer]:
    """Three devices, with ten readings each."""
    store(database, *(a_cycle(*(a_reading(each, at(minutes=minutes), battery_level=minutes) for each in DEVICES),
                              at=at(minutes=minutes)) for minutes in range(0, 50, 5)))
    with manager.writing(database) as opened:
        yield opened


def called(connection: manager.Writer, column: Literal["name", "location"] = "name", text: str = "Larder") -> Work:
    registry.change(connection, "hue:a", lambda device: device.named(text) if column == "name" else device.placed(text))
    return rewriting("hue:a", column, text)


def test_the_newest_reading_is_the_latest_one(connection: manager.Writer) -> None:
    assert readings.newest(connection, "hue:a") == Newest(format_time(at(minutes=45)), "hue_sensor", "Kitchen", "Kitchen", 45)
    assert readings.newest(connection, "hue:nobody") is None


def test_every_device_with_readings_is_listed_once(connection: manager.Writer) -> None:
    assert readings.device_ids(connection) == sorted(DEVICES)
    connection.execute("DELETE FROM readings")
    assert readings.device_ids(connection) == []


def test_no_query_scans_all_readings(connection: manager.Writer) -> None:
    """After ten years there are millions of them."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    readings.newest(connection, "hue:a")
    readings.device_ids(connection)
    for work in (rewriting("hue:a", "name", "Larder"), deletion("hue:a", format_time(NOW))):
        work.rows_left(connection)
        work.after(connection, "", 3)
    connection.set_trace_callback(None)
    plans = ["\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
             for statement in statements]
    assert len(plans) == 6 and all("SEARCH readings USING" in plan and "SCAN readings" not in plan for plan in plans)


@pytest.mark.parametrize("column", ["name", "location"])
def test_rewriting_touches_one_column_of_one_device(
        connection: manager.Writer, column: Literal["name", "location"], database: Path) -> None:
    before = rows(database)
    work = called(connection, column)
    with manager.transaction(connection):
        work.do(connection, [number for number, _ in work.after(connection, "", 100)])
    assert rows(database) == [row | {column: "Larder"} if row["device_id"] == "hue:a" else row for row in before]


def test_what_is_rewritten_does_not_count_any_more(connection: manager.Writer) -> None:
    """So an interrupted run is completed by a second one, and a third has nothing to do."""
    work = called(connection)
    first = work.after(connection, "", 4)
    work.do(connection, [number for number, _ in first])
    assert [work.rows_left(connection), len(work.after(connection, "", 100))] == [6, 6]
    assert work.after(connection, first[-1][1], 1)[0][1] == format_time(at(minutes=20))


def test_of_two_people_who_rename_at_once_the_later_one_wins(connection: manager.Writer) -> None:
    first, second = called(connection), called(connection, text="Cellar")
    everything = [number for number, _ in first.after(connection, "", 100)]
    second.do(connection, everything)
    first.do(connection, everything)
    assert second.rows_left(connection) == 0


def test_a_missing_name_is_rewritten_too(connection: manager.Writer) -> None:
    connection.execute("UPDATE readings SET name = NULL")
    assert rewriting("hue:a", "name", "Larder").rows_left(connection) == 10


def test_later_readings_are_not_deleted(connection: manager.Writer, database: Path) -> None:
    """Not even with the id of a deleted row, which SQLite gives to the next one."""
    work = deletion("hue:a", format_time(at(minutes=45)))
    connection.execute("DELETE FROM readings WHERE device_id != 'hue:a'")
    doomed = [number for number, _ in work.after(connection, "", 100)]
    connection.execute("DELETE FROM readings")
    add(connection, a_cycle(a_reading("hue:a", at(days=1)), at=at(days=1)), elapsed_ms=lambda: 1.0, keep_days=9)
    work.do(connection, [*doomed, *range(1, 50)])
    assert [row["timestamp"] for row in rows(database)] == [format_time(at(days=1))] and work.after(connection, "", 9) == []


@pytest.mark.parametrize(("timestamp", "age"), [
    ("2026-11-22T00:54:00+00:00", 60), ("2026-11-22T00:54:00.999", 60), ("2026-11-22 00:54:00", 60),
    ("2026-11-22T01:54:00+01:00", 60), ("2026-11-22T00:56:00+00:00", -60), ("warm", None),
    ("9999-12-31T23:59:59-23:59", None)])
def test_the_age_of_a_stored_time_is_that_of_the_utc_it_names(timestamp: str, age: int | None) -> None:
    assert Newest(timestamp, "hue_sensor", None, None, None).age_seconds(NOW.timestamp()) == age
