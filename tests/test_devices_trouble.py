"""devices.py with an unusable database: a sentence, the remedy, the exit code; and nothing is lost."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest

from runtime.commands import update_command
from runtime.files import locked
from storage import manager, spool
from tests.checkout import CHECKOUT, needs_public_checkout
from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, at, in_a_process, rows, store

READING = (["list"], ["list", "--json"], ["gaps"], ["gaps", "--json"])
CHANGING = (["set-name", "kitchen", "Larder"], ["amend-name", "kitchen", "Larder", "--recursive"],
            ["set-location", "kitchen", "Cellar", "--recursive"], ["set-offset", "kitchen", "-1"],
            ["forget", "kitchen"], ["forget", "kitchen", "--delete-history"], ["migrate"])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def stored(home: Home) -> Home:
    home.write_config(storage={"busy_timeout_ms": 50}, retry={"max_attempts": 3, "base_delay_seconds": 0})
    store(home.database, a_cycle(a_reading(), a_reading("hue:hall", name="Hall")))
    return home


@pytest.mark.parametrize("command", [*READING, *CHANGING], ids=" ".join)
def test_without_a_configuration_a_human_is_needed(home: Home, command: list[str]) -> None:
    run = home.desk(*command)
    assert run.code == 2 and f"{home.config}: there is no such file. Remedy: " in run.err and run.out == ""


@pytest.mark.parametrize("command", [*READING, *CHANGING], ids=" ".join)
def test_without_a_database_a_human_is_needed_and_none_is_made(home: Home, command: list[str]) -> None:
    home.write_config()
    run = home.desk(*command)
    assert run.code == 2 and run.err.startswith("devices: ") and run.err.count("\n") == 1 and run.out == ""
    assert not home.database.exists()


def test_a_missing_database_is_not_replaced_to_store_a_name(stored: Home) -> None:
    (stored.data / "readings.stored").touch()
    stored.database.unlink()
    run = stored.desk("set-name", "hue:00:17:88:01:02:03:04:05-02-0402", "Larder")
    assert run.code == 2 and "is gone, though readings were stored in it" in run.err and not stored.database.exists()


@pytest.mark.parametrize("command", CHANGING[:5], ids=" ".join)
def test_a_locked_database_is_waited_for(stored: Home, command: list[str]) -> None:
    with locked(manager.lock_path(stored.database), 0):
        run = stored.desk(*command)
    assert run.code == 1 and "another process holds" in run.err and "Traceback" not in run.err
    assert run.err.startswith("devices: waiting for another program that is using readings.db\n")
    assert run.err.count("waiting for") == 1
    assert {row["device_name"] for row in rows(stored.database, "SELECT * FROM device_registry")} == {"Kitchen", "Hall"}


@pytest.mark.parametrize("command", [["list"], ["migrate"], *CHANGING[:4]], ids=" ".join)
def test_a_database_locked_by_another_program_is_reported(stored: Home, command: list[str]) -> None:
    """One that ignores our lock, such as an sqlite3 that was left open, in exclusive mode even for readers."""
    with closing(sqlite3.connect(stored.database, isolation_level=None)) as other:
        if command not in CHANGING[:4]:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE readings SET name = 'Other'")
            other.execute("COMMIT")
        else:
            other.execute("BEGIN IMMEDIATE")
        run = stored.desk(*command)
    assert run.code == 1 and "database is locked" in run.err


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_does_not_wait_for_writers(stored: Home, command: list[str]) -> None:
    with locked(manager.lock_path(stored.database), 0), closing(
            sqlite3.connect(stored.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert stored.desk(*command).code == 0


@pytest.mark.parametrize("command", [*READING, *CHANGING], ids=" ".join)
def test_a_file_that_is_no_database_is_left_alone(home: Home, command: list[str]) -> None:
    home.write_config()
    home.database.write_bytes(b"Dear diary, " * 1000)
    run = home.desk(*command)
    assert run.code == 2 and "is damaged or not a database" in run.err and "accept-new-database" in run.err
    assert home.database.read_bytes() == b"Dear diary, " * 1000


@pytest.mark.parametrize("command", [*READING, *CHANGING], ids=" ".join)
def test_a_newer_programs_database_is_left_alone(stored: Home, command: list[str]) -> None:
    with closing(sqlite3.connect(stored.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    run = stored.desk(*command)
    assert run.code == 2 and update_command() in run.err
    assert rows(stored.database, "PRAGMA user_version") == [{"user_version": 99}]


def test_a_damaged_page_is_reported_without_a_traceback(stored: Home) -> None:
    store(stored.database, *(a_cycle(a_reading(at=at(minutes=n), raw_response="x" * 900), at=at(minutes=n))
                             for n in range(200)))
    content = bytearray(stored.database.read_bytes())
    content[4096 * 2:] = bytes(len(content) - 4096 * 2)
    stored.database.write_bytes(content)
    for command in (*READING, *CHANGING[:4]):
        run = stored.desk(*command)
        assert run.code == 2 and "damaged" in run.err and run.err.count("\n") == 1, run.err


@needs_root
def test_missing_permissions_are_reported_with_the_command_that_grants_them(shared_folder: Path) -> None:
    home = Home(shared_folder / "home")
    home.write_config()
    store(home.database, a_cycle(a_reading()))
    before = home.database.read_bytes()
    for command in CHANGING[:4]:
        code, err = in_a_process(partial(outcome, home, command), user=54321)
        assert code == 2 and "sudo chown 54321" in err and "Traceback" not in err
    assert home.database.read_bytes() == before
    home.database.chmod(0o600)
    code, err = in_a_process(partial(outcome, home, ["list"]), user=54321)
    assert code == 2 and "not permitted to use" in err and "sudo chown 54321" in err


def outcome(home: Home, command: list[str]) -> tuple[int, str]:
    run = home.desk(*command)
    return run.code, run.err


@needs_root
@needs_public_checkout
@pytest.mark.parametrize("command", [["list"], ["gaps"], ["set-name", "kitchen", "Larder"]], ids=" ".join)
def test_run_as_root_it_becomes_the_owner_of_the_databases_folder(shared_folder: Path, command: list[str]) -> None:
    """Files of root's would lock out the account that cron uses, SQLite's own beside the database among them."""
    home = Home(shared_folder / "home")
    home.write_config(storage={"database_path": "store/readings.db"})
    database = home.folder / "store" / "readings.db"
    store(database, a_cycle(a_reading()))
    for folder, _, names in os.walk(home.folder):
        for each in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(each, 54321, 54321)
    assert home.devices(*command).code == 0
    assert {each.stat().st_uid for each in home.folder.rglob("*")} == {54321}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rewriting_can_be_completed(home: Home, number: int) -> None:
    home.write_config()
    store(home.database, a_cycle(a_reading()))
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.executemany("""
            INSERT INTO readings (timestamp, device_id, device_type, name, created_at)
            VALUES (?, 'hue:kitchen', 'hue_sensor', 'Kitchen', '')
        """, ((f"{n:09}",) for n in range(100_000)))
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "amend-name", "kitchen",
               "Larder", "--recursive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        renamed = "SELECT COUNT(*) AS count FROM readings WHERE name = 'Larder'"
        while not home.rows(renamed)[0]["count"]:
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number and "Traceback" not in err
    assert "Interrupted; run the same command again to complete it." in err
    done = home.rows(renamed)[0]["count"]
    again = home.desk("amend-name", "larder", "Larder", "--recursive")
    assert again.code == 0 and f"Past readings rewritten: {100_001 - done}." in again.out
    assert home.rows(renamed) == [{"count": 100_001}]


def test_a_closed_pipe_causes_no_traceback(stored: Home) -> None:
    """As `python devices.py list | head -0` has it."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(stored.config), "list", "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(write)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [*READING, ["set-name", "kitchen", "Larder"]], ids=" ".join)
