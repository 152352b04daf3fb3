"""Every script works without what Python lacks on macOS (tests/macos/sitecustomize.py removes it)."""

import errno
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.checked_home import CheckedHome, healthy
from tests.checkout import CHECKOUT
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator
from tests.storage.legacy_databases import NEWEST, awkward_rows, leave

HERE = Path(__file__).parent


def run(home: Home, *command: str, **environment: str) -> Outcome:
    """Run a Python program on a home, as on macOS; a traceback is never right."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=CHECKOUT, timeout=60, env={
        **unmeasured(), "PYTHONPATH": f"{HERE}:{CHECKOUT}", "HOME_MONITOR_CONFIG": str(home.config), **environment})
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    assert not re.search("Traceback|fault in the program", outcome.out + outcome.err), outcome
    return outcome


def cycle(home: Home, source: str = "hue", **environment: str) -> Outcome:
    return run(home, "-m", f"collectors.{source}", **environment)


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    """A home of a Mac, in which both collectors have run once."""
    home.introduce(simulator)
    assert [cycle(home, source).code for source in ("hue", "amazon_aqm")] == [0, 0]
    return home


@pytest.fixture(scope="module")
def checked() -> Iterator[CheckedHome]:
    """A healthy home, whose health check may drop to an ordinary user."""
    with healthy() as home:
        yield home


def test_the_names_that_macos_lacks_are_missing(home: Home) -> None:
    shown = run(home, "-c", "import os, resource, sys, time; print(sys.platform, hasattr(os, 'fdatasync'), "
                            "hasattr(time, 'CLOCK_BOOTTIME'), os.path.exists('/proc/self/stat'))")
    assert shown.out.split() == ["darwin", "False", "False", "False"]


def test_a_cycle_stores_its_readings(home: Home, simulator: Simulator) -> None:
    home.introduce(simulator)
    home.point_at(simulator)  # https
    ran = cycle(home)
    assert (ran.code, ran.err, len(home.rows())) == (0, "", 5)
    assert home.cycles()[0]["outcome"] == "ok"


def test_the_air_quality_monitor_is_read_too(lived_in: Home) -> None:
    assert {row["device_type"] for row in lived_in.rows()} == {"hue_sensor", "alexa_aqm"}


def test_what_must_not_get_lost_goes_to_the_disk_itself(lived_in: Home, tmp_path: Path) -> None:
    """fsync leaves it in the cache of the drive, on macOS."""
    synced = tmp_path / "synced"
    session = lived_in.data / "amazon_aqm.session.json"
    session.unlink()
    assert cycle(lived_in, "amazon_aqm", MACOS_SYNCS=str(synced)).code == 0
    assert {str(path.stat().st_ino) for path in (lived_in.data / "spool.journal", session, lived_in.data)} <= set(
        synced.read_text(encoding="ascii").split())


@pytest.mark.parametrize(("number", "code", "message"), [
    (errno.ENOTSUP, 0, ""), (errno.EIO, 2, "spool.journal cannot be used now: Input/output error")])
def test_a_disk_that_refuses_full_syncs_is_synced_as_well_as_it_can_be(
        lived_in: Home, number: int, code: int, message: str) -> None:
    """A network disk has none; an error of the disk is no reason to try something weaker."""
    lived_in.wait_for_the_next_second()
    ran = cycle(lived_in, MACOS_SYNC_ERROR=str(number))
    assert ran.code == code and message in ran.err and len(lived_in.rows()) == 11


def test_the_database_is_synced_to_the_disk_itself(lived_in: Home) -> None:
    asked = run(lived_in, "-c", "import sys; from pathlib import Path; from storage import manager\n"
                                "with manager.writing(Path(sys.argv[1])) as connection:\n"
                                "    for name in ('fullfsync', 'checkpoint_fullfsync'):\n"
                                "        print(*connection.execute(f'PRAGMA {name}').fetchone())",
                str(lived_in.database))
    assert asked.out.split() == ["1", "1"]


def test_readings_wait_while_the_database_is_locked(lived_in: Home) -> None:
    lived_in.write_config(storage={"busy_timeout_ms": 50})
    with closing(sqlite3.connect(lived_in.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        lived_in.wait_for_the_next_second()
        refused = cycle(lived_in)
    assert (refused.code, len(lived_in.rows())) == (1, 6) and "in the spool" in refused.err
    lived_in.wait_for_the_next_second()
    assert (cycle(lived_in).code, len(lived_in.rows())) == (0, 16)


@pytest.mark.parametrize("arguments", [(), ("--offline",)])
def test_the_health_check_finds_all_well(checked: CheckedHome, arguments: tuple[str, ...]) -> None:
    done = run(checked, "healthcheck.py", "--json", *arguments)
    components = {component["name"]: component for component in done.json["components"]}
    wrong = {name: component for name, component in components.items() if component["status"] == "fail"}
    assert (done.code, done.err, wrong) == (0, "", {})
    assert components["hue"]["status"] == ("skipped" if arguments else "pass")


def test_a_long_answer_of_the_health_check_arrives_whole(checked: CheckedHome) -> None:
    """A pipe of macOS keeps 512 bytes together."""
    places = {f"unknown-{number}": f"place {number}" for number in range(40)}
    kept = dict(checked.settings)
    checked.write_config(collection=places)
    try:
        done = run(checked, "healthcheck.py", "--json", "--offline", "--only", "configuration")
    finally:
        checked.settings = kept
        checked.write_config()
    message = done.json["components"][0]["message"]
    assert done.code == 0 and len(message) > 2000 and all(f"collection.{name}: unknown key" in message for name in places)


def test_remedies_name_programs_that_macos_has(checked: CheckedHome) -> None:
    with closing(sqlite3.connect(checked.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        done = run(checked, "healthcheck.py", "--offline", "--only", "database_write", "--json")
    remedy = done.json["components"][0]["remedy"]
    assert done.code == 1 and f"lsof {checked.database}.lock {checked.database} shows" in remedy


def test_devices_are_listed_and_named(lived_in: Home) -> None:
    device = lived_in.rows("SELECT device_id FROM device_registry ORDER BY device_id")[0]["device_id"]
    named = run(lived_in, "devices.py", "set-name", device, "Larder")
    listed = run(lived_in, "devices.py", "list")
    assert (named.code, listed.code) == (0, 0) and "Larder" in listed.out


@pytest.mark.parametrize("command", [("gaps",), ("gaps", "--since", "1d", "--json"), ("migrate",)])
def test_other_commands_have_nothing_to_complain_about(lived_in: Home, command: tuple[str, ...]) -> None:
    assert (run(lived_in, "devices.py", *command).code, len(lived_in.rows())) == (0, 6)


def test_a_predecessors_database_is_migrated(home: Home, simulator: Simulator) -> None:
    old = leave(home.database, awkward_rows(), NEWEST)
    home.introduce(simulator)
    ran = cycle(home)
    assert ran.code == 0 and [row["id"] for row in home.rows()][:len(old)] == [row["id"] for row in old]
    assert len(home.rows()) == len(old) + 5 and home.database.with_name("readings.db.before-v1").exists()


def test_a_full_log_is_rotated(lived_in: Home) -> None:
    lived_in.write_config(logging={"max_bytes": 10_000, "backup_count": 2, "level": "DEBUG", "min_free_mb": 0})
    lived_in.log_file.write_text("x" * 99 + "\n" * 9_900, encoding="utf-8")
    lived_in.wait_for_the_next_second()
    assert cycle(lived_in).code == 0
    assert Path(f"{lived_in.log_file}.1").stat().st_size >= 9_900 and "journal_mode wal" in lived_in.log()


def test_a_hanging_bridge_ends_a_cycle_in_time(home: Home, simulator: Simulator) -> None:
    """Without /proc the time limit counts from when the program began to run."""
    simulator.faults.add("silence", seconds=30)
    home.introduce(simulator)
    home.configure_hue(timeout_seconds=1)
    home.write_config(retry={"max_attempts": 1})
    assert cycle(home).code == 1 and home.cycles()[0]["outcome"] == "unreachable"
