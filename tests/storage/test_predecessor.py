import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import Unusable, manager
from storage.devices import Device, find
from tests.storage.predecessors import ALTERED, NEWEST, OLDER, REGISTRY, SHAPES, awkward_rows, leave, many_rows
from tests.storage.samples import a_cycle, a_reading, rows, store

BACKUP = "readings.db.before-v1"


def brought_over(row: dict[str, Any]) -> dict[str, Any]:
    """Return what must have become of the predecessor's row."""
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


def test_the_shapes_of_the_test_differ_as_they_should() -> None:
    assert "voc_ppb" in NEWEST and "voc_ppb" not in OLDER and " name" not in OLDER and "CHECK" in OLDER
    assert ALTERED.index("created_at") < ALTERED.index("timestamp")


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
    assert sorted(each.name for each in database.parent.iterdir()) == ["readings.db", BACKUP, "readings.db.lock"]


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


def test_peoples_own_views_triggers_and_tables_keep_working(database: Path) -> None:
    leave(database, awkward_rows(), NEWEST,
          "CREATE VIEW warm AS SELECT r.name FROM readings r WHERE r.temperature_celsius > 20 ORDER BY id",
          "CREATE TABLE notes (reading INTEGER REFERENCES readings (id) ON DELETE CASCADE, note TEXT)",
          "INSERT INTO notes VALUES (3, 'hot bath')",
          "CREATE TRIGGER remind AFTER INSERT ON readings BEGIN INSERT INTO notes VALUES (NEW.id, NEW.device_id); END")
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
        found = find(connection, ["hue:00:17", "alexa:GAJ1", "hue:99"])
    assert found["hue:00:17"] == Device(
        device_id="hue:00:17", unique_id="hue:00:17", device_type="hue_sensor", device_name="Mr. X", location="Utility",
        first_seen="2025-11-01 10:00:00", last_seen="2025-11-18T14:30:00.1", name_source="user", location_source="user")
    assert (found["alexa:GAJ1"].name_source, found["alexa:GAJ1"].is_active) == ("discovered", False)
    assert found["hue:99"].device_name == "Attic"


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


@pytest.mark.parametrize("table", ["CREATE TABLE readings (id INTEGER PRIMARY KEY, sensor TEXT, value REAL)",
                                   "CREATE TABLE device_registry (device_id TEXT, owner TEXT)"])
def test_another_programs_table_is_not_taken_for_the_predecessors(tmp_path: Path, table: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(table)
    with pytest.raises(Unusable, match="another program's table") as caught, manager.writing(path):
        pass
    assert "database_path" in caught.value.remedy
    assert [row["sql"] for row in rows(path, "SELECT sql FROM sqlite_master")] == [table]


def test_other_tables_in_the_file_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "house.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meter AS SELECT 42 AS kwh")
    store(path, a_cycle(a_reading()))
    assert rows(path, "SELECT * FROM meter") == [{"kwh": 42}] and len(rows(path)) == 1
    assert not path.with_name("house.db.before-v1").exists()
