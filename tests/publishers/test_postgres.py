"""PostgreSQL has every reading exactly once, whatever happens to either side's rows."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from publishers.postgres.tables import CYCLES, DEVICES, READINGS
from storage.past import COLUMNS
from storage.registry import Device
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.publishers.postgresql import Centre, Server, fill, make_centre, needs_postgresql, publish, running, settle

pytestmark = needs_postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def centre(server: Server, request: pytest.FixtureRequest) -> Centre:
    return make_centre(server, request)


@pytest.fixture
def house(home: Home, centre: Centre) -> Home:
    """A home with 20 readings, which publishes in batches of seven."""
    fill(home, range(10))
    settle(home, centre, batch_rows=7)
    return home


def readings(home: Home, *arguments: str) -> None:
    subprocess.run([sys.executable, str(CHECKOUT / "readings.py"), "--config", str(home.config), *arguments], check=True,
                   capture_output=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})


def is_equal(home: Home, centre: Centre) -> bool:
    """Return whether both sides have the same times and temperatures; at the centre they are in UTC."""
    here = [(row["device_id"], row["timestamp"], row["temperature_celsius"], row["name"])
            for row in home.rows("SELECT * FROM readings ORDER BY device_id, timestamp")]
    there = centre.rows("device_id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"+00:00\"'), "
                        "temperature_celsius, name")
    return here == there


def test_every_reading_arrives_once(house: Home, centre: Centre) -> None:
    first = publish(house, "--verbose")
    assert (first.code, first.out) == (0, "postgres: sent 20 readings to PostgreSQL at 127.0.0.1\n")
    assert is_equal(house, centre)
    fill(house, range(10, 13))
    assert publish(house, "-v").out.startswith("postgres: sent 6 readings") and is_equal(house, centre)
    assert publish(house, "-v").out.startswith("postgres: sent 0 readings")


def test_the_tables_have_every_column_of_the_record(house: Home) -> None:
    cycle, = house.rows("SELECT * FROM collection_cycles LIMIT 1")
    assert [*READINGS.columns] == [*COLUMNS] and [*DEVICES.columns] == [*Device._fields]
    assert {*CYCLES.columns} == cycle.keys() - {"id"}


def test_devices_cycles_and_the_time_arrive_as_well(house: Home, centre: Centre) -> None:
    assert publish(house).code == 0
    assert centre.rows("house_id, device_id, is_active", "device_registry", "device_id") == [
        ("harbour-5", "hue:attic", True), ("harbour-5", "hue:hall", True)]
    assert len(centre.rows("outcome", "collection_cycles", "started_at")) == 10
    (published_at,), = centre.rows("published_at", "houses", "house_id")
    assert published_at is not None


INSERT = "INSERT INTO readings (device_id, device_type, timestamp, temperature_celsius, name, created_at) VALUES "
NEWEST = "(SELECT MAX(id) FROM readings)"


@pytest.mark.parametrize("statements", [
    ["UPDATE readings SET name = 'Loft' WHERE device_id = 'hue:attic'"],
    ["DELETE FROM readings WHERE device_id = 'hue:hall'"],
    [f"DELETE FROM readings WHERE id = {NEWEST}", INSERT + "('hue:hall', 'x', '2026-11-24T00:00:00+00:00', 7, NULL, '')"],
    ["DELETE FROM readings", INSERT + "('hue:hall', 'x', '2026-11-24T00:00:00+00:00', 7, NULL, '')"],
    ["UPDATE readings SET device_id = 'hue:cellar' WHERE device_id = 'hue:hall'"],
    [INSERT + "('hue:hall', 'x', '2020-02-29T00:00:00+00:00', 7, NULL, '')"],
    [INSERT + """('it''s; "a" \\ ', 'x', '2026-11-24T00:00:00+00:00', 7, '{"ä", NULL}' || char(10) || '🌡%s', '')"""],
], ids=["renamed", "deleted", "id used again", "all ids used again", "moved", "older", "hostile names"])
def test_what_happens_to_the_record_happens_to_the_copy(statements: list[str], house: Home, centre: Centre) -> None:
    assert publish(house).code == 0
    house.execute(*statements)
    assert publish(house).code == 0
    assert is_equal(house, centre) and publish(house, "-v").out.startswith("postgres: sent 0 readings")


@pytest.mark.parametrize(("values", "copied"), [
    ("'a', 'x', '2026-11-24T00:00:00+00:00', 1, NULL, ''), ('a', 'x', '2026-11-24T01:00:00+01:00', 2, NULL, ''",
     [("a", 2.0, None)]),
    ("'a', 'x', 'soon', 1, NULL, ''", []),
    ("'a', 'x', '2026-11-24', 'warm', 'a' || char(0) || 'b', 'today'", [("a", None, "a\N{REPLACEMENT CHARACTER}b")]),
    ("'a' || char(0), 'x', '2026-11-24', 9e999, NULL, ''", [("a\N{REPLACEMENT CHARACTER}", None, None)]),
], ids=["one instant in two spellings", "no time", "no number", "NUL and infinity"])
def test_strange_values_stop_nothing(values: str, copied: list[object], home: Home, centre: Centre) -> None:
    fill(home, range(1))
    settle(home, centre)
    home.execute(f"{INSERT} ({values})")
    assert publish(home).code == 0
    there = centre.rows("device_id, temperature_celsius, name")
    assert [row for row in there if not row[0].startswith("hue:")] == copied
    fill(home, range(1, 2))
    assert publish(home, "-v").out.startswith("postgres: sent 2 readings")


def test_a_restored_backup_goes_on_and_deletes_nothing(house: Home, centre: Centre, tmp_path: Path) -> None:
    def row_count() -> int:
        return len(centre.rows("timestamp"))

    assert publish(house).code == 0
    with closing(sqlite3.connect(house.database)) as source, closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        source.backup(backup)
    fill(house, range(10, 15))
    assert publish(house).code == 0 and row_count() == 30
    readings(house, "restore", str(tmp_path / "backup.db"))
    assert len(house.rows()) == 20
    fill(house, range(20, 21))
    assert publish(house).code == 0 and row_count() == 32


def test_another_record_is_refused_until_it_is_adopted(house: Home, centre: Centre) -> None:
    assert publish(house).code == 0
    house.execute("UPDATE record SET value = 'another' WHERE key = 'record_id'",
            "UPDATE readings SET temperature_celsius = 99")
    refused = publish(house)
    assert refused.code == 2 and "--adopt" in refused.err and (house.data / "ALERT_POSTGRES_NEEDS_YOU.txt").exists()
    assert (99.0,) not in centre.rows("temperature_celsius")
    assert publish(house, "--adopt").code == 0
    assert publish(house).code == 0 and not (house.data / "ALERT_POSTGRES_NEEDS_YOU.txt").exists()
    assert is_equal(house, centre)


def test_houses_share_the_tables_and_nothing_else(house: Home, centre: Centre, tmp_path: Path) -> None:
    neighbour = Home(tmp_path / "neighbour")
    fill(neighbour, range(3))
    settle(neighbour, centre, house_id="harbour-6")
    assert [publish(home).code for home in (house, neighbour)] == [0, 0]
    neighbour.execute("DELETE FROM readings WHERE device_id = 'hue:attic'")
    assert publish(neighbour).code == 0
    assert centre.execute("SELECT house_id, COUNT(*) FROM home_monitor.readings GROUP BY 1 ORDER BY 1") == [
        ("harbour-5", 20), ("harbour-6", 3)]
