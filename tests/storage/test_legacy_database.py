"""An earlier program's database is imported without losing a row, a name or what people added to it."""

import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from storage import legacy_database, manager, schema
from storage.registry import Device, find
from tests.storage.legacy_databases import NEWEST, REGISTRY, SHAPES, UNGUARDED, awkward_rows, leave, many_rows
from tests.storage.samples import a_cycle, a_reading, assert_refused, rows, store

BACKUP = "readings.db.before-v1"


def brought_over(row: dict[str, Any]) -> dict[str, Any]:
    index = row.get("voc_ppb") if row["device_type"] in ("alexa_aqm", "amazon_aqm") else None
    return row | {"voc_index": index, "is_anomalous": row["is_anomalous"] or 0,
                  "created_at": row["created_at"] or row["timestamp"]}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_row_is_brought_over_as_it_is(database: Path, shape: str) -> None:
    before = leave(database, awkward_rows(), shape)
    store(database)
    after = rows(database)
    assert [{name: row[name] for name in brought_over(old)} for old, row in zip(before, after)] == [
        brought_over(old) for old in before]
    assert len(after) == len(before) == 7
    assert {row["temperature_raw"] for row in after} == {None}
    assert rows(database, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_columns_written_in_another_case_are_the_same_columns(database: Path) -> None:
    shape = NEWEST.replace("device_type", "Device_Type").replace("timestamp", "TIMESTAMP").replace(
        "is_anomalous", "Is_Anomalous").replace("voc_ppb", "VOC_ppb")
    written = {"timestamp": "TIMESTAMP", "device_type": "Device_Type", "is_anomalous": "Is_Anomalous",
               "voc_ppb": "VOC_ppb"}
    leave(database, ({written.get(name, name): row[name] for name in row} for row in awkward_rows()), shape,
          "ALTER TABLE readings ADD COLUMN Küchen_Notiz TEXT", "UPDATE readings SET Küchen_Notiz = 'x'")
    store(database)
    after = rows(database)
    assert [row["timestamp"] for row in after] == [row["timestamp"] for row in awkward_rows()]
    assert [row["is_anomalous"] for row in after] == [row.get("is_anomalous") or 0 for row in awkward_rows()]
    assert [row["voc_index"] for row in after] == [None, None, None, 41.0, 41.0, None, None]
    assert "Küchen_Notiz" in after[0]


BARE = {"device_id": "hue:1", "device_type": "hue_sensor", "temperature_celsius": 20.0,
        "timestamp": "2025-11-18T14:30:00+00:00", "created_at": "2025-11-18 14:30:01"}


@pytest.mark.parametrize("missing, kept", [
    ({"device_type": None}, {"device_type": "unknown"}),
    ({"device_id": None}, {"device_id": "unknown"}),
    ({"timestamp": None}, {"timestamp": "2025-11-18 14:30:01"}),
    ({"created_at": None}, {"created_at": "2025-11-18T14:30:00+00:00"}),
    ({"device_id": None, "timestamp": None, "device_type": None},
     {"device_id": "unknown", "timestamp": "2025-11-18 14:30:01", "device_type": "unknown"}),
])
def test_what_a_row_lacks_is_made_up_for(database: Path, missing: dict[str, Any], kept: dict[str, Any]) -> None:
    leave(database, [BARE | {"id": 7} | missing], UNGUARDED)
    store(database)
    [row] = rows(database)
    assert {name: row[name] for name in ("id", *BARE)} == {"id": 7} | BARE | kept
    assert tables(database).isdisjoint({"readings_not_migrated"})


def tables(path: Path) -> set[str]:
    return {row["name"] for row in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_of_rows_with_one_key_the_first_keeps_it_and_the_others_are_kept_aside(
        database: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy_database, "BATCH", 3)
    later = {"timestamp": "2025-11-18T14:35:00+00:00"}
    before = leave(database, [
        BARE | {"id": 1, "timestamp": None, "created_at": later["timestamp"], "temperature_celsius": 1.0},
        BARE | {"id": 2}, BARE | {"id": 3, "raw_response": "{}", "temperature_celsius": "warm"},
        BARE | later | {"id": 4}, BARE | {"id": 5}, BARE | {"id": 6, "timestamp": None, "created_at": None},
        BARE | {"id": 7, "device_id": None}, BARE | {"id": 8, "device_id": None}], UNGUARDED)
    store(database)
    assert [row["id"] for row in rows(database)] == [2, 4, 7]
    aside = rows(database, "SELECT * FROM readings_not_migrated ORDER BY id")
    assert aside == [row for row in before if row["id"] in (1, 3, 5, 6, 8)]
    message, = (message for message in caplog.messages if "readings_not_migrated" in message)
    assert "5 readings" in message


def test_ids_that_are_none_or_stand_twice_cost_no_row(database: Path) -> None:
    shape = UNGUARDED.replace("id INTEGER PRIMARY KEY AUTOINCREMENT", "id")
    readings = [BARE | {"id": number, "timestamp": f"2025-11-18T14:3{n}:00+00:00"}
            for n, number in enumerate([5, 5, None, "five"])]
    leave(database, [*readings, readings[0]], shape)
    store(database)
    count, = rows(database, """
        SELECT
            (SELECT COUNT(*) FROM readings) AS kept,
            (SELECT COUNT(*) FROM readings_not_migrated) AS aside
    """)
    assert count == {"kept": 2, "aside": 3}


def test_a_registry_alone_is_copied_before_it_is_rebuilt(database: Path) -> None:
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(REGISTRY)
        connection.execute("INSERT INTO device_registry (device_type, device_name, unique_id) VALUES ('h', 'A', 'h:1')")
        connection.commit()
    before = rows(database, "SELECT * FROM device_registry")
    database.with_name(BACKUP).write_bytes(database.read_bytes())
    with closing(sqlite3.connect(database.with_name(BACKUP))) as connection:
        connection.execute("DELETE FROM device_registry")
        connection.commit()
    store(database)
    assert rows(database.with_name(f"{BACKUP}.2"), "SELECT * FROM device_registry") == before
    assert [row["device_id"] for row in rows(database, "SELECT * FROM device_registry")] == ["h:1"]


def test_a_registry_without_guards_costs_no_reading(database: Path) -> None:
    leave(database, awkward_rows(), NEWEST, REGISTRY.replace("NOT NULL UNIQUE", ""), """
        INSERT INTO device_registry (device_type, device_name, unique_id)
        VALUES ('h', 'First', 'h:1'), ('h', 'Second', 'h:1'), ('h', 'Third', NULL)
    """)
    store(database)
    assert [row["device_name"] for row in rows(database, "SELECT * FROM device_registry")] == ["First"]
    assert len(rows(database)) == 7


def test_a_migration_is_logged_before_its_long_work(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave(database, awkward_rows())
    steps: list[tuple[str, bool]] = []
    with manager.writing(database, progress=lambda step, *_: steps.append((step, BACKUP in caplog.text))):
        pass
    assert ("migrate", True) in steps and ("migrate", False) not in steps


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_copy_made_before_equals_the_original(database: Path, shape: str) -> None:
    before = leave(database, awkward_rows(), shape, REGISTRY)
    schema = rows(database, "SELECT * FROM sqlite_master")
    database.chmod(0o640)
    store(database)
    copy = database.with_name(BACKUP)
    assert rows(copy) == before
    assert rows(copy, "SELECT * FROM sqlite_master") == schema
    assert rows(copy, "PRAGMA journal_mode") == [{"journal_mode": "delete"}]
    assert copy.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in database.parent.iterdir()) == [
        "readings.db", BACKUP, "readings.db.closed", "readings.db.lock"]


def test_the_new_table_is_the_same_as_in_a_fresh_database(database: Path, tmp_path: Path) -> None:
    leave(database, awkward_rows(), NEWEST, REGISTRY)
    store(database)
    store(tmp_path / "fresh.db")
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence' ORDER BY type, name"
    assert rows(database, query) == rows(tmp_path / "fresh.db", query)


def test_what_the_predecessor_refused_is_stored_from_now_on(database: Path) -> None:
    leave(database, awkward_rows())
    store(database, a_cycle(a_reading(temperature_celsius=None), a_reading("b", temperature_celsius=55.0)))
    assert [row["temperature_celsius"] for row in rows(database)][-2:] == [None, 55.0]
    assert [row["id"] for row in rows(database)][-2:] == [41, 42]


@pytest.mark.parametrize("table", ["readings", "Readings"])
def test_peoples_own_views_triggers_and_tables_keep_working(database: Path, table: str) -> None:
    leave(database, awkward_rows(), NEWEST.replace("TABLE readings", f"TABLE {table}"),
          "CREATE VIEW warm AS SELECT r.name FROM readings r WHERE r.temperature_celsius > 20 ORDER BY id",
          "CREATE TABLE notes (reading INTEGER REFERENCES readings (id) ON DELETE CASCADE, note TEXT)",
          "INSERT INTO notes VALUES (3, 'hot bath')",
          f"CREATE TRIGGER remind AFTER INSERT ON {table} BEGIN INSERT INTO notes VALUES (NEW.id, NEW.device_id); END")
    own = "SELECT name, sql FROM sqlite_master WHERE name IN ('warm', 'notes', 'remind') ORDER BY name"
    before = rows(database, own), rows(database, "SELECT * FROM warm"), rows(database, "SELECT * FROM notes")
    store(database)
    assert (rows(database, own), rows(database, "SELECT * FROM warm"), rows(database, "SELECT * FROM notes")) == before
    store(database, a_cycle(a_reading("hue:new")))
    assert rows(database, "SELECT note FROM notes")[-1] == {"note": "hue:new"}
    assert rows(database, "SELECT * FROM warm")[-1] == {"name": "Kitchen"}


def test_its_registry_is_rebuilt_with_names_and_places_as_the_users(database: Path) -> None:
    leave(database, awkward_rows(), NEWEST, REGISTRY, """
        INSERT INTO device_registry (device_type, device_name, location, unique_id, first_seen, last_seen, is_active)
        VALUES
            ('hue_sensor', 'Mr. X', 'Utility', 'hue:00:17', '2025-11-01 10:00:00', '2025-11-18T14:30:00.1', 1),
            ('alexa_aqm', NULL, NULL, 'alexa:GAJ1', NULL, NULL, 0)
    """)
    file = [Device(device_id="hue:00:17", device_name="Older"), Device(device_id="hue:99", device_name="Attic")]
    with manager.writing(database, adopt=lambda: file) as connection:
        devices = find(connection, ["hue:00:17", "alexa:GAJ1", "hue:99"])
    assert devices["hue:00:17"] == Device(
        device_id="hue:00:17", unique_id="hue:00:17", device_type="hue_sensor", device_name="Mr. X", location="Utility",
        first_seen="2025-11-01 10:00:00", last_seen="2025-11-18T14:30:00.1", name_source="user", location_source="user")
    assert (devices["alexa:GAJ1"].name_source, devices["alexa:GAJ1"].is_active) == ("discovered", False)
    assert devices["hue:99"].device_name == "Attic"


def test_twenty_five_thousand_rows_show_their_progress(database: Path) -> None:
    before = leave(database, many_rows(25_000))
    seen: list[tuple[str, int, int]] = []
    with manager.writing(database, progress=lambda *step: seen.append(step)):
        pass
    assert [row["id"] for row in rows(database)] == [row["id"] for row in before]
    assert [step for step in seen if step[0] == "migrate"] == [("migrate", n, 25_000) for n in range(0, 25_001, 5_000)]
    copied = [(done, total) for name, done, total in seen if name == "copy"]
    assert len(copied) > 1 and copied == sorted(copied) and copied[-1][0] == copied[-1][1]


def test_a_migrated_database_is_left_alone_from_then_on(database: Path) -> None:
    leave(database, awkward_rows())
    store(database)
    with manager.writing(database, adopt=lambda: pytest.fail("asked again"), progress=lambda *_: pytest.fail("again")):
        pass
    assert not database.with_name(f"{BACKUP}.2").exists()


def test_a_file_in_the_copys_place_is_never_overwritten(database: Path) -> None:
    before = leave(database, awkward_rows())
    leave(database.with_name(BACKUP), awkward_rows()[:3])
    database.with_name(f"{BACKUP}.2").write_text("a letter")
    store(database)
    assert len(rows(database.with_name(BACKUP))) == 3
    assert database.with_name(f"{BACKUP}.2").read_text() == "a letter"
    assert rows(database.with_name(f"{BACKUP}.3")) == before


FOREIGN = [
    "CREATE TABLE readings (id INTEGER PRIMARY KEY, sensor TEXT, value REAL)",
    "CREATE TABLE device_registry (device_id TEXT, owner TEXT)",
    "CREATE VIEW readings AS SELECT 1 AS id, 2 AS timestamp, 3 AS device_id, 4 AS device_type,"
    " 5 AS temperature_celsius"]


@pytest.mark.parametrize(("table", "version"), [
    *product(FOREIGN, [0, len(schema.MIGRATIONS)]), ("CREATE TABLE meter (kwh REAL)", len(schema.MIGRATIONS))])
def test_another_programs_database_is_refused_and_stays_as_it_is(tmp_path: Path, table: str, version: int) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(table)
        connection.execute(f"PRAGMA user_version = {version}")
    assert_refused(path, "another program's database", "database_path")
    assert {file.name for file in tmp_path.iterdir()} == {"other.db", "other.db.lock"}


def test_other_tables_in_the_file_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "house.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meter AS SELECT 42 AS kwh")
    store(path, a_cycle(a_reading()))
    assert rows(path, "SELECT * FROM meter") == [{"kwh": 42}] and len(rows(path)) == 1
    assert not path.with_name("house.db.before-v1").exists()


def test_the_migration_says_where_the_voc_index_is(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave(database, awkward_rows(), NEWEST)
    store(database)
    assert sum("new values are only in voc_index" in message for message in caplog.messages) == 1
