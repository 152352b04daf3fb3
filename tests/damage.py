"""Ways to damage a healthy home, all of them real, and the edits that repair it where the remedy is an edit."""

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from storage.reading import Sighting
from tests.checked_home import CheckedHome
from tests.checkout import CHECKOUT
from tests.mail_server import email_section
from tests.storage.samples import a_cycle, a_reading, store


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def wrong_values(home: CheckedHome) -> None:
    home.write_config(collection={"interval_seconds": 5}, storage={"busy_timeout_ms": "long"},
                      logging={"level": "LOUD"})


def right_values(home: CheckedHome) -> None:
    for section in ("collection", "storage", "logging", "colection"):
        home.settings.pop(section, None)
    home.write_config()


def disable_collectors(home: CheckedHome) -> None:
    for source in ("hue", "amazon_aqm"):
        home.configure(source, enabled=False)


def enable_collectors(home: CheckedHome) -> None:
    for source in ("hue", "amazon_aqm"):
        home.configure(source, enabled=True)


def without_secrets(home: CheckedHome) -> None:
    home.configure("amazon_aqm", enabled=False)
    home.secrets.unlink()


def execute(home: CheckedHome, statement: str) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute(statement)


def overwrite_pages(home: CheckedHome) -> None:
    """Write over the pages in the middle, while nothing has the database open."""
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    with home.database.open("r+b") as file:
        size = home.database.stat().st_size
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def lose_database(home: CheckedHome) -> None:
    for path in home.data.glob("readings.db*"):
        path.unlink()


def lose_mail(home: CheckedHome) -> None:
    """Send a test mail to a port that nothing listens on."""
    home.keep_secrets(email=email_section(9))
    home.hand_over()
    assert home.devices("alert", "--test").code == 1


def unmount(home: CheckedHome) -> None:
    """Leave the empty folder that is below a mount point."""
    home.data.rename(home.folder / "kept")
    home.data.mkdir()


def mount(home: CheckedHome) -> None:
    home.data.rmdir()
    (home.folder / "kept").rename(home.data)


def replace_by_other_record(home: CheckedHome) -> None:
    lose_database(home)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    store(home.database, a_cycle(a_reading("hue:elsewhere", at=now), at=now))


def close_folder(home: CheckedHome) -> None:
    for name in ("data/readings.stored", "config/record.id"):
        (home.folder / name).unlink()
    home.write_config(storage={"database_path": "vault/deep/readings.db"})
    os.chown(home.folder, 0, 0)


def replace_by_folder(home: CheckedHome) -> None:
    lose_database(home)
    home.database.mkdir()


def other_database(home: CheckedHome) -> None:
    home.write_config(storage={"database_path": "data/other.db"})
    home.carry_out(home.as_printed("python devices.py accept-new-database"))
    home.collect("hue")


def replace_by_text(home: CheckedHome) -> None:
    lose_database(home)
    write(home.database, "Dear diary, " * 500)


def turn_wal(home: CheckedHome, on: bool) -> None:
    home.write_config(storage={"enable_wal_mode": on})
    home.collect("hue")


def reject_weather(home: CheckedHome) -> None:
    reason = '{"error": true, "reason": "Parameter latitude must be given"}'
    home.simulator.faults.add("body", face="weather", status=400, content=reason)
    home.settings["collectors"]["weather"] = {}
    home.configure("weather", enabled=True, latitude=1, longitude=2, base_url=home.simulator.cloud_url)


def refuse_login(home: CheckedHome) -> None:
    home.simulator.alexa.revoke()
    home.simulator.alexa.expire_cookies()


def reachable(home: CheckedHome) -> None:
    home.configure("hue", bridge_ip=home.simulator.https_url)


def stranger(home: CheckedHome) -> None:
    """Move the bridge, and put the neighbour's at its address."""
    home.configure("hue", discovery_url=None, certificate_fingerprint=None)
    home.keep_secrets(hue={"api_key": home.simulator.key, "bridge_id": home.simulator.bridge_id,
                           "certificate_fingerprint": home.simulator.fingerprint})
    home.simulator.move(stranger=True)


def stranger_over_http(home: CheckedHome) -> None:
    """Put another bridge, which accepts our key, at the address."""
    home.configure("hue", discovery_url=None, bridge_ip=home.simulator.http_url)
    home.simulator.faults.add("wrong-bridge", accepts_key=True)


def remove_key(home: CheckedHome) -> None:
    home.simulator.bridge.keys.clear()


def kill_in_the_middle_of_a_commit(database: Path) -> None:
    """Leave a hot rollback journal: SQLite syncs it, then writes the database, then deletes it."""
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000) "
                           "SELECT i, hex(randomblob(50)) FROM n")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert Path(f"{database}-journal").stat().st_size


def kill_write(home: CheckedHome) -> None:
    execute(home, "PRAGMA journal_mode = DELETE")
    kill_in_the_middle_of_a_commit(home.database)


def stop_run(home: CheckedHome) -> None:
    """Stop a collector's run, as Ctrl-Z does, and let an hour pass."""
    home.simulator.faults.add("silence", seconds=20)
    run = subprocess.Popen(home.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=CHECKOUT)
    home.cleanup.callback(run.kill)
    lock = home.data / "hue.lock"
    while f"{run.pid} " not in lock.read_text():
        time.sleep(0.01)
    run.send_signal(signal.SIGSTOP)
    hour_ago = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    lock.write_text(f"{run.pid} {hour_ago.isoformat()}")
    execute(home, "UPDATE readings SET timestamp = '2026-01-01T00:00:00+00:00' WHERE device_type = 'hue_sensor'")
    home.simulator.faults.clear()
    home.run_stopped = run  # type: ignore[attr-defined]  # for its repair


def add_silent_device(home: CheckedHome) -> None:
    hour_ago = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    store(home.database, a_cycle(a_reading("hue:cellar", at=hour_ago, name="Cellar"), at=hour_ago))


def add_device_without_values(home: CheckedHome) -> None:
    hour_ago = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    store(home.database, a_cycle(at=hour_ago, sightings=(Sighting("hue:cellar", "hue_sensor", "Cellar"),)))


def delete_readings(home: CheckedHome) -> None:
    for table in ("readings", "device_registry"):
        execute(home, f"DELETE FROM {table}")


def raise_alert(home: CheckedHome) -> None:
    remove_key(home)
    assert [run.code for run in home.collect("hue")] == [2]


def fill_spool(home: CheckedHome) -> None:
    home.write_config(storage={"busy_timeout_ms": 50})
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert [run.code for run in home.collect("amazon_aqm")] == [1]


def give_spool_to_root(home: CheckedHome) -> None:
    journal = home.data / "spool.journal"
    assert journal.exists()
    os.chown(journal, 0, 0)
    journal.chmod(0o644)


def damage_spool(home: CheckedHome) -> None:
    with (home.data / "spool.journal").open("r+b") as file:
        file.write(b"+00000000 12 no such line")
    home.collect("hue")


def grow_wal(home: CheckedHome) -> None:
    reader = sqlite3.connect(home.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM readings").fetchone()
    home.reader = reader  # type: ignore[attr-defined]  # closed by the remedy
    with closing(sqlite3.connect(home.database, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE notes (note BLOB)")
        writer.executemany("INSERT INTO notes VALUES (zeroblob(1000000))", [()] * 17)
