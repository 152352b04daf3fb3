"""--setup makes the tables, --verify compares the record with its copy, accounts see their own house only."""

import re
from collections.abc import Iterator

import pytest

from tests.home import Home
from tests.publishers.postgresql import Centre, Server, fill, make_centre, needs_postgresql, publish, running, settle

pytestmark = needs_postgresql
DAY = "home_monitor.readings"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def centre(server: Server, request: pytest.FixtureRequest) -> Centre:
    return make_centre(server, request)


@pytest.fixture
def house(home: Home, centre: Centre) -> Home:
    """A home that has published 60 hours of two rooms."""
    fill(home, range(60))
    settle(home, centre)
    assert publish(home).code == 0
    return home


def verify(home: Home) -> tuple[int, str]:
    done = publish(home, "--verify")
    return done.code, done.out + done.err


def test_equal_sides_are_equal(house: Home) -> None:
    assert verify(house) == (0, "postgres: EQUAL\n")


@pytest.mark.parametrize(("statement", "days"), [
    (f"DELETE FROM {DAY} WHERE device_id = 'hue:hall' AND timestamp = '2026-11-22T00:55:00Z'",
     ["hue:hall on 2026-11-22 (1 missing, 0 different)"]),
    (f"UPDATE {DAY} SET temperature_celsius = temperature_celsius + 1e-9 WHERE timestamp = '2026-11-23T01:55:00Z'",
     [f"hue:{room} on 2026-11-23 (0 missing, 1 different)" for room in ("attic", "hall")]),
    (f"UPDATE {DAY} SET name = 'kitchen' WHERE device_id = 'hue:attic' AND timestamp < '2026-11-22T02:00:00Z'",
     ["hue:attic on 2026-11-22 (0 missing, 2 different)"]),
    (f"UPDATE {DAY} SET is_anomalous = TRUE, measured_at = '2026-01-01Z' WHERE device_id = 'hue:attic'",
     [f"hue:attic on 2026-11-{day} (0 missing, {number} different)" for day, number in ((22, 24), (23, 24), (24, 12))]),
])
def test_days_that_differ_are_listed(statement: str, days: list[str], house: Home, centre: Centre) -> None:
    centre.execute(statement)
    code, output = verify(house)
    assert code == 1 and re.findall(r"hue:\w+ on [^)]*\)", output) == days


def test_rows_that_only_the_copy_has_are_counted(house: Home, centre: Centre) -> None:
    for device, hour in (("hue:hall", 1), ("hue:hall", 2), ("hue:gone", 2)):
        centre.execute(f"INSERT INTO {DAY} (house_id, device_id, timestamp) "
                       f"VALUES ('harbour-5', '{device}', '2026-11-22T0{hour}:30Z')")
    centre.execute(f"INSERT INTO {DAY} (house_id, device_id, timestamp) VALUES ('harbour-5', 'hue:hall', '2020-01-01Z')")
    assert verify(house) == (0, "postgres: EQUAL, 4 rows kept\n")


def test_what_is_not_sent_yet_differs(house: Home) -> None:
    fill(house, range(60, 61))
    code, output = verify(house)
    assert code == 1 and house.as_printed("python -m publishers.postgres") in output
    assert publish(house).code == 0 and verify(house)[0] == 0


def test_strange_values_are_equal(house: Home) -> None:
    fill(house, range(61, 62), name="Ä\0\n'\"|🌡", voc_index=-0.0, co_ppm=1e15, co2_ppm=5e-324, pm25_ugm3=0.1,
         battery_level=2 ** 60)
    house.execute("INSERT INTO readings (device_id, device_type, timestamp, temperature_celsius, created_at) VALUES "
                  "('a', 'x', '2026-11-24T01:00:00.25+01:00', 'warm', ''), ('a', 'x', '2026-11-24T00:00:00.250', 2, ''), "
                  "('a', 'x', '0001-01-01', 3, ''), ('a', 'x', '9999-12-31T23:59:59', 9e999, ''), ('a', 'x', 'soon', 3, '')")
    assert publish(house).code == 0
    assert verify(house) == (0, "postgres: EQUAL\n")


def test_setup_makes_the_tables_and_may_be_repeated(home: Home, server: Server) -> None:
    server.execute("CREATE DATABASE empty")
    centre = Centre(server, "empty")
    fill(home, range(1))
    settle(home, centre, schema="Homes_2")
    refused = publish(home)
    assert refused.code == 2 and "publishers.postgres" in refused.err and "--setup" in refused.err
    settle(home, centre, schema="Homes_2", dsn=centre.owners_dsn)
    assert [publish(home, "--setup").code for _ in range(2)] == [0, 0]
    assert publish(home).code == 0
    assert centre.execute('SELECT house_id, device_id FROM "Homes_2".readings') == [
        ("harbour-5", "hue:attic"), ("harbour-5", "hue:hall")]


def test_setup_needs_an_account_that_may_create_tables(home: Home, server: Server) -> None:
    server.execute("CREATE DATABASE closed")
    settle(home, Centre(server, "closed"))
    refused = publish(home, "--setup")
    assert refused.code == 2 and "permission denied" in refused.err


def test_its_dry_run_prints_sql_that_does_the_same_and_keeps_houses_apart(home: Home, server: Server) -> None:
    server.execute("CREATE DATABASE apart")
    centre = Centre(server, "apart")
    fill(home, range(2))
    dsn = centre.dsn("harbour-street-5", "a-password-of-its-own")
    settle(home, centre, "harbour-street-5", dsn)
    script = publish(home, "--setup", "--dry-run").out
    assert "create_hypertable" in script
    roles = script.partition("-- Each house")[2].partition("\n")[2].replace("-- ", "")
    for statement in (*script.partition("-- ")[0].split(";"), *roles.split(";")):
        if statement.strip():
            centre.execute(statement)
    assert publish(home).code == 0 and verify(home)[0] == 0
    settle(home, centre, "harbour-street-6", dsn)
    stranger = publish(home)
    assert stranger.code == 2 and "row-level security" in stranger.err
    centre.execute("""CREATE ROLE "harbour-street-6" LOGIN PASSWORD 'another' IN ROLE houses""")
    assert [len(server.execute(f"SELECT * FROM {DAY}", "apart", f"harbour-street-{number}")) for number in (5, 6)] == [4, 0]


def test_setup_makes_a_hypertable_where_there_is_timescaledb(home: Home, server: Server) -> None:
    """TimescaleDB's function is pretended: Debian has no package of it."""
    server.execute("CREATE DATABASE series")
    centre = Centre(server, "series")
    centre.execute("CREATE TABLE calls (what text)")
    centre.execute("""
        CREATE FUNCTION create_hypertable(form regclass, column_name name, chunk_time_interval interval,
            if_not_exists boolean, migrate_data boolean)
        RETURNS void LANGUAGE sql AS 'INSERT INTO calls VALUES (form::text || column_name)'
    """)
    settle(home, centre, dsn=centre.owners_dsn)
    assert publish(home, "--setup").code == 0
    assert centre.execute("SELECT what FROM calls") == [("home_monitor.readingstimestamp",)]


def test_tables_of_a_newer_program_are_refused(house: Home, centre: Centre) -> None:
    centre.execute("CREATE OR REPLACE VIEW home_monitor.schema_version AS SELECT 2 AS version")
    for arguments in ((), ("--setup",), ("--dry-run",)):
        refused = publish(house, *arguments)
        assert refused.code == 2 and "newer version" in refused.err
