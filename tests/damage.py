"""What may befall a healthy home, done for real; and what takes some of it back, where a person would edit a file."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from storage import lost_database
from tests.checked_home import Patient
from tests.remedies import ACCEPT
from tests.storage.samples import a_cycle, a_reading, store


def write(patient: Patient, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def only_hue(patient: Patient) -> None:
    patient.configure("amazon_aqm", enabled=False)


def without_config(patient: Patient) -> None:
    patient.config.unlink()


def wrong_values(patient: Patient) -> None:
    patient.write_config(collection={"interval_seconds": 5}, storage={"busy_timeout_ms": "long"},
                         logging={"level": "LOUD"})


def right_values(patient: Patient) -> None:
    for section in ("collection", "storage", "logging", "colection"):
        patient.settings.pop(section, None)
    patient.write_config()


def without_secrets(patient: Patient) -> None:
    only_hue(patient)
    patient.secrets.unlink()


def execute(patient: Patient, statement: str) -> None:
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute(statement)


def damage(patient: Patient) -> None:
    """Write over the pages in the middle, while nothing has the database open."""
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    with patient.database.open("r+b") as file:
        size = patient.database.stat().st_size
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def lose_database(patient: Patient) -> None:
    for path in patient.data.glob("readings.db*"):
        path.unlink()


def wall_up(patient: Patient) -> None:
    """A database that is to be made where only root may make anything."""
    (patient.data / lost_database.MARKER).unlink()
    patient.write_config(storage={"database_path": "vault/deep/readings.db"})
    os.chown(patient.folder, 0, 0)


def become_folder(patient: Patient) -> None:
    lose_database(patient)
    patient.database.mkdir()


def other_database(patient: Patient) -> None:
    patient.write_config(storage={"database_path": "data/other.db"})
    patient.obey(ACCEPT)
    patient.collect("hue")


def become_diary(patient: Patient) -> None:
    lose_database(patient)
    write(patient, patient.database, "Dear diary, " * 500)


def turn_wal(patient: Patient, on: bool) -> None:
    patient.write_config(storage={"enable_wal_mode": on})
    patient.collect("hue")


def unrotatable(patient: Patient) -> None:
    """Settings that are in range, but that no disk of this machine can serve."""
    patient.write_config(logging={"max_bytes": 1_000_000_000, "backup_count": 100, "min_free_mb": 1_000_000})


def unmasked(patient: Patient) -> None:
    """The bridge is itself again, and asked where it is."""
    patient.simulator.faults.clear()
    reachable(patient)


def refuse_login(patient: Patient) -> None:
    patient.simulator.alexa.revoke()
    patient.simulator.alexa.expire_cookies()


def unreachable(patient: Patient) -> None:
    patient.configure("hue", bridge_ip="https://127.0.0.1:9", discovery_url=None)


def reachable(patient: Patient) -> None:
    patient.configure("hue", bridge_ip=patient.simulator.https_url)


def stranger(patient: Patient) -> None:
    """The bridge has moved, and its neighbour's is now where it was."""
    patient.configure("hue", discovery_url=None)
    patient.simulator.move(stranger=True)


def impostor(patient: Patient) -> None:
    """Over http, and it takes our key."""
    patient.configure("hue", discovery_url=None, bridge_ip=patient.simulator.http_url)
    patient.simulator.faults.add("wrong-bridge", accepts_key=True)


def forgotten(patient: Patient) -> None:
    """Somebody has removed our key from the bridge."""
    patient.simulator.bridge.keys.clear()


def throttle(patient: Patient) -> None:
    patient.simulator.faults.add("throttled")


def silence(patient: Patient) -> None:
    """A device that told something an hour ago, and nothing since."""
    hour_ago = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    store(patient.database, a_cycle(a_reading("hue:cellar", at=hour_ago, name="Cellar"), at=hour_ago))


def stop_cron(patient: Patient) -> None:
    execute(patient, "UPDATE readings SET timestamp = '2026-01-01T00:00:00+00:00'")


def ask_for_human(patient: Patient) -> None:
    """Our key was refused at a cycle."""
    forgotten(patient)
    assert [run.code for run in patient.collect("hue")] == [2]


def fill_spool(patient: Patient) -> None:
    """Somebody held the database while a cycle wanted to store."""
    patient.write_config(storage={"busy_timeout_ms": 50})
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert [run.code for run in patient.collect("hue")] == [1]


def take_spool_away(patient: Patient) -> None:
    """A run of root's, long ago."""
    journal = patient.data / "spool.journal"
    assert journal.exists()
    os.chown(journal, 0, 0)
    journal.chmod(0o644)


def damage_spool(patient: Patient) -> None:
    with (patient.data / "spool.journal").open("r+b") as file:
        file.write(b"+00000000 12 no such line")
    patient.collect("hue")


def grow_wal(patient: Patient) -> None:
    """A reader that never ends, and 17 MB written meanwhile."""
    reader = sqlite3.connect(patient.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM readings").fetchone()
    patient.reader = reader  # type: ignore[attr-defined]  # ended when the remedy is obeyed
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE notes (note BLOB)")
        writer.executemany("INSERT INTO notes VALUES (zeroblob(1000000))", [()] * 17)


def lock_away(patient: Patient) -> None:
    patient.take_back(patient.secrets, 0o600)
