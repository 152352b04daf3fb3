"""People's own SQL, and databases salvaged or copied by other tools: collecting goes on, or the remedy works as printed."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from freezegun import freeze_time

from tests.checkout import CHECKOUT
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

HARMLESS = [
    "CREATE VIEW warm AS SELECT * FROM readings WHERE temperature_celsius > 20",
    "CREATE VIEW broken AS SELECT * FROM no_such_table",
    "CREATE INDEX by_location ON readings (location)",
    "CREATE INDEX cold ON readings (temperature_celsius) WHERE temperature_celsius < 5",
    "CREATE UNIQUE INDEX own_key ON readings (device_id, timestamp)",
    "CREATE INDEX spelled ON readings (upper(name))",
    "ALTER TABLE readings ADD COLUMN note TEXT",
    "ALTER TABLE readings ADD COLUMN checked INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE readings ADD COLUMN fahrenheit REAL AS (temperature_celsius * 1.8 + 32)",
    "ALTER TABLE device_registry ADD COLUMN owner TEXT",
    "ALTER TABLE collection_cycles ADD COLUMN note TEXT",
    "CREATE TABLE notes (reading_id INTEGER REFERENCES readings (id), text TEXT)",
    "CREATE TABLE log (at); CREATE TRIGGER logging AFTER INSERT ON readings BEGIN INSERT INTO log VALUES (NEW.id); END",
    "CREATE TRIGGER noted AFTER INSERT ON collection_cycles BEGIN UPDATE device_registry SET model_info = 'x'; END",
    "CREATE TRIGGER never BEFORE INSERT ON readings WHEN NEW.temperature_celsius > 90 BEGIN SELECT RAISE(ABORT, 'hot'); END",
    "UPDATE device_registry SET temperature_offset = 'warm'",
    "UPDATE device_registry SET temperature_offset = 9e999",
    "UPDATE device_registry SET location = NULL, device_name = NULL",
    "DELETE FROM device_registry",
    "DROP INDEX readings_timestamp",
    "DELETE FROM readings",
    "VACUUM",
    "PRAGMA user_version = 0",
    "PRAGMA journal_mode = DELETE",
]
REFUSING = [
    "CREATE TRIGGER no BEFORE INSERT ON readings BEGIN SELECT RAISE(ABORT, 'not in my house'); END",
    "CREATE TRIGGER no BEFORE INSERT ON readings BEGIN SELECT RAISE(ROLLBACK, 'not in my house'); END",
    "CREATE TRIGGER no AFTER INSERT ON readings BEGIN SELECT RAISE(FAIL, 'not in my house'); END",
    "CREATE TRIGGER no BEFORE INSERT ON readings BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER no AFTER INSERT ON readings BEGIN DELETE FROM readings WHERE id = NEW.id; END",
    "CREATE TABLE log (x); CREATE TRIGGER no AFTER INSERT ON readings BEGIN INSERT INTO log VALUES (1); END; DROP TABLE log",
    "CREATE TRIGGER no BEFORE UPDATE ON device_registry BEGIN SELECT RAISE(ABORT, 'keep it'); END",
    "CREATE TRIGGER no BEFORE INSERT ON collection_cycles BEGIN SELECT RAISE(ABORT, 'no cycles'); END",
    "CREATE UNIQUE INDEX no ON readings (device_id)",
]
REBUILT = "CREATE TABLE copy AS SELECT * FROM {0}; DROP TABLE {0}; ALTER TABLE copy RENAME TO {0}"


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    home.point_at(simulator)
    assert home.run().code == 0
    home.wait_for_the_next_second()
    return home


def execute(home: Home, statements: str) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        connection.executescript(statements)


def run(home: Home) -> Outcome:
    outcome = home.run()
    home.wait_for_the_next_second()
    return outcome


def check(home: Home) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECKOUT / "healthcheck.py", "--config", home.config, "--only", "database_write"],
                          capture_output=True, text=True, check=False)


def stored(home: Home) -> int:
    return len({(row["device_id"], row["timestamp"]) for row in home.rows()})


def test_collecting_goes_on(lived_in: Home) -> None:
    """After each of them, in one database."""
    for number, statements in enumerate(HARMLESS):
        execute(lived_in, statements)
        before = stored(lived_in)
        with freeze_time(datetime.now(timezone.utc) + timedelta(seconds=2 + 2 * number), tick=True):
            assert (lived_in.run().code, stored(lived_in)) == (0, before + 5), statements
    assert check(lived_in).returncode == 0
    assert all(abs(row["temperature_celsius"] or 0) < 100 for row in lived_in.rows())


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the remedy takes the command sqlite3")
@pytest.mark.parametrize("statements", REFUSING)
def test_what_refuses_is_named_and_the_remedy_helps(lived_in: Home, statements: str) -> None:
    """The health check reports it before a cycle does; the readings wait."""
    execute(lived_in, statements)
    checked, refused = check(lived_in), run(lived_in)
    for text in (checked.stdout, refused.err):
        assert re.search("because of the (trigger|index) no", text), text
    assert (checked.returncode, refused.code) == (2, 2) and stored(lived_in) == 5
    remedy, = re.findall(r"sqlite3 .* 'DROP [^']*'", refused.err)
    subprocess.run(remedy, shell=True, check=True)
    assert run(lived_in).code == 0 and stored(lived_in) == 15 and check(lived_in).returncode == 0


@pytest.mark.parametrize("tables", [["readings"], ["device_registry"], ["readings", "device_registry"]])
def test_tables_without_their_keys_are_repaired_by_migrate(lived_in: Home, tables: list[str]) -> None:
    """Duplicates are kept, and reported."""
    execute(lived_in, ";".join(["PRAGMA legacy_alter_table = ON", *(REBUILT.format(table) for table in tables)]))
    if "readings" in tables:
        execute(lived_in, "INSERT INTO readings SELECT * FROM readings WHERE id = 1")
    refused = run(lived_in)
    assert refused.code == 2 and "migrate" in refused.err and "lost their keys" in refused.err
    assert check(lived_in).returncode == 2
    repaired = lived_in.devices("migrate")
    assert repaired.code == 0 and ("1 reading had" in repaired.err) is ("readings" in tables)
    assert run(lived_in).code == 0 and stored(lived_in) == 15 == len(lived_in.rows())
    assert len(lived_in.rows("SELECT * FROM sqlite_master WHERE name = 'readings_deleted'")) == 1
    assert lived_in.devices("migrate").out.endswith("was already up to date.\n")


@pytest.mark.parametrize("method", ["dump", "clone", "vacuum"])
@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="it takes the command sqlite3")
def test_a_salvaged_database_is_used(lived_in: Home, method: str, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    command = {"dump": "sqlite3 {} .dump | sqlite3 {}", "clone": "sqlite3 {} '.clone {}'",
               "vacuum": "sqlite3 {0} \"VACUUM INTO '{1}'\""}[method].format(lived_in.database, new)
    subprocess.run(command, shell=True, check=True)
    new.rename(lived_in.database)
    assert check(lived_in).returncode == 0
    assert (run(lived_in).code, run(lived_in).code) == (0, 0) and stored(lived_in) == 15
