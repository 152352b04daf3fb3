"""Is the database sound, can it be written, is its write-ahead log on and small: asked without leaving a trace.

Nothing is created where nothing is. A write is tried under the writers' lock and rolled back. Whoever leaves an SQLite
database last moves the -wal into it: that is not for us to do, so a reader always stays until the writer has left, and
readers never do it. SQLite's own -wal and -shm may remain, empty.
"""

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from health.finding import Finding, Findings
from runtime import files
from runtime.errors import Busy, Damaged, StorageError, Unusable
from storage import lost_database, schema
from storage.backup import read_only
from storage.manager import REPLACE, lock_path, translate

if TYPE_CHECKING:
    import threading

PATIENCE_SECONDS = 1.0  # to wait for whoever writes
LARGE_WAL = 16 * 2 ** 20
LOOK_SECONDS = 0.005  # between two looks at the time
FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # a disk without room has none for the -shm, and SQLite says I/O error
TRIAL = """
    INSERT INTO readings (timestamp, device_id, device_type, created_at)
    VALUES ('', 'healthcheck', 'healthcheck', '')
"""


def wal(path: Path, marker: Path) -> Findings:
    """Is the write-ahead log on, how large is it, whose are the files, and is this SQLite a sound one?"""
    yield library()
    absence = missing(path, marker)
    if absence is not None:
        yield absence
        return
    yield f"opening {path}"
    try:
        with _open(path, "ro") as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    except StorageError as error:
        yield Finding("fail", f"{error}", error.remedy)
        return
    if mode != "wal":
        yield Finding("fail", f"write-ahead logging is off (journal_mode is {mode}): readers and writers are in each "
                      "other's way", "set storage.enable_wal_mode to true in config.yaml and let a collector run, such "
                      "as python -m collectors.hue; on a network disk, move storage.database_path to one of this "
                      "machine's own")
    yield _size(path)
    yield Finding("pass", f"journal_mode {mode}, checkpoint every {pages} pages, {owners(path)}")


