"""A backup put back beside a left-over -wal: the -wal is used if it belongs to it, else set aside, never mixed in."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from runtime.errors import Unfinished
from storage import manager, stale_wal
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading, at, store

CYCLES, HELD = 400, 3  # so many in all; the last few are only in the -wal

READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT COUNT(*) FROM readings").fetchone(), flush=True)
sys.stdin.read()
"""


CHECKPOINT = """
import sqlite3, sys
done, frames, written = sqlite3.connect(sys.argv[1]).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
assert 0 < written < frames
"""


def write(path: Path, numbers: range) -> None:
    store(path, *[a_cycle(*[a_reading(f"hue:{device}", at=at(minutes=number)) for device in range(3)],
                          at=at(minutes=number)) for number in numbers])


def counts(path: Path) -> list[object]:
    """Return what integrity_check says, and the number of rows by the table and by its index."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(query).fetchone()[0] for query in (
            "PRAGMA integrity_check", "SELECT COUNT(*) FROM readings NOT INDEXED",
            "SELECT COUNT(*) FROM readings INDEXED BY sqlite_autoindex_readings_1 WHERE device_id > ''")]


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of one database by the number of their cycles."""
    folder = tmp_path_factory.mktemp("backups")
    path, done = folder / "readings.db", 0
    for number in (4, CYCLES - 288, CYCLES - 12, CYCLES - HELD, CYCLES - 1, CYCLES):
        write(path, range(done, number))
        shutil.copy(path, folder / f"{number}.db")
        done = number
    return folder


