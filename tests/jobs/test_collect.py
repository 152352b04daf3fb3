"""One cycle from configuration to exit code: the rows and the exit code, whatever happens."""

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from freezegun import freeze_time

from runtime.errors import CannotReach, NotAuthorised, NotUnderstood, Throttled
from runtime.files import locked
from storage import spool
from storage.reading import Reading, Sighting
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.simulator.server import Simulator


def test_a_cycle_stores_one_row_per_sensor_and_prints_nothing_under_cron(home: Home, simulator: Simulator) -> None:
    """What the bridge measured is in the database, with name and place; cron has nothing to mail."""
    home.point_at(simulator)
    outcome = home.run()
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    rows = home.rows()
    assert len(rows) == 5 and all(row["name"] and row["location"] for row in rows)
    assert len({row["timestamp"] for row in rows}) == 1


def test_every_stored_temperature_is_the_houses_own(home: Home, simulator: Simulator) -> None:
    """Never store a false one: each value is the true temperature when the sensor measured it."""
    home.point_at(simulator)
    home.run()
    for row in home.rows():
        unique_id = row["device_id"].removeprefix("hue:")
        measured = datetime.fromisoformat(row["measured_at"])
        assert row["temperature_celsius"] == pytest.approx(simulator.house.truth(unique_id, measured), abs=0.006)


def test_the_clock_is_read_once_so_all_rows_of_a_cycle_have_one_time(written: Home) -> None:
    with freeze_time("2026-11-22T00:55:00.7Z", auto_tick_seconds=1.1):
        written.run(collector=source(degrees(20), degrees(21, "made_up:2")))
    times = {row["timestamp"] for row in written.rows()} | {row["created_at"] for row in written.rows()}
    assert len(written.rows()) == 2 and times == {written.cycles()[0]["started_at"]}
    assert times.pop().endswith("+00:00")


def test_a_clock_set_back_moves_the_cycle_on_to_the_next_free_second(written: Home) -> None:
    for celsius in (20, 21):
        with freeze_time("2026-11-22T00:55:00Z"):
            assert written.run(collector=source(degrees(celsius))).code == 0
    assert [(row["timestamp"][-14:-6], row["temperature_celsius"]) for row in written.rows()] == [
        ("00:55:00", 20), ("00:55:01", 21)]


def test_the_row_of_a_cycle_holds_what_it_cost(home: Home, simulator: Simulator) -> None:
    """FR-033: bytes on the wire and fetch time are stored for each cycle."""
    home.point_at(simulator)
    home.run()
    row = home.cycles()[0]
    assert (row["collector"], row["outcome"], row["readings"], row["stored"], row["requests"]) == ("hue", "ok", 5, 5, 1)
    assert 5_000 < row["payload_bytes"] < 20_000 and 0 < row["fetch_ms"] <= row["duration_ms"]


