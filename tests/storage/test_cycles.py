import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.formats import format_time
from storage import manager, registry
from storage.cycles import PRUNED_AT_ONCE
from storage.reading import Retry, Sighting
from tests.storage.samples import NOW, a_cycle, a_reading, add, at, rows, store

CYCLES = "SELECT * FROM collection_cycles ORDER BY id"
RETRIES = "SELECT * FROM retry_events ORDER BY id"


def a_retry(outcome: str = "recovered") -> Retry:
    return Retry(at=NOW, operation="fetch", endpoint="bridge", attempt=1, delay_seconds=1.0,
                 error_type="CannotReach", error="no answer", outcome=outcome)


def test_a_cycle_is_stored_with_its_costs_and_retries(database: Path) -> None:
    cycle = a_cycle(a_reading(), a_reading("hue:hall"), fetch_ms=180.5, payload_bytes=11_200, requests=2,
                    clock_offset_seconds=-130, retries=(a_retry("retrying"), a_retry()))
    assert store(database, cycle) == [(2, 0)]
    assert rows(database, CYCLES) == [{
        "id": 1, "collector": "hue", "started_at": format_time(NOW), "duration_ms": 212.0, "fetch_ms": 180.5,
        "payload_bytes": 11_200, "requests": 2, "endpoint": "optimized", "readings": 2, "stored": 2, "spooled": 0,
        "retries": 1, "outcome": "ok", "error_type": None, "error": None,
        "clock_offset_seconds": -130}]
    assert [row["outcome"] for row in rows(database, RETRIES)] == ["retrying", "recovered"]
    assert rows(database, RETRIES)[0] | {"id": 0, "outcome": ""} == {
        "id": 0, "collector": "hue", "cycle_started_at": format_time(NOW), "at": format_time(NOW), "operation": "fetch",
        "endpoint": "bridge", "attempt": 1, "delay_seconds": 1.0, "error_type": "CannotReach", "error": "no answer",
        "outcome": ""}


def test_a_missing_value_is_null_never_zero_and_zero_is_zero(database: Path) -> None:
    store(database, a_cycle(a_reading("a", temperature_celsius=None), a_reading("b", temperature_celsius=0.0)))
    missing, zero = rows(database)
    assert (missing["temperature_celsius"], missing["temperature_raw"], missing["battery_level"]) == (None,) * 3
    assert (zero["temperature_celsius"], zero["temperature_raw"]) == (0.0, 0.0)


def test_an_implausible_value_is_stored_and_marked(database: Path) -> None:
    store(database, a_cycle(a_reading(temperature_celsius=-127.0, humidity_percent=140.0, battery_level=-5,
                                      device_type="kettle", is_anomalous=True)))
    [row] = rows(database)
    assert (row["temperature_celsius"], row["humidity_percent"], row["is_anomalous"]) == (-127.0, 140.0, 1)


def test_every_reading_carries_the_name_place_and_offset_of_its_device(database: Path) -> None:
    store(database, a_cycle(a_reading()))
    with manager.writing(database) as connection:
        connection.execute("UPDATE device_registry SET device_name = 'Oven', name_source = 'user', location = 'Galley',"
                           " location_source = 'user', temperature_offset = -1.55")
    store(database, a_cycle(a_reading(at=at(minutes=5), temperature_celsius=20.294), at=at(minutes=5)))
    before, after = rows(database)
    assert (before["name"], before["location"], before["temperature_celsius"]) == ("Kitchen", "Kitchen", 20.29)
    assert (after["name"], after["location"]) == ("Oven", "Galley")
    assert (after["temperature_celsius"], after["temperature_raw"]) == (18.74, 20.294)
    assert after["created_at"] == format_time(at(minutes=5))


def test_a_sighting_that_knows_more_than_its_reading_counts(database: Path) -> None:
    store(database, a_cycle(a_reading(), sightings=(
        Sighting(device_id="hue:kitchen", device_type="hue_sensor", name="Cooking", location="Flat 2",
                 location_source="config", model_info="SML001"),
        Sighting(device_id="hue:attic", device_type="hue_sensor", name="Attic", trouble="stale"))))
    [row] = rows(database)
    assert (row["name"], row["location"]) == ("Cooking", "Flat 2")
    with manager.reading(database) as connection:
        devices = registry.find(connection, ["hue:kitchen", "hue:attic"])
    assert devices["hue:kitchen"].model_info == "SML001"
    assert devices["hue:attic"].last_seen == format_time(NOW)


def test_a_users_place_is_back_when_the_configured_one_is_gone(database: Path) -> None:
    configured = Sighting(device_id="hue:kitchen", device_type="hue_sensor", location="Flat 2",
                          location_source="config")
    store(database)
    with manager.writing(database) as connection:
        registry.adopt(connection, [registry.Device(device_id="hue:kitchen", location="Cellar")])
    store(database, a_cycle(a_reading(), sightings=(configured,)), a_cycle(a_reading(at=at(minutes=5))))
    assert [row["location"] for row in rows(database)] == ["Flat 2", "Cellar"]


