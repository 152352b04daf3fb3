"""What becomes of readings when the database cannot take them, at the level of a whole cycle."""

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from jobs.job import NOTIFY_SECONDS
from runtime.files import locked
from runtime.formats import parse_time
from storage import manager, spool
from tests.home import Home
from tests.jobs.fake_source import degrees, source
from tests.simulator.server import Simulator
from tests.storage.samples import NOW, a_cycle, a_reading, at, in_a_process

ALERT = "ALERT_STORAGE_FAILING.txt"
NOBODY = 65534


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    """A home whose first cycle is stored, and whose later ones wait for a locked database for a tenth of a second."""
    home.point_at(simulator)
    home.write_config(storage={"busy_timeout_ms": 100})
    assert home.run().code == 0
    return home


@contextmanager
def held(home: Home) -> Iterator[None]:
    """Hold the database as another program may, for as long as the block runs."""
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_readings_wait_for_a_locked_database_and_the_next_cycle_stores_them(lived_in: Home) -> None:
    """Exit 1, told once in one line; then every reading once, under its own cycle's time."""
    with held(lived_in):
        first, second = (lived_in.run("--json") for _ in range(2))
    assert (first.code, second.code) == (1, 1)
    assert (first.json["stored"], first.json["spooled"], first.json["outcome"]) == (0, 5, "partial")
    assert "another process holds" in first.err and "; its 5 readings wait in the spool" in first.err
    assert first.err.count("\n") == 1 and second.err == ""
    assert spool.status(lived_in.data).readings == 10 and not (lived_in.data / ALERT).exists()
    last = lived_in.run("--json")
    assert (last.code, last.json["stored"], last.json["spooled"]) == (0, 5, 0)
    assert [row["spooled"] for row in lived_in.cycles()] == [0, 5, 5, 0]
    assert "10 readings of 2 cycles had waited in the spool" in lived_in.log()
    assert spool.status(lived_in.data).cycles == 0


def test_one_reading_that_waits_is_told_in_the_singular(lived_in: Home) -> None:
    with held(lived_in):
        run = lived_in.run(collector=source(degrees(20)))
    assert run.code == 1 and "; its 1 reading waits in the spool" in run.err
    lived_in.wait_for_the_next_second()
    assert lived_in.run(collector=source()).code == 0 and "1 reading of 1 cycle had waited" in lived_in.log()


def test_another_collectors_cycle_stores_what_waits(lived_in: Home, simulator: Simulator) -> None:
    """The spool is the house's, not a collector's: one that is broken for good does not keep its last readings."""
    cycle = a_cycle(a_reading("alexa:1", device_type="alexa_aqm"), collector="amazon_aqm")
    spool.append(lived_in.data, cycle, 55.5)
    assert lived_in.run().code == 0
    stored, = (row for row in lived_in.cycles() if row["collector"] == "amazon_aqm")
    assert (stored["started_at"], stored["spooled"], stored["duration_ms"]) == ("2026-11-22T00:55:00+00:00", 1, 55.5)
    row, = lived_in.rows("SELECT * FROM readings WHERE device_id = 'alexa:1'")
    assert row["location"] == "Kitchen" and row["created_at"] == row["timestamp"] == "2026-11-22T00:55:00+00:00"


def test_what_another_run_is_about_to_store_is_left_to_it(lived_in: Home) -> None:
    """Cron starts all collectors at once; whatever still waits when that run must have ended is stored."""
    now = parse_time(lived_in.rows()[0]["timestamp"])
    spool.append(lived_in.data, a_cycle(collector="amazon_aqm", at=now), 55.5)
    with freeze_time(now + timedelta(seconds=29)):
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 1
    with freeze_time(now + timedelta(seconds=30)):
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0


def test_what_a_dead_run_of_the_same_collector_left_is_stored_at_once(lived_in: Home) -> None:
    """Two never run at a time, so there is nobody else to store it; unless this run is the one that gives way."""
    now = parse_time(lived_in.rows()[0]["timestamp"])
    spool.append(lived_in.data, a_cycle(a_reading(at=now), at=now), 55.5)
    with freeze_time(now + timedelta(seconds=1)):
        with locked(lived_in.data / "hue.lock", 0):
            assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 1
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0


def test_readings_that_have_waited_for_a_day_ask_for_a_human(lived_in: Home) -> None:
    """A locked database is time's to mend, exit 1, until a day has passed; then an alert stands until all is stored."""
    now = parse_time(lived_in.rows()[0]["timestamp"])
    with held(lived_in):
        for hours, is_raised in ((1, False), (24.9, False), (25, True), (26, True)):
            with freeze_time(now + timedelta(hours=hours)):
                assert lived_in.run().code == 1
            assert (lived_in.data / ALERT).exists() == is_raised, hours
    alert = (lived_in.data / ALERT).read_text()
    assert "another process holds" in alert and "the first since " in alert
    assert f"remedy: see what holds the database (fuser -v {lived_in.database})" in alert and "occurrences: 2" in alert
    with freeze_time(now + timedelta(hours=27)):
        assert lived_in.run().code == 0
    assert not (lived_in.data / ALERT).exists() and len(lived_in.rows()) == 30


