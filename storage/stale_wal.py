"""A -wal that does not belong to the database beside it, as after a backup was copied over a database in use.

SQLite would replay it into that file, mixing the pages of both (7 of 9 trials with SQLite 3.40, 2026-11-30).
"""

import itertools
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from runtime import files
from runtime.errors import Unfinished
from storage import backup, lost_database
from storage.schema import Progress
from storage.state import closed_path, identity

UNSOUND = sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB
# Rows by their ids, which takes no memory: both views may have ten million.
ONLY_WITHOUT = """
    SELECT 1
    FROM alone.readings AS alone
    LEFT JOIN main.readings AS whole ON whole.id = alone.id
    WHERE whole.id IS NULL
        OR whole.device_id IS NOT alone.device_id
        OR whole.timestamp IS NOT alone.timestamp
    LIMIT 1
"""


def is_suspect(path: Path) -> bool:
    """Return whether a -wal lies beside a file that is not the one closed last."""
    try:
        if not os.stat(f"{path}-wal").st_size:
            return False
        return closed_path(path).read_bytes().strip() != identity(path)
    except OSError:
        return os.path.exists(f"{path}-wal")


def ensure_own(path: Path, lock: Path, wait_seconds: float) -> None:
    """Raise Unfinished for a reader if a writer has to set the -wal aside."""
    if is_suspect(path):
        with files.locked(lock, wait_seconds):  # a writer changes the file, and notes it when it closes
            if is_suspect(path) and _is_foreign(path):
                raise Unfinished(f"{path} is not the file that was closed last, and its -wal may be another file's",
                                  lost_database.migrate_command())


def settle(path: Path, progress: Progress) -> str | None:
    """Under the writers' lock, set aside a -wal that does not belong to the database; return what was done."""
    if not is_suspect(path):
        return None
    progress("check", 0, 1)
    if not _is_foreign(path):
        return None
    aside = next(path.with_name(f"{path.name}-wal.set-aside-{n}") for n in itertools.count(1)
                 if not os.path.lexists(f"{path}-wal.set-aside-{n}"))
    os.rename(f"{path}-wal", aside)
    with suppress(FileNotFoundError):
        os.unlink(f"{path}-shm")
    files.sync(path.parent)
    with suppress(OSError, sqlite3.Error):  # a new file: a program that has the old one open may still write to it
        backup.copy(path, path, progress)
    return f"the -wal beside {path}, which is not the file that was closed last, does not fit it; set aside: {aside}"


def _is_foreign(path: Path) -> bool:
    """Return whether the -wal is another file's.

    Another program may have written its own to the file, or a part of it; one that does so just now uses it as its own.
    """
    try:
        before = identity(path), identity(wal := path.with_name(f"{path.name}-wal"))
        if _is_in_file(path) or not _is_sound(path, "immutable=1"):  # without the -wal: the file as it is on the disk
            return False
        is_own = _is_sound(path, "mode=ro") and _extends(path)
        return not is_own and before == (identity(path), identity(wal))
    except FileNotFoundError:
        return False


def _is_in_file(path: Path) -> bool:
    """Return whether the file has every committed page of the -wal (https://www.sqlite.org/fileformat2.html#walformat).

    Closing the file would release the locks of another connection of this process: there must be none.
    """
    with open(f"{path}-wal", "rb") as wal, open(path, "rb") as file:
        header = wal.read(32)
        size, salts = int.from_bytes(header[8:12]), header[16:24]
        places, committed = dict[int, int](), dict[int, int]()  # where the newest frame of a page begins, by its number
        while len(frame := wal.read(24 + size)) == 24 + size and frame[8:16] == salts:
            places[int.from_bytes(frame[:4])] = wal.tell() - size
            if any(frame[4:8]):
                committed |= places
        return all(os.pread(wal.fileno(), size, place) == os.pread(file.fileno(), size, (number - 1) * size)
                   for number, place in committed.items())


def _is_sound(path: Path, option: str) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in UNSOUND:
            raise
        return False


def _extends(path: Path) -> bool:
    """Return whether the database with its -wal has all readings that it has without, and more rows.

    A foreign -wal whose pages lie behind those of the database changes nothing, and would be overwritten.
    """
    uri = path.absolute().as_uri()
    with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH ? AS alone", (f"{uri}?immutable=1",))
        alone, whole = (_tables(connection, schema) for schema in ("alone", "main"))
        if not (alone <= whole and alone):
            return not alone
        has_more = any(connection.execute(f"SELECT (SELECT MAX(id) FROM main.{table}) IS NOT "
                                          f"(SELECT MAX(id) FROM alone.{table})").fetchone()[0] for table in sorted(alone))
        return has_more and connection.execute(ONLY_WITHOUT).fetchone() is None


def _tables(connection: sqlite3.Connection, schema: str) -> set[str]:
    return {name for name, in connection.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' "
                                                 "AND name IN ('readings', 'collection_cycles')")}
