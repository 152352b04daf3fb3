"""Readings that the database cannot take, in whole cycles."""

import json
import os
import re
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
from tests.jobs.fake_source import at as at_hour
from tests.jobs.fake_source import degrees, source
from tests.simulator.server import Simulator
from tests.storage.samples import NOW, a_cycle, a_reading, at, in_a_process

ALERT = "ALERT_STORAGE_FAILING.txt"
NOBODY = 65534


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    """A home with one stored cycle, whose later ones wait a tenth of a second for a locked database."""
    home.point_at(simulator)
    home.write_config(storage={"busy_timeout_ms": 100})
    assert home.run().code == 0
    return home


@contextmanager
def held(home: Home) -> Iterator[None]:
    """Lock the database as another program may."""
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_readings_wait_for_a_locked_database_and_the_next_cycle_stores_them(lived_in: Home) -> None:
    """FR-005."""
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


def test_the_next_cycle_that_can_store_records_why_the_last_one_could_not(lived_in: Home) -> None:
    """Row and events are as they would be had the database taken them, also after a kill left the cycle waiting twice."""
    lived_in.write_config(retry={"base_delay_seconds": 0})
    with held(lived_in):
        assert lived_in.run().code == 1
    [waiting] = spool.pending(lived_in.data)
    spool.append(lived_in.data, waiting.cycle._replace(outcome="ok", error=None, retries=()), 1.0)
    assert lived_in.run().code == 0
    assert [(row["attempt"], row["outcome"], row["error_type"], row["endpoint"]) for row in lived_in.rows(
        "SELECT * FROM retry_events ORDER BY id")] == [
            (1, "retrying", "Busy", "readings.db"), (2, "retrying", "Busy", "readings.db"),
            (3, "exhausted", "Busy", "readings.db")]
    _, row, _ = lived_in.cycles()
    assert (row["outcome"], row["retries"], row["stored"], row["spooled"], row["error_type"]) == ("partial", 2, 5, 5, "Busy")
    assert "another process holds" in row["error"]


def test_another_collectors_cycle_stores_what_waits(lived_in: Home, simulator: Simulator) -> None:
    cycle = a_cycle(a_reading("alexa:1", device_type="alexa_aqm"), collector="amazon_aqm")
    spool.append(lived_in.data, cycle, 55.5)
    assert lived_in.run().code == 0
    stored, = (row for row in lived_in.cycles() if row["collector"] == "amazon_aqm")
    assert (stored["started_at"], stored["spooled"], stored["duration_ms"]) == ("2026-11-22T00:55:00+00:00", 1, 55.5)
    row, = lived_in.rows("SELECT * FROM readings WHERE device_id = 'alexa:1'")
    assert row["location"] == "Kitchen" and row["created_at"] == row["timestamp"] == "2026-11-22T00:55:00+00:00"


def test_a_cycle_that_another_run_may_be_storing_is_left_to_it(lived_in: Home) -> None:
    """Cron starts all collectors at once; the cycle is stored when that run must have ended."""
    now = parse_time(lived_in.rows()[0]["timestamp"])
    spool.append(lived_in.data, a_cycle(collector="amazon_aqm", at=now), 55.5)
    with freeze_time(now + timedelta(seconds=29)):
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 1
    with freeze_time(now + timedelta(seconds=30)):
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0


def test_a_cycle_of_a_dead_run_of_the_same_collector_is_stored_at_once(lived_in: Home) -> None:
    """Two never run at a time, so no other run can be storing it; unless this run is the one that gives way."""
    now = parse_time(lived_in.rows()[0]["timestamp"])
    spool.append(lived_in.data, a_cycle(a_reading(at=now), at=now), 55.5)
    with freeze_time(now + timedelta(seconds=1)):
        with locked(lived_in.data / "hue.lock", 0):
            assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 1
        assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0


def test_readings_that_have_waited_for_a_day_ask_for_a_human(lived_in: Home) -> None:
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
    """However long and often it waits: the watchdog is for runs that hang. No time passes here."""
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
        assert re.search("the spool is 5.% full", (lived_in.data / ALERT).read_text())


def test_a_full_spool_prints_the_readings_as_a_last_resort(lived_in: Home) -> None:
    for _ in range(10):
        spool.append(lived_in.data, a_cycle(a_reading(raw_response="x" * 104_500)), 1.0)
    with held(lived_in):
        run = lived_in.run()
    assert run.code == 2 and "nor can readings wait for it: " in run.err and "has no room for" in run.err
    assert run.err.count("\n") == 1 and len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
    assert (lived_in.data / ALERT).exists()
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


def test_a_cycle_too_large_for_the_spool_is_stored_all_the_same(home: Home) -> None:
    with Simulator(sensors=1500) as simulator:
        home.point_at(simulator, collect_raw_response=True)
        run = home.run()
    assert (run.code, run.err) == (0, "") and len(home.rows()) > 1400 and "has no room for" in home.log()