def library(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Finding:
    """Tell whether a version of SQLite has the bug that can lose what several connections write at once.

    https://www.sqlite.org/wal.html#walresetbug: mended in 3.51.3 and from 3.53.0 on (3.52.0 was withdrawn), and in the
    older 3.44.6 and 3.50.7.
    """
    name = ".".join(map(str, version))
    mended = version >= (3, 53) or any(start <= version < (*start[:2], 1000) for start in (
        (3, 51, 3), (3, 50, 7), (3, 44, 6)))
    if mended or version < (3, 7):
        return Finding("pass", f"SQLite {name}")
    return Finding("warn", f"SQLite {name} has the WAL-reset bug, which the writers' lock keeps from harm as long as "
                   "only this program writes", "nothing to do now; with the next Python, take one whose "
                   "sqlite3.sqlite_version is 3.51.3 or 3.53.0 and later")


def write(path: Path, marker: Path, is_late: Callable[[], bool],
          patience_seconds: float = PATIENCE_SECONDS) -> Findings:
    """Can a row be written, and is the file sound? `is_late` ends the search for damage, however much is left."""
    absence = missing(path, marker) or _read_only(path) or _closed(path.parent)
    if absence is not None:
        yield absence
        return
    yield "waiting for other writers"
    try:
        with _open(path, "ro") as reader:
            is_old = _recognise(reader, path)
            with files.locked(lock_path(path), patience_seconds):
                yield "trying to write"
                _try(path, is_old)
            yield Finding("warn", f"{path} is of an older form, which the next cycle brings up to date",
                          "python -m collectors.hue") if is_old else Finding("pass", f"{path} can be written")
            yield "looking for damage"
            yield _search(reader, path, is_late)
    except Busy as error:
        yield Finding("fail", f"{error}", f"ask again in a minute; if it stays so, fuser -v {_quoted(lock_path(path))} "
                      f"{_quoted(path)} tells who it is, and kill ends it")
    except StorageError as error:
        yield Finding("critical", f"{error}", error.remedy)


def missing(path: Path, marker: Path) -> Finding | None:
    """Tell that there is no database, and whether there should be one; None if there is one, whatever it is worth."""
    try:
        lost_database.ensure_present(path, marker)
        if not lost_database.is_gone(path):
            return _folder(path)
        folder = next(each for each in path.parents if each.exists())
    except StorageError as error:
        return Finding("critical", f"{error}", error.remedy)
    except OSError as error:
        trouble = files.translate(error, path)
        return Finding("critical", f"{trouble}", trouble.remedy)
    if files.is_closed(folder):
        return Finding("critical", f"there is no {path}, and none can be made in {folder}",
                       f"sudo mkdir -p {_quoted(path.parent)} && {files.chown_folder_command(path.parent)}")
    return Finding("warn", f"there is no {path} yet: nothing has been collected", "python -m collectors.hue")


def _read_only(path: Path) -> Finding | None:
    """Tell of a disk that lets nobody write: after an error on it, Linux has it so (man mount, errors=remount-ro)."""
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        return None
    return Finding("critical", f"the disk of {path} is read-only", "once dmesg has told why: sudo mount -o remount,rw "
                   f"\"$(findmnt -n -o TARGET -T {_quoted(path.parent)})\"")


def _closed(folder: Path) -> Finding | None:
    """Tell of a folder in which nothing can be made: a database may be written there only while its -wal stays."""
    if not files.is_closed(folder):
        return None
    return Finding("critical", f"nothing can be made in {folder} ({files.owner(folder)})", files.chown_folder_command(folder))


def _folder(path: Path) -> Finding | None:
    if not path.is_dir():
        return None
    return Finding("critical", f"{path} is a folder, not a database",
                   "set storage.database_path in config.yaml to a file")


def owners(path: Path) -> str:
    """Return owner and mode of the database, of its companions, and of their folder."""
    names = [path.parent, *(Path(f"{path}{end}") for end in ("", "-wal", "-shm"))]
    return ", ".join(files.owner(each) for each in names if each.exists())


def _size(path: Path) -> Finding:
    try:
        size = os.stat(f"{path}-wal").st_size
    except OSError:  # the last writer has just taken it away
        size = 0
    figures = (f"'wal'={size}B;{LARGE_WAL}",)
    if size <= LARGE_WAL:
        return Finding("pass", f"-wal {size} bytes", figures=figures)
    return Finding("warn", f"-wal has grown to {size / 1e6:.0f} MB: somebody reads for very long, and it cannot shrink",
                   f"fuser -v {_quoted(path)} tells who has the database open; once that has ended, the next cycle "
                   "makes the -wal small again", figures)


@contextmanager
def _open(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open the database, never create one."""
    address = read_only(path).removesuffix("ro") + mode
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
            # Holds the reader's place, and finds out whether it is a database at all.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
    except sqlite3.Error as error:
        raise _named(error, path) from error


def _named(error: sqlite3.Error, path: Path) -> StorageError:
    if getattr(error, "sqlite_errorname", "") not in FULL:
        return translate(error, path)
    return Unusable(f"the disk of {path} is full ({error})", files.make_room(path.parent))


def _recognise(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the database has still to be brought up to date. Raise StorageError for one that is none of ours."""
    is_old = bool(schema.pending(connection, path))
    for query in () if is_old else schema.FORM:
        connection.execute(query)
    return is_old


def _try(path: Path, is_old: bool) -> None:
    with _open(path, "rw") as writer:
        writer.execute("BEGIN IMMEDIATE")
        try:
            writer.execute("PRAGMA user_version = 0" if is_old else TRIAL)
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")


def _search(connection: sqlite3.Connection, path: Path, is_late: Callable[[], bool]) -> Finding:
    with _interrupting(connection, is_late) as interrupted:
        try:
            told, = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            told = ""
    if told == "ok":
        return Finding("pass", "no damage found")
    if interrupted.is_set():  # and may have taken for damage what it had not come to yet
        return Finding("pass", "no damage found in the time there was")
    raise Damaged(f"{path} is damaged or not a database: {' '.join(told.split())} (SQLITE_CORRUPT)", REPLACE)


@contextmanager
def _interrupting(connection: sqlite3.Connection, is_late: Callable[[], bool]) -> Iterator["threading.Event"]:
    """End what a connection does in the body as soon as it is late; the event tells whether that was done.

    From a thread: a progress handler is not asked while SQLite looks at the pages of a table, which takes it seconds
    for 10 million rows, and minutes from an SD card (3.40, 2026); but it does heed an interruption.
    """
    import threading
    done, interrupted = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if is_late():
                interrupted.set()
                connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield interrupted
    finally:
        done.set()
        watcher.join()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
