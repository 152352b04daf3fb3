"""A database that is gone or damaged is replaced by a fresh one only when a human says so."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from storage import spool
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading, at, in_a_process

ALERT = "ALERT_STORAGE_FAILING.txt"
NOBODY = 65534


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    """A home whose first cycle is stored."""
    home.point_at(simulator)
    assert home.run().code == 0 and (home.data / "readings.stored").exists()
    return home


def waiting(home: Home) -> list[int]:
    """Return of each stored cycle how many of its readings had waited in the spool."""
    return [row["spooled"] for row in home.cycles()]


def remove(home: Home) -> None:
    for end in ("", "-wal", "-shm"):
        home.database.with_name(home.database.name + end).unlink(missing_ok=True)


def test_a_cycle_without_readings_marks_nothing(home: Home, simulator: Simulator) -> None:
    """Nothing is lost with a database that never held a reading."""
    home.point_at(simulator)
    simulator.faults.add("503")
    assert home.run().code == 1 and not (home.data / "readings.stored").exists()
    remove(home)
    assert home.run().code == 1 and home.database.exists()


@pytest.mark.parametrize("how", ["deleted", "emptied", "its folder unmounted"])
def test_a_database_that_is_gone_is_not_replaced_in_silence(lived_in: Home, how: str) -> None:
    """Exit 2, the alert says what to do, the readings wait; when it is back they are stored."""
    aside = lived_in.folder / "aside.db"
    if how == "its folder unmounted":
        mount = lived_in.folder / "mount"
        lived_in.write_config(storage={"database_path": str(mount / "readings.db")})
    else:
        lived_in.database.rename(aside)
        if how == "emptied":
            lived_in.database.touch()
    for _ in range(2):
        run = lived_in.run()
        assert run.code == 2
    alert = (lived_in.data / ALERT).read_text()
    assert " is gone, though readings were stored in it" in alert and "occurrences: 2" in alert
    assert "remedy: bring it back" in alert and "python devices.py accept-new-database" in alert
    if how == "its folder unmounted":
        assert not (mount / "readings.db").exists()
        lived_in.write_config(storage={})
    else:
        assert (lived_in.database.stat().st_size == 0) if how == "emptied" else not lived_in.database.exists()
        aside.rename(lived_in.database)
    assert lived_in.run().code == 0
    assert waiting(lived_in) == [0, 5, 5, 0] and not (lived_in.data / ALERT).exists()


def test_accepting_a_new_database_brings_one_with_all_that_waited(lived_in: Home) -> None:
    """The remedy of the alert, carried out as it stands there."""
    remove(lived_in)
    assert lived_in.run().code == 2
    accepted = lived_in.devices("accept-new-database")
    assert (accepted.code, accepted.err) == (0, "") and "The next cycle makes a new database" in accepted.out
    assert not lived_in.database.exists()
    assert lived_in.run().code == 0 and waiting(lived_in) == [5, 0]
    assert (lived_in.data / "readings.stored").exists() and not (lived_in.data / ALERT).exists()


def test_a_good_database_is_never_set_aside(lived_in: Home) -> None:
    """Nor is it forgotten that it holds readings."""
    before = lived_in.rows()
    accepted = lived_in.devices("accept-new-database")
    assert accepted.code == 0 and "is in order, and stays" in accepted.out
    assert lived_in.rows() == before and (lived_in.data / "readings.stored").exists()


def test_a_damaged_database_is_set_aside_whole(lived_in: Home) -> None:
    """What can still be read of it is there for those who know how."""
    damaged = b"no database" * 1000
    lived_in.database.write_bytes(damaged)
    assert lived_in.run().code == 2
    lived_in.database.with_name("readings.db-wal").write_bytes(b"its wal")
    accepted = lived_in.devices("accept-new-database")
    assert accepted.code == 0
    aside = {each.name.rpartition("Z")[2]: each for each in lived_in.data.glob("readings.db.set-aside-*")}
    assert aside[""].read_bytes() == damaged and aside["-wal"].read_bytes() == b"its wal"
    assert all(f"Set aside: {each}" in accepted.out for each in aside.values())
    assert lived_in.run().code == 0 and waiting(lived_in) == [5, 0]


def test_a_page_damaged_within_is_found_and_set_aside(lived_in: Home) -> None:
    """The header is whole, the readings are not."""
    content = bytearray(lived_in.database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    lived_in.database.write_bytes(content)
    assert lived_in.run().code == 2 and lived_in.devices("accept-new-database").code == 0
    assert lived_in.run().code == 0 and waiting(lived_in)[-1] == 0


def test_a_database_of_another_form_is_set_aside(lived_in: Home) -> None:
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("ALTER TABLE readings DROP COLUMN temperature_raw")
    assert lived_in.run().code == 2
    accepted = lived_in.devices("accept-new-database")
    assert accepted.code == 0 and "Set aside: " in accepted.out
    assert lived_in.run().code == 0 and waiting(lived_in) == [5, 0]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="it takes the command sqlite3")
@pytest.mark.parametrize("places", [{}, {"00:17:88:01:cc:75:00:01-02-0402": "Attic"}], ids=["", "configured"])
def test_what_people_have_set_is_to_be_set_anew_and_the_old_database_may_tell_it(
        lived_in: Home, places: dict[str, str]) -> None:
    """The command that is shown is carried out; what config.yaml says holds without anybody's help."""
    assert lived_in.devices("set-name", "utility", "Larder").code == 0
    assert lived_in.devices("set-offset", "larder", "-1.5").code == 0
    lived_in.configure_hue(sensor_locations=places)
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("ALTER TABLE readings DROP COLUMN temperature_raw")
    accepted = lived_in.devices("accept-new-database")
    assert "Names, places and offsets that were set with devices.py stood in the old one: set them anew" in accepted.out
    assert (f"Places that stand in {lived_in.config} hold as before." in accepted.out) is bool(places)
    asked = re.findall(r"They may still be found here: (.*)", accepted.out)
    told = [subprocess.run(each, shell=True, capture_output=True, text=True, check=True).stdout for each in asked]
    assert len(told) == 1 and "|Larder|" in told[0] and "|-1.5|" in told[0] and told[0].startswith("device_id|")
    lived_in.wait_for_the_next_second()
    assert lived_in.run().code == 0
    utility = next(row for row in lived_in.rows() if row["device_id"].endswith("cc:75:00:01-02-0402"))
    assert (utility["name"], utility["location"]) == ("Utility", "Attic" if places else "Utility")
    assert utility["temperature_celsius"] == utility["temperature_raw"]


