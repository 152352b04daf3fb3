"""The health check leaves no trace, and disturbs no other process."""

import hashlib
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from tests.checked_home import USER, CheckedHome, needs_root
from tests.home import Outcome, unmeasured

SQLITES_OWN = re.compile(r"readings\.db(-wal|-shm|\.lock)")


def fingerprints(checked_home: CheckedHome) -> dict[str, tuple[str, int, int, int]]:
    """Return the content, mode, owner and modification time of each file, except SQLite's own and the lock."""
    return {str(path.relative_to(checked_home.folder)): (
        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "", path.stat().st_mode,
        path.stat().st_uid, path.stat().st_mtime_ns if path.is_file() else 0)
        for path in sorted(checked_home.folder.rglob("*")) if not SQLITES_OWN.fullmatch(path.name)}


def leave_wal(checked_home: CheckedHome) -> bytes:
    """Kill a writer, which leaves a -wal with a row that is not in the database's own file yet."""
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(checked_home.database, isolation_level=None)
        connection.execute("INSERT INTO retry_events (collector, cycle_started_at, at) VALUES ('hue', '', '')")
        os._exit(0)
    os.waitpid(child, 0)
    checked_home.hand_over()
    return checked_home.database.with_name("readings.db-wal").read_bytes()


@pytest.mark.parametrize("arguments", [[], ["--offline", "--json"], ["--only", "amazon_aqm"]], ids=" ".join)
def test_it_leaves_no_trace(arguments: list[str], checked_home: CheckedHome) -> None:
    """Byte for byte, even if a -wal waits for the next writer to merge it, and cookies are renewed."""
    checked_home.simulator.alexa.expire_cookies()
    wal, before = leave_wal(checked_home), fingerprints(checked_home)
    assert len(wal) > 0 and checked_home.check(*arguments).code == 0
    assert fingerprints(checked_home) == before
    assert checked_home.database.with_name("readings.db-wal").read_bytes() == wal
    assert "exchange" in checked_home.simulator.alexa.counts or "--offline" in arguments


def test_it_leaves_no_trace_if_everything_is_wrong(checked_home: CheckedHome) -> None:
    checked_home.simulator.bridge.keys.clear()
    checked_home.simulator.alexa.revoke()
    checked_home.database.write_bytes(b"Dear diary, " * 500)
    checked_home.write_config(storage={"busy_timeout_ms": "?"})
    checked_home.hand_over()
    before = fingerprints(checked_home)
    assert checked_home.check().code == 2
    assert fingerprints(checked_home) == before


def test_no_database_is_created(checked_home: CheckedHome) -> None:
    shutil.rmtree(checked_home.data)
    checked_home.config.with_name("record.id").unlink()
    code, components = checked_home.components("--offline")
    assert code == 0 and not checked_home.data.exists()
    for name in ("database_wal", "database_write", "freshness"):
        assert components[name]["status"] == "warn"
        assert " -m collectors." in components[name]["remedy"]


def test_it_works_while_collectors_write(checked_home: CheckedHome) -> None:
    """EDGE-3."""
    checked_home.hand_over(os.geteuid())
    enough = threading.Event()
    codes: list[int] = []

    def collect() -> None:
        while not enough.is_set():
            codes.extend(run.code for run in checked_home.collect())
    thread = threading.Thread(target=collect)
    thread.start()
    checks: list[Outcome] = []
    while len(checks) < 10 or len(codes) < 4 and thread.is_alive():
        checks.append(checked_home.check("--json", "--offline", "--skip", "freshness", environment=unmeasured()))
    enough.set()
    thread.join()
    assert set(codes) == {0}
    assert {run.code for run in checks} == {0}, checks
    assert len(checked_home.cycles()) == 2 + len(codes)


def test_a_long_transaction_is_reported_and_not_harmed(checked_home: CheckedHome) -> None:
    """A connection in the middle of a transaction, such as a shell's. FR-023."""
    with closing(sqlite3.connect(checked_home.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO retry_events (collector, cycle_started_at, at) VALUES ('hue', '', '')")
        checked_home.hand_over()
        code, components = checked_home.components("--offline")
        connection.execute("COMMIT")
    assert (code, components["database_write"]["status"]) == (1, "fail")
    assert "fuser -v" in components["database_write"]["remedy"]
    assert len(checked_home.rows("SELECT * FROM retry_events")) == 1


@needs_root
def test_run_as_root_it_leaves_nothing_that_locks_the_user_out(checked_home: CheckedHome) -> None:
    for path in checked_home.data.glob("readings.db?*"):
        path.unlink()
    assert checked_home.check().code == 0
    assert {path.stat().st_uid for path in checked_home.folder.rglob("*")} == {USER}