@pytest.fixture
def left_over(tmp_path: Path, backups: Path) -> Iterator[Path]:
    """A database whose last cycles are in a -wal that a reader, such as a dashboard, keeps."""
    path = tmp_path / "readings.db"
    shutil.copy(backups / f"{CYCLES - HELD}.db", path)
    with subprocess.Popen([sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin and reader.stdout and reader.stdout.readline()
        write(path, range(CYCLES - HELD, CYCLES))
        assert os.stat(f"{path}-wal").st_size
        yield path
        reader.stdin.close()


WAYS = {"cp": "cp {backup} {path}", "mv": "cp {backup} {path}.new && mv {path}.new {path}",
        "rm and cp": "rm {path} && cp {backup} {path}"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cycles", [4, CYCLES - 12])
def test_a_backup_is_never_mixed_with_it(left_over: Path, backups: Path, way: str, cycles: int,
                                         caplog: pytest.LogCaptureFixture) -> None:
    """All rows of the backup are there, and those of the -wal too, or it is set aside and reported."""
    subprocess.run(WAYS[way].format(backup=backups / f"{cycles}.db", path=left_over), shell=True, check=True)
    write(left_over, range(CYCLES, CYCLES + 1))
    soundness, by_table, by_index = counts(left_over)
    aside = list(left_over.parent.glob("readings.db-wal.set-aside-*"))
    assert soundness == "ok" and by_table == by_index
    assert by_table == 3 * (cycles + 1 if aside else CYCLES + 1)
    assert len(aside) == sum("set aside" in record.message for record in caplog.records)


def test_a_killed_runs_own_wal_is_used(tmp_path: Path) -> None:
    path, kept = tmp_path / "readings.db", tmp_path / "kept"
    kept.mkdir()
    write(path, range(1))
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT COUNT(*) FROM readings").fetchone()
        write(path, range(1, 3))
        for name in ("readings.db", "readings.db-wal", "readings.db.closed"):
            shutil.copy(tmp_path / name, kept / name)
    write(kept / "readings.db", range(3, 4))
    assert counts(kept / "readings.db") == ["ok", 12, 12] and not list(kept.glob("*set-aside*"))


@pytest.mark.parametrize("mode", ["PASSIVE", "none"])
def test_a_checkpoint_of_another_program_is_no_other_database(left_over: Path, mode: str,
                                                              caplog: pytest.LogCaptureFixture) -> None:
    """Readers go on, and writers set nothing aside, as beside a program such as Litestream."""
    with closing(sqlite3.connect(left_over)) as other:
        if mode != "none":
            time.sleep(0.05)  # times of files are in steps of some milliseconds
            assert other.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0] == 0
        assert os.stat(f"{left_over}-wal").st_size and stale_wal.is_suspect(left_over) is (mode != "none")
        with manager.reading(left_over) as connection:
            assert connection.execute("SELECT COUNT(*) FROM readings").fetchone() == (3 * CYCLES,)
        write(left_over, range(CYCLES, CYCLES + 1))
    assert counts(left_over) == ["ok", 3 * (CYCLES + 1), 3 * (CYCLES + 1)]
    assert not list(left_over.parent.glob("*set-aside*")) and "set aside" not in caplog.text


def test_a_checkpoint_that_a_reader_holds_up_is_no_other_database(left_over: Path) -> None:
    """Then a part of the -wal is in the file."""
    with closing(sqlite3.connect(left_over)) as owner, owner:
        owner.execute("CREATE TABLE owners_own AS SELECT zeroblob(100000) AS content")
    hold = READER.replace("print", "connection.execute('BEGIN'); print")
    with subprocess.Popen([sys.executable, "-c", hold, left_over], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin and reader.stdout and reader.stdout.readline()
        write(left_over, range(CYCLES, CYCLES + 2))
        time.sleep(0.05)  # times of files are in steps of some milliseconds
        subprocess.run([sys.executable, "-c", CHECKPOINT, left_over], check=True)
        assert stale_wal.is_suspect(left_over)
        with manager.reading(left_over) as connection:
            assert connection.execute("SELECT COUNT(*) FROM readings").fetchone() == (3 * (CYCLES + 2),)
        write(left_over, range(CYCLES + 2, CYCLES + 3))
        assert counts(left_over) == ["ok", 3 * (CYCLES + 3), 3 * (CYCLES + 3)]
        reader.stdin.close()
    assert not list(left_over.parent.glob("*set-aside*"))


@pytest.mark.parametrize("is_written", [True, False])
def test_a_file_that_is_written_while_we_look_is_in_use(left_over: Path, is_written: bool,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen of it is of two moments, and proves nothing."""
    def look(path: Path) -> bool:
        if is_written:
            os.utime(path)
        return False
    time.sleep(0.05)  # times of files are in steps of some milliseconds
    os.utime(left_over)
    time.sleep(0.05)
    monkeypatch.setattr(stale_wal, "_extends", look)
    with ExitStack() as stack:
        if not is_written:
            stack.enter_context(pytest.raises(Unfinished))
        stack.enter_context(manager.reading(left_over))


def test_a_reader_leaves_the_decision_to_a_writer(left_over: Path, backups: Path) -> None:
    shutil.copy(backups / "4.db", left_over)
    with pytest.raises(Exception, match="closed last") as caught, manager.reading(left_over):
        pass
    assert "migrate" in getattr(caught.value, "remedy", "")


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    home.point_at(simulator)
    for _ in range(2):
        assert home.run().code == 0
        home.wait_for_the_next_second()
    shutil.copy(home.database, home.folder / "backup.db")
    assert home.run().code == 0
    home.wait_for_the_next_second()
    return home


def script(home: Home, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECKOUT / name), "--config", str(home.config), *arguments],
                          capture_output=True, text=True, check=False, timeout=60)


def restore(home: Home, file: Path) -> subprocess.CompletedProcess[str]:
    return script(home, "readings.py", "restore", str(file))


def test_restore_replaces_the_database_and_says_what_only_the_old_one_has(lived_in: Home) -> None:
    with closing(sqlite3.connect(lived_in.database)) as reader:
        reader.execute("SELECT COUNT(*) FROM readings").fetchone()
        assert lived_in.run().code == 0
        done = restore(lived_in, lived_in.folder / "backup.db")
    assert done.returncode == 0 and "10 readings, the newest" in done.stdout
    aside, = lived_in.data.glob("readings.db.set-aside-*Z")
    assert f"10 readings that it does not have: only in {aside}" in done.stderr
    lived_in.wait_for_the_next_second()
    assert lived_in.run().code == 0 and counts(lived_in.database) == ["ok", 15, 15]
    assert counts(aside)[:2] == ["ok", 20]


def test_restore_brings_back_a_database_that_is_gone(lived_in: Home) -> None:
    lived_in.database.unlink()
    assert lived_in.run().code == 2
    assert restore(lived_in, lived_in.folder / "backup.db").returncode == 0
    lived_in.wait_for_the_next_second()
    assert lived_in.run().code == 0 and counts(lived_in.database) == ["ok", 20, 20]


@pytest.mark.parametrize(("content", "sentence"), [
    (None, "is not a file"), (b"", "holds no readings"), (b"Dear diary" * 999, "not a database")])
def test_restore_refuses_what_is_no_backup(lived_in: Home, content: bytes | None, sentence: str) -> None:
    path = lived_in.folder / "other.db"
    if content is not None:
        path.write_bytes(content)
    before = lived_in.rows()
    refused = restore(lived_in, path)
    assert refused.returncode == 2 and sentence in refused.stderr and refused.stderr.count("\n") == 1
    assert lived_in.rows() == before and not list(lived_in.data.glob("*set-aside*"))


def test_restore_refuses_a_damaged_snapshot(lived_in: Home) -> None:
    path = lived_in.folder / "backup.db"
    content, before, names = path.read_bytes(), lived_in.rows(), {file.name for file in lived_in.data.iterdir()}
    for damaged in (content[:len(content) // 2], content[:8192] + bytes(len(content) - 8192),
                    content.replace(b"CREATE TABLE readings", b"CREATE TABLE headings")):
        path.write_bytes(damaged)
        refused = restore(lived_in, path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert "accept-new-database" not in refused.stderr
        assert lived_in.rows() == before and not {file.name for file in lived_in.data.iterdir()} - names


def test_restore_refuses_the_database_itself(lived_in: Home) -> None:
    assert restore(lived_in, lived_in.database).returncode == 2


def test_a_deep_check_finds_damage_of_an_index(lived_in: Home) -> None:
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.executescript("""
            CREATE TABLE lost AS SELECT * FROM sqlite_master WHERE name = 'readings_timestamp';
            PRAGMA writable_schema = ON;
            DELETE FROM sqlite_master WHERE name = 'readings_timestamp';
        """)
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.executescript("""
            DELETE FROM readings WHERE id = 1;
            PRAGMA writable_schema = ON;
            INSERT INTO sqlite_master SELECT * FROM lost;
        """)
    seen = [script(lived_in, "healthcheck.py", "--offline", "--only", "database_write", *deep) for deep in ((), ("--deep",))]
    quick, deep = (outcome.returncode for outcome in seen)
    assert deep == 2 and quick == (2 if sqlite3.sqlite_version_info >= (3, 53) else 0)  # quick_check counts rows, since then
    assert (quick or "(quick_check)" in seen[0].stdout) and "readings_timestamp" in seen[1].stdout
