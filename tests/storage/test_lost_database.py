"""A missing or damaged database is replaced by a new one only on a person's command."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from runtime.commands import update_command
from storage import manager, record, spool
from tests.home import Home, as_printed
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading, at, in_a_process

ALERT = "ALERT_STORAGE_FAILING.txt"
NOBODY = 65534


@pytest.fixture
def used_home(home: Home, simulator: Simulator) -> Home:
    home.point_at(simulator)
    assert home.run().code == 0 and (home.data / "readings.stored").exists()
    return home


def waiting(home: Home) -> list[int]:
    return [row["spooled"] for row in home.cycles()]


def remove(home: Home) -> None:
    for suffix in ("", "-wal", "-shm"):
        home.database.with_name(home.database.name + suffix).unlink(missing_ok=True)


def test_a_database_that_never_held_a_reading_may_be_replaced(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("503")
    assert home.run().code == 1 and not (home.data / "readings.stored").exists()
    remove(home)
    assert home.run().code == 1 and home.database.exists()


@pytest.mark.parametrize("how", ["deleted", "emptied", "its folder unmounted"])
def test_a_missing_database_is_not_replaced(used_home: Home, how: str) -> None:
    aside = used_home.folder / "aside.db"
    if how == "its folder unmounted":
        mount = used_home.folder / "mount"
        used_home.write_config(storage={"database_path": str(mount / "readings.db")})
    else:
        used_home.database.rename(aside)
        if how == "emptied":
            used_home.database.touch()
    assert [used_home.run().code, used_home.run().code] == [2, 2]
    alert = (used_home.data / ALERT).read_text()
    assert "occurrences: 2" in alert and as_printed("python devices.py accept-new-database") in alert
    if how == "its folder unmounted":
        assert not (mount / "readings.db").exists()
        used_home.write_config(storage={})
    else:
        assert (used_home.database.stat().st_size == 0) if how == "emptied" else not used_home.database.exists()
        aside.rename(used_home.database)
    assert used_home.run().code == 0
    assert waiting(used_home) == [0, 5, 5, 0] and not (used_home.data / ALERT).exists()


def test_a_lost_database_is_reported_to_readers_too(used_home: Home) -> None:
    remove(used_home)
    run = used_home.desk("list")
    assert run.code == 2 and used_home.as_printed("python devices.py accept-new-database") in run.err


def test_a_new_database_gets_the_readings_that_waited(used_home: Home) -> None:
    remove(used_home)
    assert used_home.run().code == 2
    accepted = used_home.devices("accept-new-database")
    assert (accepted.code, accepted.err, used_home.rows()) == (0, "", [])
    assert used_home.run().code == 0 and waiting(used_home) == [5, 0]
    assert (used_home.data / "readings.stored").exists() and not (used_home.data / ALERT).exists()


def test_a_new_database_names_the_one_that_it_continues(used_home: Home) -> None:
    with manager.reading(used_home.database) as connection:
        lost = record.identify(connection)
    remove(used_home)
    assert used_home.devices("accept-new-database").code == 0
    with manager.reading(used_home.database) as connection:
        new = record.identify(connection)
    assert new.predecessors == [lost.record_id] and new.record_id != lost.record_id


def test_a_good_database_is_never_set_aside(used_home: Home) -> None:
    before = used_home.rows()
    assert used_home.devices("accept-new-database").code == 0
    assert used_home.rows() == before and (used_home.data / "readings.stored").exists()


def test_a_damaged_database_is_set_aside_whole(used_home: Home) -> None:
    damaged = b"no database" * 1000
    used_home.database.write_bytes(damaged)
    assert used_home.run().code == 2
    used_home.database.with_name("readings.db-wal").write_bytes(b"its wal")
    accepted = used_home.devices("accept-new-database")
    assert accepted.code == 0
    aside = {path.name.rpartition("Z")[2]: path for path in used_home.data.glob("readings.db.set-aside-*")}
    assert aside[""].read_bytes() == damaged and aside["-wal"].read_bytes() == b"its wal"
    assert all(str(path) in accepted.out for path in aside.values())
    assert used_home.run().code == 0 and waiting(used_home) == [5, 0]


def damage_pages(path: Path) -> None:
    """Leave the header whole, and nothing else."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def drop_a_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE readings DROP COLUMN temperature_raw")


@pytest.mark.parametrize("damage", [damage_pages, drop_a_column])
def test_damage_behind_a_whole_header_is_found(used_home: Home, damage: Callable[[Path], None]) -> None:
    damage(used_home.database)
    assert used_home.run().code == 2 and used_home.devices("accept-new-database").code == 0
    assert list(used_home.data.glob("readings.db.set-aside-*"))
    assert used_home.run().code == 0 and waiting(used_home) == [5, 0]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="it takes the command sqlite3")
@pytest.mark.parametrize("places", [{}, {"00:17:88:01:cc:75:00:01-02-0402": "Attic"}], ids=["", "configured"])
def test_names_and_offsets_are_lost_with_the_database_and_a_command_lists_them(
        used_home: Home, places: dict[str, str]) -> None:
    assert used_home.devices("set-name", "utility", "Larder").code == 0
    assert used_home.devices("set-offset", "larder", "-1.5").code == 0
    used_home.configure_hue(sensor_locations=places)
    drop_a_column(used_home.database)
    accepted = used_home.devices("accept-new-database")
    assert (str(used_home.config) in accepted.out) is bool(places)
    command, = re.findall(r"sqlite3 -readonly.*", accepted.out)
    devices = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    assert devices.startswith("device_id|") and "|Larder|" in devices and "|-1.5|" in devices
    used_home.wait_for_the_next_second()
    assert used_home.run().code == 0
    utility = next(row for row in used_home.rows() if row["device_id"].endswith("cc:75:00:01-02-0402"))
    assert (utility["name"], utility["location"]) == ("Utility", "Attic" if places else "Utility")
    assert utility["temperature_celsius"] == utility["temperature_raw"]