def test_a_dry_run_takes_no_lock(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    with locked(home.data / "hue.lock", 0):
        assert home.run("--dry-run").out.count("°C") == 5


def test_a_disabled_collector_does_nothing_and_all_is_well(written: Home) -> None:
    written.write_config(collectors={"made_up": {"enabled": False}})
    outcome = written.run(collector=source(degrees(20)))
    assert (outcome.code, outcome.err, written.rows()) == (0, "", [])


def test_a_second_run_leaves_the_cycle_to_the_first(written: Home) -> None:
    """Exit 0, nothing printed, and a row for the skipped cycle."""
    with locked(written.data / "made_up.lock", 0):
        outcome = written.run(collector=source(degrees(20)))
    assert (outcome.code, outcome.out + outcome.err) == (0, "")
    assert [row["outcome"] for row in written.cycles()] == ["skipped"] and written.rows() == []


@pytest.mark.parametrize(("error", "code", "outcome"), [
    (CannotReach("away"), 1, "unreachable"),
    (Throttled("slower"), 1, "throttled"),
    (NotUnderstood("what"), 1, "not_understood"),
    (NotAuthorised("no", "pair again"), 2, "not_authorised"),
    (KeyError("a mistake of ours"), 1, "not_understood"),
])
def test_each_error_has_its_exit_code_and_its_outcome(written: Home, error: Exception, code: int, outcome: str) -> None:
    run = written.run(collector=source(error))
    row = written.cycles()[0]
    assert (run.code, row["outcome"], row["error_type"]) == (code, outcome, type(error).__name__)
    assert run.err.count("\n") == 1 and run.err.startswith("made_up: ")


@pytest.mark.parametrize("error", [CannotReach("away"), ZeroDivisionError("a mistake of ours")])
def test_what_was_read_before_an_error_is_stored(written: Home, error: Exception) -> None:
    """Never lose a reading: a source that fails half-way still counts for its first half."""
    assert written.run(collector=source(degrees(20), error)).code == 1
    assert len(written.rows()) == 1 and written.cycles()[0]["outcome"] == "partial"
    assert isinstance(error, CannotReach) or "CRITICAL" in written.log() and "ZeroDivisionError" in written.log()


def test_a_missing_configuration_needs_a_human(home: Home) -> None:
    run = home.run()
    assert run.code == 2 and str(home.config) in run.err and "Remedy: " in run.err and run.err.count("\n") == 1


def test_a_database_that_is_held_costs_a_retry_and_no_reading(home: Home, simulator: Simulator) -> None:
    """FR-003, SC-002, US1-2: another program holds the database for a moment; the cycle waits and stores."""
    home.point_at(simulator)
    home.write_config(storage={"busy_timeout_ms": 100}, retry={"base_delay_seconds": 0.1, "max_attempts": 9})
    with at(0):
        home.run()
    hold = subprocess.Popen(["python3", "-c", (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK'); c.close()"),
        str(home.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert hold.stdin is not None and hold.stdout is not None and hold.stdout.readline() == b"held\n"

    def release_at_the_first_retry() -> None:
        with suppress(AssertionError):
            wait_for(lambda: "failed (attempt 1" in home.log())
        hold.communicate()
    releasing = threading.Thread(target=release_at_the_first_retry)
    releasing.start()
    code = home.run().code
    releasing.join()
    assert code == 0
    assert len(home.rows()) == 10
    *failed, recovered = home.rows("SELECT * FROM retry_events ORDER BY id")
    assert {row["outcome"] for row in failed} == {"retrying"} and home.cycles()[-1]["retries"] == len(failed)
    assert (recovered["outcome"], recovered["attempt"]) == ("recovered", len(failed) + 1)


def test_a_file_that_is_not_a_database_needs_a_human_and_the_readings_wait(home: Home, simulator: Simulator) -> None:
    """Exit 2 with the remedy in one line, the file left as it is, the readings stored once there is a database."""
    home.point_at(simulator)
    home.database.write_bytes(b"this is no database at all" * 100)
    run = home.run()
    assert run.code == 2 and run.err.count("\n") == 1
    assert "5 readings wait in the spool. Remedy: restore a backup: " in run.err
    assert home.database.read_bytes().startswith(b"this is no database")
    home.database.unlink()
    assert home.run().code == 0 and [(row["readings"], row["spooled"]) for row in home.cycles()] == [(5, 5), (5, 0)]


def test_readings_that_cannot_be_saved_are_printed_as_a_last_resort(home: Home, simulator: Simulator) -> None:
    """Neither database nor spool: exit 2 with the remedy, and the readings stand in what cron mails."""
    home.point_at(simulator)
    home.database.write_bytes(b"this is no database at all" * 100)
    (home.data / "spool.journal").mkdir()
    run = home.run()
    assert run.code == 2 and "Remedy: " in run.err and "spool.journal cannot be used: Is a directory" in run.err
    assert run.err.count("\n") == 1 and len(json.loads(run.err.split("not stored: ", 1)[1])) == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_cycle_cleanly(home: Home, simulator: Simulator, number: int, code: int) -> None:
    """Nothing half-stored, the lock free, the exit code that of the signal, and a line in the log."""
    home.point_at(simulator)
    simulator.faults.add("silence", seconds=20)
    process = subprocess.Popen(home.command(), stderr=subprocess.PIPE, cwd=os.getcwd())
    wait_for(lambda: bool(simulator.requests))
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (code, b"") and " WARNING hue job interrupted" in home.log()
    simulator.faults.clear()
    assert home.run().code == 0 and len(home.rows()) == 5


def test_retries_become_lines_in_the_log_and_rows(home: Home, simulator: Simulator) -> None:
    """FR-004, SC-007: operation, endpoint, attempt, delay, error and outcome, in both places."""
    home.point_at(simulator)
    simulator.faults.add("503", times=2)
    assert home.run().code == 0
    events = home.rows("SELECT * FROM retry_events ORDER BY id")
    assert [(row["attempt"], row["outcome"]) for row in events] == [(1, "retrying"), (2, "retrying"), (3, "recovered")]
    assert {(row["operation"], row["endpoint"], row["error_type"]) for row in events} == {
        ("fetch", "/sensors", "BadAnswer")}
    assert home.cycles()[0]["retries"] == 2
    assert home.log().count(" WARNING hue persist fetch at /sensors failed (attempt ") == 2
    assert "fetch at /sensors succeeded at attempt 3" in home.log()


def test_exhausted_retries_are_logged_with_attempts_and_time(home: Home, simulator: Simulator) -> None:
    """FR-010."""
    home.point_at(simulator)
    simulator.faults.add("reset")
    simulator.faults.add("reset", face="discovery")
    assert home.run().code == 1
    assert " ERROR hue persist fetch at /sensors given up after 3 attempts in " in home.log()


def test_a_run_does_not_care_about_the_current_directory_for_its_data(home: Home, simulator: Simulator) -> None:
    """Relative paths resolve against the folder above the one that holds config.yaml."""
    home.point_at(simulator)
    home.write_config(storage={"database_path": "data/here.db"}, logging={"log_file_path": "data/logs/there.log"})
    assert home.process().code == 0
    assert (home.data / "here.db").exists() and (home.data / "logs" / "there.log").exists()


def wait_for(condition: Any, seconds: float = 10) -> None:
    """Wait until a condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.mark.parametrize("values", [{"temperature_celsius": float("inf")}, {"model_info": {"a": 1}}, {"battery_level": []}])
def test_an_item_that_cannot_be_stored_costs_only_itself(written: Home, values: dict[str, Any]) -> None:
    """The readings before and after it are stored, and the next cycle meets nothing of it."""

    def bad(now: datetime) -> Any:
        if "model_info" in values:
            return Sighting(device_id="fake:2", device_type="thing", **values)
        return Reading(timestamp=now, device_id="fake:2", device_type="thing", **values)
    run = written.run(collector=source(degrees(20.1), bad, degrees(20.3, "fake:3")))
    assert run.code == 1 and "fake:2" in run.err
    assert [row["temperature_celsius"] for row in written.rows()] == [20.1, 20.3]
    written.wait_for_the_next_second()
    assert written.run(collector=source(degrees(20.2))).code == 0 and len(written.rows()) == 3


def test_a_bug_after_collecting_costs_no_reading(written: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cycle waits in the spool, and the next one stores it."""
    append, failures = spool.append, [TypeError("a bug")]

    def append_later(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return append(*arguments)
    monkeypatch.setattr(spool, "append", append_later)
    run = written.run(collector=source(degrees(20.1)))
    assert run.code == 1 and "a bug" in run.err and written.rows() == []
    written.wait_for_the_next_second()
    assert written.run(collector=source(degrees(20.2))).code == 0
    assert sorted(row["temperature_celsius"] for row in written.rows()) == [20.1, 20.2]
