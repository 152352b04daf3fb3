"""readings.py import homeassistant, on a recorder of the published form.

https://github.com/home-assistant/core, homeassistant/components/recorder/db_schema.py, schema 41 to 53, 2026-12.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, store
from tests.test_readings import run

SCHEMA = """
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE);
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0),
        last_changed_ts FLOAT, last_updated_ts FLOAT, old_state_id INTEGER, attributes_id INTEGER, metadata_id INTEGER);
    CREATE INDEX ix_states_last_updated_ts ON states (last_updated_ts);
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
        unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255));
    CREATE TABLE statistics (id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT, mean FLOAT,
        min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
    CREATE TABLE statistics_short_term (id INTEGER PRIMARY KEY, metadata_id INTEGER, start_ts FLOAT, mean FLOAT);
"""
HOUR = 3600
NOON = 1_761_393_600.0  # 2025-10-25T12:00:00+00:00
CLASSES: dict[str, dict[str, Any]] = {
    "sensor.hall_temperature": {"device_class": "temperature", "unit_of_measurement": "°F"},
    "sensor.hall_humidity": {"device_class": "humidity", "unit_of_measurement": "%"},
    "sensor.hall_battery": {"device_class": "battery", "unit_of_measurement": "%"},
    "sensor.hall_chip": {"device_class": "temperature", "unit_of_measurement": "°C"},
    "sensor.attic_pm25": {"device_class": "pm25", "unit_of_measurement": "\u03bcg/m³"},
    "sensor.attic_co": {"device_class": "carbon_monoxide", "unit_of_measurement": "mg/m³"},
    "sensor.power": {"device_class": "power", "unit_of_measurement": "W"},
    "light.hall": {"friendly_name": "Hall"},
}
STATES = [
    ("sensor.hall_temperature", 0.2, "72.5"), ("sensor.hall_humidity", 0.4, "43"), ("sensor.hall_chip", 0.5, "51.25"),
    ("sensor.power", 1, "1500"), ("light.hall", 1, "on"), ("sensor.attic_pm25", 2, "12.5"), ("sensor.attic_co", 2, "1"),
    ("sensor.hall_temperature", 60, "unavailable"), ("sensor.hall_battery", 61, "87.6"),
    ("sensor.hall_humidity", 62, "unknown"), ("sensor.hall_humidity", 63, "nan"), ("sensor.hall_temperature", 120, "-40"),
]
MEANS = [  # of the hour before the states, of the one they are in, of the one after them
    ("sensor.hall_temperature", -HOUR, 68.0, "°F"), ("sensor.hall_humidity", -HOUR, 40.5, "%"),
    ("sensor.hall_temperature", 0, 99.0, "°F"), ("sensor.hall_temperature", HOUR, -40.0, "°F"),
    ("sensor.gone", -HOUR, 5.5, "°C"), ("sensor.energy", -HOUR, None, "kWh"), ("sensor.pressure", -HOUR, 1013.0, "hPa"),
]


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    path = tmp_path / "assistant" / "home-assistant_v2.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        names = list(CLASSES)
        connection.executemany("INSERT INTO states_meta VALUES (?, ?)", enumerate(names))
        connection.executemany("INSERT INTO state_attributes VALUES (?, 0, ?)", (
            (number, json.dumps(attributes, ensure_ascii=False)) for number, attributes in enumerate(CLASSES.values())))
        connection.executemany(
            "INSERT INTO states (metadata_id, attributes_id, last_updated_ts, state) VALUES (?1, ?1, ?2, ?3)",
            [(names.index(entity), NOON + second, state) for entity, second, state in STATES])
        units = {entity: unit for entity, _, _, unit in MEANS}
        connection.executemany("INSERT INTO statistics_meta (id, statistic_id, unit_of_measurement) VALUES (?, ?, ?)",
                               ((number, *item) for number, item in enumerate(units.items())))
        connection.executemany("INSERT INTO statistics (metadata_id, start_ts, mean) VALUES (?, ?, ?)",
                               ((list(units).index(entity), NOON + start, mean) for entity, start, mean, _ in MEANS))
    return path


def write_registries(folder: Path) -> None:
    folder.mkdir()
    entities = [{"entity_id": name, "device_id": name.split("_")[0].removeprefix("sensor."), "area_id": None, "name": None,
                 "original_name": name.split("_")[-1], "original_device_class": attributes.get("device_class"),
                 "entity_category": "diagnostic" if name.endswith("chip") else None}
                for name, attributes in CLASSES.items()]
    parts = {"entity": ("entities", entities), "area": ("areas", [{"id": "hall", "name": "Hallway"}]),
             "device": ("devices", [{"id": "hall", "area_id": "hall", "name": "TH-1", "name_by_user": "Hall Küche"},
                                    {"id": "attic", "area_id": None, "name": "Air monitor", "name_by_user": None}])}
    for kind, (key, items) in parts.items():
        (folder / f"core.{kind}_registry").write_text(json.dumps({"version": 1, "data": {key: items}}))


def imported(home: Home) -> set[tuple[Any, ...]]:
    rows = home.rows("SELECT * FROM readings WHERE device_type LIKE 'homeassistant%'")
    return {(row["device_id"], row["timestamp"][11:19], row["location"], row["temperature_celsius"], row["humidity_percent"],
             row["device_type"].removeprefix("homeassistant_")) for row in rows}


def test_entities_of_a_device_become_its_readings(recorder: Path, written: Home) -> None:
    write_registries(recorder.parent / ".storage")
    store(written.database, a_cycle(a_reading()))
    before = written.rows()
    dry = run(written, "import", "homeassistant", str(recorder), "--dry-run")
    assert (dry.code, "8 readings" in dry.out, written.rows() == before) == (0, True, True)
    outcome = run(written, "import", "homeassistant", str(recorder))
    assert (outcome.code, "8 of them new" in outcome.out) == (0, True)
    assert "1 state in mg/m³, 3 states without a number, 2 other sensors" in outcome.out
    hall, chip, attic, gone = (f"homeassistant:{name}" for name in ("hall", "sensor.hall_chip", "attic", "sensor.gone"))
    assert imported(written) == {
        (hall, "12:00:00", "Hallway", 22.5, 43.0, "import"), (chip, "12:00:00", "Hallway", 51.25, None, "import"),
        (attic, "12:00:02", "Air monitor", None, None, "import"), (hall, "12:01:01", "Hallway", None, None, "import"),
        (hall, "12:02:00", "Hallway", -40.0, None, "import"), (hall, "11:00:00", "Hallway", 20.0, 40.5, "statistics"),
        (gone, "11:00:00", "gone", 5.5, None, "statistics"), (hall, "13:00:00", "Hallway", -40.0, None, "statistics")}
    assert written.rows("SELECT pm25_ugm3, battery_level FROM readings WHERE pm25_ugm3 > 0 OR battery_level > 0") == [
        {"pm25_ugm3": 12.5, "battery_level": None}, {"pm25_ugm3": None, "battery_level": 88}]
    rows = written.rows()
    assert "0 of them new" in run(written, "import", "homeassistant", str(recorder)).out
    assert written.rows() == rows and rows[:1] == before


def test_without_its_registry_an_entity_is_a_device(recorder: Path, written: Home) -> None:
    store(written.database, a_cycle(outcome="unreachable"))
    outcome = run(written, "import", "homeassistant", str(recorder))
    assert (outcome.code, "--registry" in outcome.err) == (0, True)
    hall = ("homeassistant:sensor.hall_temperature", "12:00:00", "hall temperature", 22.5, None, "import")
    assert hall in imported(written)
    stats = json.loads(run(written, "stats", "homeassistant:sensor.hall_temperature", "--by", "day", "--json").out)
    assert [(item["count"], item["coverage_percent"]) for item in stats] == [(4, None)]


def test_a_young_home_assistant_has_no_registry_of_areas_and_devices(recorder: Path, written: Home) -> None:
    write_registries(recorder.parent / ".storage")
    for kind in ("area", "device"):
        (recorder.parent / ".storage" / f"core.{kind}_registry").unlink()
    store(written.database, a_cycle(outcome="unreachable"))
    assert run(written, "import", "homeassistant", str(recorder)).code == 0
    assert ("homeassistant:hall", "12:00:00", "temperature", 22.5, 43.0, "import") in imported(written)


def test_a_mapped_entity_belongs_to_a_device_of_ours_and_makes_no_gap(recorder: Path, written: Home) -> None:
    store(written.database, a_cycle(a_reading("hue:a", name="Hall")), a_cycle(a_reading("hue:b")))
    assert run(written, "import", "homeassistant", str(recorder), "--map", "sensor.hall_temperature=hue:a").code == 0
    assert ("hue:a", "12:00:00", "Hall", 22.5, None, "import") in imported(written)
    due = {item["device_id"]: item["since"] for item in json.loads(written.devices("gaps", "--since", "5000d", "--json").out)}
    first_seen, = {row["first_seen"] for row in written.rows("SELECT * FROM device_registry WHERE collector = 'hue'")}
    assert due.keys() >= {"hue:a", "hue:b"} and {since for since in due.values() if since} == {first_seen}


def change(*statements: str) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
    return apply


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])


def cut_registry(path: Path) -> None:
    write_registries(path.parent / ".storage")
    (path.parent / ".storage" / "core.area_registry").write_text('{"data": ')


@pytest.mark.parametrize(("damage", "options", "named"), [
    (Path.unlink, (), "missing"), (lambda path: path.write_text("a,b\n1,2\n"), (), "home-assistant_v2.db"),
    (halve, (), "home-assistant_v2.db"), (change("DROP TABLE states_meta"), (), "2023.4"),
    (change("ALTER TABLE states RENAME metadata_id TO entity"), (), "2023.4"),
    (change(), ("--map", "sensor.cellar=hue:kitchen"), "sensor.cellar"),
    (change(), ("--map", "sensor.hall_chip=cellar"), "cellar"), (change(), ("--map", "sensor.hall_chip"), "--map"),
    (change(), ("--registry", "nowhere"), "core.entity_registry"),
    (cut_registry, (), "core.area_registry")])
def test_what_cannot_be_imported_changes_nothing(
        damage: Callable[[Path], object], options: tuple[str, ...], named: str, recorder: Path, written: Home) -> None:
    damage(recorder)
    store(written.database, a_cycle(a_reading()))
    before = written.rows()
    outcome = run(written, "import", "homeassistant", str(recorder), *options)
    assert (outcome.code, outcome.out, outcome.err.count("\n"), named in outcome.err) == (2, "", 1, True), outcome.err
    assert written.rows() == before


def test_a_recorder_in_use_is_read(recorder: Path, written: Home) -> None:
    store(written.database, a_cycle(outcome="unreachable"))
    with closing(sqlite3.connect(recorder)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM states")
        assert run(written, "import", "homeassistant", str(recorder)).code == 0
    assert len(imported(written)) > 5