def test_of_a_database_that_is_gone_the_copies_of_earlier_ones_are_told(lived_in: Home) -> None:
    """And the names that the predecessor's file has, which are taken over again."""
    names = lived_in.config.with_name("device_registry.yaml")
    names.write_text("hue:00:17:88:01:cc:75:00:01-02-0402: {name: Larder}\n")
    lived_in.database.rename(lived_in.data / "readings.db.before-v1")
    accepted = lived_in.devices("accept-new-database")
    assert f"sqlite3 -readonly -header {lived_in.data / 'readings.db.before-v1'} " in accepted.out
    assert f"Names and places that stand in {names} are taken over again." in accepted.out
    assert lived_in.run().code == 0 and "Larder" in {row["name"] for row in lived_in.rows()}


def test_where_nothing_was_ever_stored_nothing_is_to_be_set_anew(home: Home) -> None:
    home.write_config()
    accepted = home.devices("accept-new-database")
    assert accepted.code == 0 and accepted.out.count("\n") == 1 and "makes a new database" in accepted.out


def test_a_database_of_a_newer_program_is_not_set_aside(lived_in: Home) -> None:
    """It is in order; this program is what is old."""
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert lived_in.run().code == 2
    accepted = lived_in.devices("accept-new-database")
    assert accepted.code == 2 and "newer version" in accepted.err and "git pull" in accepted.err
    assert not list(lived_in.data.glob("readings.db.set-aside-*")) and (lived_in.data / "readings.stored").exists()


