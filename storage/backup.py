"""Copies the database before a migration changes it, by SQLite's backup API. The program never deletes the copy."""

import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from runtime.files import sync, translate
from storage.schema import Progress, data_tables

PAGES_A_STEP = 1_000


def back_up(path: Path, number: int, progress: Progress) -> Path:
    """Copy the database to `<name>.before-v<number>`, or `….2`, `….3`, and return that path.

    The caller holds the write lock. A copy with the same readings, made by an interrupted migration, is used again.
    """
    suffixes = itertools.chain([""], (f".{n}" for n in itertools.count(2)))
    candidates = (path.with_name(f"{path.name}.before-v{number}{suffix}") for suffix in suffixes)
    try:
        target = next(candidate for candidate in candidates if not candidate.exists() or _same(candidate, path))
        if not target.exists():
            copy(path, target, progress)
        return target
    except OSError as error:
        raise translate(error, path) from error


def read_only(path: Path) -> str:
    """Return the URI that opens the file read-only, with any characters in its name."""
    return f"{path.absolute().as_uri()}?mode=ro"


def readable(path: Path) -> str:
    """Return the URI that reads a copy, also from a read-only disk, where SQLite could not make a -shm."""
    return read_only(path) if os.path.exists(f"{path}-wal") else f"{path.absolute().as_uri()}?immutable=1"


def _same(copy: Path, path: Path) -> bool:
    ours = _fingerprint(path)
    try:
        return _fingerprint(copy) == ours
    except sqlite3.DatabaseError:
        return False


def _fingerprint(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        return [(name, *connection.execute(f"SELECT COUNT(*), MAX(rowid) FROM {name}").fetchone())
                for name in data_tables(connection)]


def copy(path: Path, target: Path, progress: Progress) -> None:
    """Replace the target by a copy; at any failure it stays as it is. Raise OSError or sqlite3.Error."""
    half = target.with_name(f"{target.name}.copying")
    _remove(half)
    # SQLite would create it readable by all, even if the original is not.
    os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, path.stat().st_mode & 0o777))
    try:
        with closing(sqlite3.connect(readable(path), uri=True)) as source, closing(sqlite3.connect(half)) as new:
            source.backup(new, pages=PAGES_A_STEP,
                          progress=lambda _, remaining, total: progress("copy", total - remaining, total))
            # A copy in WAL mode could not be read from a read-only folder.
            new.execute("PRAGMA journal_mode = DELETE")
        sync(half)
        half.rename(target)
    finally:
        _remove(half)
    sync(target.parent)


def _remove(half: Path) -> None:
    """Remove an incomplete copy and its journals, which SQLite would roll back into the next one."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        half.with_name(half.name + suffix).unlink(missing_ok=True)