def test_waiting_for_the_database_leaves_time_for_the_alert_and_its_mail(
        lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it may be waited for, and however often: the watchdog is for runs that hang. No time passes here."""
    passed, monotonic = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(passed))
    monkeypatch.setattr(time, "sleep", passed.append)
    lived_in.write_config(collection={"cycle_deadline_seconds": 10}, storage={"busy_timeout_ms": 60_000},
                          retry={"base_delay_seconds": 0, "max_attempts": 10})
    with locked(manager.lock_path(lived_in.database), 0):
        assert lived_in.run().code == 1
    assert 4 < sum(passed) < 10 - NOTIFY_SECONDS - 0.5


def test_a_spool_that_is_half_full_asks_for_a_human(lived_in: Home) -> None:
    big = a_cycle(a_reading(raw_response="x" * 100_000))
    with held(lived_in):
        for count in range(6):
            assert not (lived_in.data / ALERT).exists()
            spool.append(lived_in.data, big, 1.0)
            with freeze_time(NOW + timedelta(minutes=count)):
                assert lived_in.run().code == 1
        assert "the spool is 58% full" in (lived_in.data / ALERT).read_text()


def test_a_full_spool_is_told_with_the_readings_as_a_last_resort(lived_in: Home) -> None:
    """Exit 2, the alert, and what could be kept nowhere stands in cron's mail; what waited is stored afterwards."""
    for _ in range(10):
        spool.append(lived_in.data, a_cycle(a_reading(raw_response="x" * 104_500)), 1.0)
    with held(lived_in):
        run = lived_in.run()
    assert run.code == 2 and "nor can readings wait for it: " in run.err and "has no room for" in run.err
    assert run.err.count("\n") == 1 and len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
    assert (lived_in.data / ALERT).exists()
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


def test_a_cycle_too_large_for_the_spool_is_stored_all_the_same(home: Home) -> None:
    """Thousands of sensors with all they said: the database takes them, and nobody needs to act."""
    with Simulator(sensors=1500) as simulator:
        home.point_at(simulator, collect_raw_response=True)
        run = home.run()
    assert (run.code, run.err) == (0, "") and len(home.rows()) > 1400 and "has no room for" in home.log()


def test_a_spool_that_cannot_be_written_needs_a_human_though_the_database_took_all(lived_in: Home) -> None:
    """The next trouble would cost readings."""
    for each in lived_in.data.glob("spool.journal"):
        each.unlink()
    (lived_in.data / "spool.journal").mkdir()
    run = lived_in.run("--json")
    assert run.code == 2 and run.json["stored"] == 5 and "spool.journal cannot be used: Is a directory" in run.err
    assert (lived_in.data / ALERT).exists()
    (lived_in.data / "spool.journal").rmdir()
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


def test_damage_to_the_spool_is_told_where_cron_mails_it(lived_in: Home) -> None:
    """Readings may be lost by it unless somebody looks, and no later cycle tells again."""
    spool.append(lived_in.data, a_cycle(a_reading()), 1.0)
    journal = lived_in.data / "spool.journal"
    journal.write_bytes(journal.read_bytes().replace(b"20.29", b"20.39", 1))
    first, second = lived_in.run(), lived_in.run()
    assert (first.code, second.code, second.err) == (0, 0, "") and first.err.count("\n") == 1
    assert f"1 damaged line of the spool set aside in {lived_in.data / 'spool.bad'}" in first.err
    assert spool.status(lived_in.data).set_aside > 0
    assert " CRITICAL hue cycle 1 damaged line of the spool" in lived_in.log()


@pytest.mark.alone
def test_a_spool_that_another_process_holds_is_told_and_passed_by(lived_in: Home) -> None:
    """The database takes the cycle's own readings; what waits has to wait on, which is no success."""
    spool.append(lived_in.data, a_cycle(a_reading(), at=at(days=-30)), 1.0)
    with locked(lived_in.data / "spool.journal.lock", 0):
        run = lived_in.run("--json")
    assert run.code == 1 and run.json["stored"] == 5 and "spool.journal.lock" in run.err
    assert run.json["duration_ms"] < 4000 and (lived_in.data / ALERT).exists(), "it has waited for over a day"
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to mount a disk")
def test_no_room_for_the_spool_needs_a_human_though_the_database_took_all(home: Home, simulator: Simulator) -> None:
    """A disk that was full before the spool could be made, and a database on another one."""
    home.point_at(simulator)
    home.write_config(storage={"database_path": str(home.folder / "elsewhere" / "readings.db")})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", home.data], check=True)
    try:
        with suppress(OSError):
            (home.data / "filling").write_bytes(bytes(100_000))
        run = home.run("--json")
        assert run.code == 2 and run.json["stored"] == 5 and "No space left on device" in run.err
        assert run.err.count("\n") == 1 and "Remedy: " in run.err and "df -h" in run.err
        (home.data / "filling").unlink()
        assert home.run().code == 0, "what room there is will do"
    finally:
        subprocess.run(["umount", home.data], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_data_folder_that_is_not_ours_costs_no_reading(shared_folder: Path, simulator: Simulator) -> None:
    """No lock, no spool, no database: the source is asked all the same, and the readings stand in cron's mail."""
    home = Home(shared_folder / "home")
    home.point_at(simulator)
    for each in (home.folder, home.config.parent, home.config, home.secrets, home.data):
        os.chown(each, NOBODY, NOBODY)
    os.chown(home.data, 0, 0)
    run = in_a_process(home.run, user=NOBODY)
    assert run.code == 2 and run.err.count("\n") == 1 and f"sudo chown {NOBODY}" in run.err
    assert len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
    os.chown(home.data, NOBODY, NOBODY)
    assert in_a_process(home.run, user=NOBODY).code == 0