def test_storing_a_cycle_twice_is_harmless(database: Path) -> None:
    cycle = a_cycle(a_reading(), a_reading("hue:hall"), retries=(a_retry(),))
    assert store(database, cycle, cycle) == [(2, 0)] * 2
    assert [len(rows(database, query)) for query in ("SELECT * FROM readings", CYCLES, RETRIES)] == [2, 1, 1]


def test_a_reading_is_the_same_whatever_its_device_is_called_since(database: Path) -> None:
    store(database, a_cycle(a_reading()))
    with manager.writing(database) as connection:
        connection.execute("UPDATE device_registry SET device_name = 'Oven', name_source = 'user',"
                           " temperature_offset = 2")
    assert store(database, a_cycle(a_reading())) == [(1, 0)]
    [row] = rows(database)
    assert (row["name"], row["temperature_celsius"]) == ("Kitchen", 20.29)


def test_a_cycle_whose_second_is_taken_by_another_value_moves_on_as_a_whole(database: Path) -> None:
    other = a_cycle(a_reading(temperature_celsius=9.0), a_reading("hue:hall", measured_at=NOW), requests=2)
    cycles = (a_cycle(a_reading()), a_cycle(a_reading(temperature_celsius=3.0), requests=1), other, other)
    assert store(database, *cycles) == [(1, 0), (1, 1), (2, 2), (2, 2)]
    moved = [row for row in rows(database) if row["timestamp"] == format_time(at(seconds=2))]
    assert [row["device_id"] for row in moved] == ["hue:kitchen", "hue:hall"]
    assert [row["temperature_celsius"] for row in moved] == [9.0, 20.29]
    assert moved[1]["measured_at"] == format_time(NOW)
    assert len(rows(database)) == 4
    assert {row["started_at"] for row in rows(database, CYCLES)} == {format_time(NOW)}


def test_a_device_that_is_reported_twice_counts_once(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    reported = (a_reading(), a_reading(temperature_celsius=99.0), a_reading("hue:hall"))
    assert store(database, a_cycle(*reported)) == [(2, 0)]
    assert [row["temperature_celsius"] for row in rows(database)] == [20.29, 20.29]
    assert "more than once" in caplog.text


def test_an_error_on_the_way_stores_nothing_at_all(database: Path) -> None:
    with manager.writing(database) as connection:
        with pytest.raises(LookupError):
            add(connection, a_cycle(a_reading()), elapsed_ms=[].pop)
        assert not connection.in_transaction
    for table in ("readings", "device_registry", "collection_cycles"):
        assert rows(database, f"SELECT * FROM {table}") == []


def test_the_clock_is_asked_when_everything_else_is_written(database: Path) -> None:
    statements: list[str] = []

    def elapsed_ms() -> float:
        statements.append("how long?")
        return 1.0
    with manager.writing(database) as connection:
        connection.set_trace_callback(statements.append)
        add(connection, a_cycle(a_reading()), elapsed_ms=elapsed_ms, keep_days=90)
    after = [each.split()[:3] for each in statements[statements.index("how long?") + 1:]]
    assert after == [["INSERT", "INTO", "collection_cycles"], ["RELEASE", "cycle"], ["COMMIT"]]


def test_old_cycles_and_retries_go_a_few_at_a_time_and_readings_stay(database: Path) -> None:
    old = (a_cycle(a_reading(at=at(days=-90, seconds=-n)), at=at(days=-90, seconds=-n), retries=(a_retry(),))
           for n in range(600))
    store(database, *old)
    store(database, a_cycle())
    assert [len(rows(database, query)) for query in (CYCLES, RETRIES)] == [101, 100]
    store(database, a_cycle(at=at(seconds=1)), a_cycle(at=at(seconds=2)))
    assert [row["started_at"] for row in rows(database, CYCLES)] == [format_time(at(seconds=n)) for n in (0, 1, 2)]
    assert rows(database, RETRIES) == [] and len(rows(database)) == 600


def test_a_store_holds_the_lock_for_a_moment_only(database: Path) -> None:
    """With a year of cycle rows to prune, each cycle deletes only so many of them."""
    left = []
    with manager.writing(database) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO collection_cycles (collector, started_at, outcome) VALUES ('hue', ?, 'ok')",
                               [(format_time(NOW - timedelta(days=365, minutes=5 * n)),) for n in range(5_000)])
        connection.execute("COMMIT")
        for n in range(5):
            cycle = a_cycle(*(a_reading(f"hue:{d}", at(minutes=n)) for d in range(60)), at=at(minutes=n))
            add(connection, cycle)
            left += connection.execute("SELECT COUNT(*) FROM collection_cycles WHERE outcome = 'ok' AND started_at < ?",
                                       (format_time(NOW - timedelta(days=90)),)).fetchone()
    assert left == [5_000 - PRUNED_AT_ONCE * number for number in range(1, 6)]


def test_pruning_reads_no_more_than_it_deletes(database: Path) -> None:
    store(database)
    with sqlite3.connect(database) as connection:
        [(*_, plan)] = connection.execute("EXPLAIN QUERY PLAN SELECT id FROM retry_events WHERE cycle_started_at < ?"
                                          " ORDER BY cycle_started_at LIMIT 500", ("",)).fetchall()
    connection.close()
    assert "USING COVERING INDEX" in plan