def test_a_spool_that_cannot_be_written_needs_a_human_though_the_database_took_all(lived_in: Home) -> None:
    (lived_in.data / "spool.journal").unlink()
    (lived_in.data / "spool.journal").mkdir()
    run = lived_in.run("--json")
    assert run.code == 2 and run.json["stored"] == 5 and "spool.journal cannot be used: Is a directory" in run.err
    assert (lived_in.data / ALERT).exists()
    (lived_in.data / "spool.journal").rmdir()
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


def test_damage_to_the_spool_is_printed(lived_in: Home) -> None:
    spool.append(lived_in.data, a_cycle(a_reading()), 1.0)
    journal = lived_in.data / "spool.journal"
    journal.write_bytes(journal.read_bytes().replace(b"20.29", b"20.39", 1))
    first, second = lived_in.run(), lived_in.run()
    assert (first.code, second.code, second.err) == (0, 0, "") and first.err.count("\n") == 1
    assert f"1 damaged line of the spool set aside in {lived_in.data / 'spool.bad'}" in first.err
    assert spool.status(lived_in.data).set_aside > 0
    assert " CRITICAL hue cycle 1 damaged line of the spool" in lived_in.log()


@pytest.mark.parametrize("how, still_waiting", [("ABORT", 1), ("ROLLBACK", 2)])
def test_a_cycle_that_the_database_refuses_waits_in_the_spool(lived_in: Home, how: str, still_waiting: int) -> None:
    """The owner's trigger refuses it: exit 2 with its message; another cycle is stored, unless all is rolled back."""
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute(f"""
            CREATE TRIGGER nothing_new BEFORE INSERT ON collection_cycles WHEN NEW.requests > 0
            BEGIN SELECT RAISE({how}, 'not in my house'); END
        """)
    spool.append(lived_in.data, a_cycle(a_reading()), 1.0)
    run = lived_in.run("--json")
    assert run.code == 2 and "not in my house" in run.err and (run.json["stored"], run.json["spooled"]) == (0, 5)
    assert spool.status(lived_in.data).cycles == still_waiting and (lived_in.data / ALERT).exists()
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("DROP TRIGGER nothing_new")
    assert lived_in.run().code == 0 and spool.status(lived_in.data).cycles == 0 and len(lived_in.cycles()) == 4


def test_a_spool_that_another_process_holds_is_reported_and_passed_by(lived_in: Home) -> None:
    spool.append(lived_in.data, a_cycle(a_reading(), at=at(days=-30)), 1.0)
    with locked(lived_in.data / "spool.journal.lock", 0):
        run = lived_in.run("--json")
    assert run.code == 1 and run.json["stored"] == 5 and "spool.journal.lock" in run.err
    assert (lived_in.data / ALERT).exists(), "a cycle has waited for over a day"
    assert lived_in.run().code == 0 and not (lived_in.data / ALERT).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to mount a disk")
def test_no_room_for_the_spool_needs_a_human_though_the_database_took_all(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    home.write_config(storage={"database_path": str(home.folder / "elsewhere" / "readings.db")})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", home.data], check=True)
    try:
        with suppress(OSError):
            (home.data / "filling").write_bytes(bytes(100_000))
        run = home.run("--json")
        assert run.code == 2 and run.json["stored"] == 5 and "No space left on device" in run.err
        assert run.err.count("\n") == 1 and "Remedy: " in run.err and "du -ax" in run.err
        (home.data / "filling").unlink()
        assert home.run().code == 0, "the room there is suffices"
    finally:
        subprocess.run(["umount", home.data], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_data_folder_that_is_not_ours_costs_no_reading(shared_folder: Path, simulator: Simulator) -> None:
    home = Home(shared_folder / "home")
    home.point_at(simulator)
    for path in (home.folder, home.config.parent, home.config, home.secrets, home.data):
        os.chown(path, NOBODY, NOBODY)
    os.chown(home.data, 0, 0)
    run = in_a_process(home.run, user=NOBODY)
    assert run.code == 2 and run.err.count("\n") == 1 and f"sudo chown {NOBODY}" in run.err
    assert len(json.loads(run.err.split("not stored: ", 1)[1])) == 5
    os.chown(home.data, NOBODY, NOBODY)
    assert in_a_process(home.run, user=NOBODY).code == 0


def test_a_number_that_no_column_holds_stops_no_other_cycle(lived_in: Home) -> None:
    spool.append(lived_in.data, a_cycle(a_reading(), payload_bytes=2 ** 70), 1.0)
    spool.append(lived_in.data, a_cycle(a_reading(at=at(minutes=5)), at=at(minutes=5)), 1.0)
    run = lived_in.run("--json")
    assert run.json["stored"] == 5 and spool.status(lived_in.data).cycles == 1
    assert "2026-11-22T01:00:00+00:00" in [row["timestamp"] for row in lived_in.rows()]


def test_the_newest_cycle_may_wait_in_the_spool(written: Home) -> None:
    """A clock behind it is reported, though it is ahead of the newest stored one."""
    with at_hour(2):
        assert written.run(collector=source(degrees(20))).err == ""
    spool.append(written.data, a_cycle(a_reading(), at=NOW + timedelta(hours=3)), 1.0)
    with at_hour(2.5):
        assert "behind the newest stored cycle" in written.run(collector=source(degrees(20))).err
