"""Copies the database before a migration changes it.

SQLite's backup API makes the copy, so that it is consistent while others read and write. It is complete and synced
before anything is changed. The program never deletes these copies.
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
    """Copy the database to `<name>.before-v<number>`, or `….2`, `….3`, and return that path.

    The caller holds the write lock. The copy of an interrupted migration is used again if it has the same readings.
    Raise StorageError or sqlite3.Error.
    """
    try:
        target = _name(path, number)
        if not target.exists():
            _make(path, target, progress)
        return target
    except OSError as error:
        raise translate(error, path) from error


def read_only(path: Path) -> str:
    """Return the URI that opens the file read-only, whatever characters its name has."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _name(path: Path, number: int) -> Path:
    first = f"{path.name}.before-v{number}"
    names = itertools.chain([first], (f"{first}.{n}" for n in itertools.count(2)))
    candidates = (path.with_name(name) for name in names)
    return next(candidate for candidate in candidates if not candidate.exists() or _same(candidate, path))


def _same(copy: Path, path: Path) -> bool:
    ours = _fingerprint(path)
    try:
        return _fingerprint(copy) == ours
    except sqlite3.DatabaseError:
        return False


def _fingerprint(path: Path) -> list[tuple[object, ...]]:
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
    # SQLite would create it readable by all, even if the original is not.
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
    """Remove an incomplete copy and its journals, which would be rolled back into the next attempt."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        half.with_name(half.name + suffix).unlink(missing_ok=True)