def test_copies_of_earlier_databases_are_listed(used_home: Home) -> None:
    """And the earlier program's file of names, which is read again."""
    names = used_home.config.with_name("device_registry.yaml")
    names.write_text("hue:00:17:88:01:cc:75:00:01-02-0402: {name: Larder}\n")
    used_home.database.rename(used_home.data / "readings.db.before-v1")
    accepted = used_home.devices("accept-new-database")
    assert f"sqlite3 -readonly -header {used_home.data / 'readings.db.before-v1'} " in accepted.out
    assert str(names) in accepted.out
    assert used_home.run().code == 0 and "Larder" in {row["name"] for row in used_home.rows()}


def test_nothing_is_lost_where_nothing_was_stored(home: Home) -> None:
    home.write_config()
    accepted = home.devices("accept-new-database")
    assert accepted.code == 0 and accepted.out.count("\n") == 1


def test_a_database_of_a_newer_program_is_not_set_aside(used_home: Home) -> None:
    with closing(sqlite3.connect(used_home.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert used_home.run().code == 2
    accepted = used_home.devices("accept-new-database")
    assert accepted.code == 2 and update_command() in accepted.err
    assert not list(used_home.data.glob("readings.db.set-aside-*")) and (used_home.data / "readings.stored").exists()


def test_a_refused_cycle_does_not_block_the_others(used_home: Home) -> None:
    """A person's own trigger refuses one: exit 2, and the others are stored."""
    with closing(sqlite3.connect(used_home.database)) as connection:
        connection.executescript("""
            CREATE TRIGGER nothing_old BEFORE INSERT ON collection_cycles WHEN NEW.spooled > 0 AND NEW.fetch_ms = 0
            BEGIN SELECT RAISE(ABORT, 'not in my house'); END
        """)
    for minute, fetch_ms in ((1, 7.0), (2, 0.0), (3, 7.0)):
        cycle = a_cycle(a_reading(at=at(minutes=minute)), at=at(minutes=minute), fetch_ms=fetch_ms)
        spool.append(used_home.data, cycle, 1.0)
    run = used_home.run()
    assert run.code == 2 and "2026-11-22T00:57:00" in run.err and "not in my house" in run.err
    assert waiting(used_home) == [0, 1, 1, 0] and spool.status(used_home.data).cycles == 1
    assert [row["timestamp"][14:16] for row in used_home.rows() if row["device_id"] == "hue:kitchen"] == ["56", "58"]
    with closing(sqlite3.connect(used_home.database)) as connection:
        connection.execute("DROP TRIGGER nothing_old")
    assert used_home.run().code == 0 and spool.status(used_home.data).cycles == 0
    assert not (used_home.data / ALERT).exists()


@pytest.mark.parametrize("nonsense", [{"requests": 2 ** 70}, {"started_at": datetime.min.replace(tzinfo=timezone.utc)}])
def test_a_cycle_that_no_database_can_hold_does_not_block_the_others(used_home: Home, nonsense: dict[str, Any]) -> None:
    """A later version may have written one."""
    spool.append(used_home.data, a_cycle(**{"at": at(minutes=1)} | nonsense), 1.0)
    spool.append(used_home.data, a_cycle(a_reading(at=at(minutes=2)), at=at(minutes=2)), 1.0)
    run = used_home.run()
    assert run.code == 2 and run.err.count("\n") == 1
    assert waiting(used_home) == [0, 1, 0] and (used_home.data / ALERT).exists()


def test_storing_readings_from_the_spool_sets_the_marker(used_home: Home, simulator: Simulator) -> None:
    """Also in a cycle without readings."""
    for path in (used_home.data / "readings.stored", used_home.config.with_name("record.id")):
        path.unlink()
    spool.append(used_home.data, a_cycle(a_reading(), at=at(minutes=1)), 1.0)
    simulator.faults.add("503")
    assert used_home.run().code == 1
    assert (used_home.data / "readings.stored").exists()


def test_more_than_a_hundred_cycles_are_stored_at_once(used_home: Home) -> None:
    for minute in range(120):
        spool.append(used_home.data, a_cycle(a_reading(at=at(minutes=minute)), at=at(minutes=minute)), 1.0)
    assert used_home.run().code == 0 and spool.status(used_home.data).cycles == 0
    assert waiting(used_home) == [0, *[1] * 120, 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_an_inaccessible_marker_costs_no_reading(shared_folder: Path, simulator: Simulator) -> None:
    """data/ is closed to cron's user, the database is elsewhere: exit 2, and cron mails the readings."""
    home = Home(shared_folder / "home")
    home.point_at(simulator)
    elsewhere = shared_folder / "elsewhere"
    elsewhere.mkdir()
    home.write_config(storage={"database_path": str(elsewhere / "readings.db")})
    for path in (home.folder, home.config.parent, home.config, home.secrets, elsewhere):
        os.chown(path, NOBODY, NOBODY)
    home.data.chmod(0o700)
    run = in_a_process(home.run, user=NOBODY)
    assert run.code == 2 and run.err.count("\n") == 1 and f"sudo chown {NOBODY}" in run.err
    assert len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
