"""The copy of the database that is made beside it before a migration changes it.

Made with SQLite's backup API, so that it is right while others read and write; whole, on the disk and under its final
name before anything is changed. Nobody deletes these copies but people.
"""

import itertools
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from runtime.files import sync, translate

PAGES_A_STEP = 1_000


def back_up(path: Path, number: int, progress: Callable[[str, int, int], None]) -> Path:
    """Copy the database to `<name>.before-v<number>` and return that path; the caller holds the write lock.

    A copy that an interrupted migration left is used again if it holds the same readings; any other file of that name
    stays, and the copy is called `….2`, `….3`. Raise StorageError or sqlite3.Error when there is no room or no right.
    """
    try:
        target = _name(path, number)
        if not target.exists():
            _make(path, target, progress)
        return target
    except OSError as error:
        raise translate(error, path) from error


def read_only(path: Path) -> str:
    """Return the address under which SQLite opens the file for reading only, whatever characters its name has."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _name(path: Path, number: int) -> Path:
    first = f"{path.name}.before-v{number}"
    names = itertools.chain([first], (f"{first}.{n}" for n in itertools.count(2)))
    candidates = (path.with_name(name) for name in names)
    return next(each for each in candidates if not each.exists() or _same(each, path))


def _same(copy: Path, path: Path) -> bool:
    ours = _fingerprint(path)
    try:
        return _fingerprint(copy) == ours
    except sqlite3.DatabaseError:
        return False


def _fingerprint(path: Path) -> list[tuple[object, ...]]:
    """Return of either table how many rows it has, and the last one's number."""
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        tables = connection.execute("""
            SELECT lower(name)
            FROM sqlite_master
            WHERE type = 'table'
                AND lower(name) IN ('readings', 'device_registry')
            ORDER BY lower(name)
        """).fetchall()
        return [(name, *connection.execute(f"SELECT COUNT(*), MAX(rowid) FROM {name}").fetchone()) for name, in tables]


def _make(path: Path, target: Path, progress: Callable[[str, int, int], None]) -> None:
    half = path.with_name(f"{path.name}.copying")
    _remove(half)
    # Created here first: SQLite would make it readable by all, also where the original is not.
    os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, path.stat().st_mode & 0o777))
    try:
        _copy(path, half, progress)
        sync(half)
        half.rename(target)
    finally:
        _remove(half)
    sync(path.parent)


def _copy(path: Path, half: Path, progress: Callable[[str, int, int], None]) -> None:
    with closing(sqlite3.connect(read_only(path), uri=True)) as source, closing(sqlite3.connect(half)) as copy:
        source.backup(copy, pages=PAGES_A_STEP,
                      progress=lambda _, remaining, total: progress("copy", total - remaining, total))
        # A copy in WAL mode could not be read from a read-only folder.
        copy.execute("PRAGMA journal_mode = DELETE")


def _remove(half: Path) -> None:
    """Remove a half-made copy with its companions: an old journal would be rolled back into the next attempt."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        half.with_name(half.name + suffix).unlink(missing_ok=True)