def test_a_full_stdout_is_reported_in_a_sentence(stored: Home, command: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(CHECKOUT / "devices.py"), "--config", str(stored.config), *command],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "devices: the answer cannot be written: No space left on device\n")


@pytest.mark.parametrize(("age", "spans"), [(600, ["waiting_in_the_spool"]), (5, [])])
def test_spooled_readings_are_mentioned_with_the_gaps(home: Home, age: int, spans: list[str]) -> None:
    """The youngest may be about to be stored: they are no gap yet. Looking leaves no trace in the spool either."""
    home.write_config()
    now = datetime.now(timezone.utc).replace(microsecond=0)
    earlier, moment = now - timedelta(seconds=900), now - timedelta(seconds=age)
    store(home.database, a_cycle(a_reading(at=earlier), at=earlier))
    spool.append(home.data, a_cycle(a_reading(at=moment), at=moment), 1.0)
    (home.data / "spool.journal.lock").unlink()
    before = (home.data / "spool.journal").read_bytes()
    run = home.desk("gaps", "--json", "--since", "14m")
    assert run.code == 0 and "1 reading waits in the spool for the next cycle that can write the database" in run.err
    reasons = [span["reason"] for span in json.loads(run.out)[0]["spans"]]
    assert [each for each in reasons if each != "computer_off"] == spans
    assert (home.data / "spool.journal").read_bytes() == before and not (home.data / "spool.journal.lock").exists()
    assert (age < 60) is ("waiting in the spool" not in home.desk("gaps").out)


def test_an_unreadable_spool_does_not_prevent_the_gap_report(stored: Home) -> None:
    (stored.data / "spool.journal").mkdir()
    run = stored.desk("gaps")
    assert run.code == 0 and "spool.journal cannot be read (Is a directory); " in run.err