def test_one_refused_cycle_keeps_no_other_one_waiting(lived_in: Home) -> None:
    """A rule of the person's own in the database refuses one that waits: the others are stored, a human is told."""
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.executescript("""
            CREATE TRIGGER nothing_old BEFORE INSERT ON collection_cycles WHEN NEW.spooled > 0 AND NEW.fetch_ms = 0
            BEGIN SELECT RAISE(ABORT, 'not in my house'); END
        """)
    for minute, fetch_ms in ((1, 7.0), (2, 0.0), (3, 7.0)):
        spool.append(lived_in.data, a_cycle(a_reading(at=at(minutes=minute)), at=at(minutes=minute), fetch_ms=fetch_ms),
                     1.0)
    run = lived_in.run()
    assert run.code == 2 and "refuses the cycle of hue of 2026-11-22T00:57:00" in run.err
    assert "not in my house" in run.err
    assert waiting(lived_in) == [0, 1, 1, 0] and spool.status(lived_in.data).cycles == 1
    assert [row["timestamp"][14:16] for row in lived_in.rows() if row["device_id"] == "hue:kitchen"] == ["56", "58"]
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("DROP TRIGGER nothing_old")
    assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0
    assert not (lived_in.data / ALERT).exists()


@pytest.mark.parametrize("nonsense", [{"requests": 2 ** 70}, {"started_at": datetime.min.replace(tzinfo=timezone.utc)}])
def test_a_cycle_that_no_database_can_hold_keeps_no_other_one_waiting(
        lived_in: Home, nonsense: dict[str, Any]) -> None:
    """Today's program writes none such; a later one may have."""
    spool.append(lived_in.data, a_cycle(**{"at": at(minutes=1)} | nonsense), 1.0)
    spool.append(lived_in.data, a_cycle(a_reading(at=at(minutes=2)), at=at(minutes=2)), 1.0)
    run = lived_in.run()
    assert run.code == 2 and "the database refuses the cycle of hue" in run.err and run.err.count("\n") == 1
    assert waiting(lived_in) == [0, 1, 0] and (lived_in.data / ALERT).exists()


def test_readings_that_had_waited_are_marked_as_stored_too(lived_in: Home, simulator: Simulator) -> None:
    """Also by a cycle that brings none of its own."""
    (lived_in.data / "readings.stored").unlink()
    spool.append(lived_in.data, a_cycle(a_reading(), at=at(minutes=1)), 1.0)
    simulator.faults.add("503")
    assert lived_in.run().code == 1
    assert (lived_in.data / "readings.stored").exists()


def test_more_than_a_hundred_cycles_are_stored_at_once(lived_in: Home) -> None:
    for minute in range(120):
        spool.append(lived_in.data, a_cycle(a_reading(at=at(minutes=minute)), at=at(minutes=minute)), 1.0)
    assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0
    assert waiting(lived_in) == [0, *[1] * 120, 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_marker_that_cannot_be_looked_at_costs_no_reading(shared_folder: Path, simulator: Simulator) -> None:
    """data/ is closed to the user of cron, the database is elsewhere: exit 2, and the readings stand in cron's mail."""
    home = Home(shared_folder / "home")
    home.point_at(simulator)
    elsewhere = shared_folder / "elsewhere"
    elsewhere.mkdir()
    home.write_config(storage={"database_path": str(elsewhere / "readings.db")})
    for each in (home.folder, home.config.parent, home.config, home.secrets, elsewhere):
        os.chown(each, NOBODY, NOBODY)
    home.data.chmod(0o700)
    run = in_a_process(home.run, user=NOBODY)
    assert run.code == 2 and run.err.count("\n") == 1 and f"sudo chown {NOBODY}" in run.err
    assert len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
