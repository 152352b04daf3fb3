"""The witness of the record outside data/, which may be on a disk that is not mounted, deleted, or another home's.

Its line decides which record has to be there. `data/readings.stored`, the marker, decides that for a database without a line,
and whether data/ is the record's own folder: below a mount point it is missing, on another disk it holds another id.
"""

import logging
import os
import sqlite3
from pathlib import Path

from runtime import files
from runtime.errors import Missing, StorageError, Unusable
from storage import lost_database
from storage.state import Line, Witness, escape

log = logging.getLogger(__name__)


def ensure_present(witness: Witness, database: Path) -> None:
    """Raise Missing if the database is gone or empty, though readings were stored in it."""
    real, problem = Path(os.path.realpath(database)), trouble(witness)
    if not lost_database.is_gone(real):
        return
    if line := witness.line(database):
        raise Missing(f"{real} is gone, though readings were stored in it since {line.since}", lost_database.bring_back())
    try:
        is_marked = files.exists(witness.marker)
    except OSError as error:
        raise files.translate(error, witness.marker) from error
    if is_marked:
        raise Missing(f"{real} is gone, though readings were stored in it", lost_database.bring_back())
    if problem is not None:
        raise Missing(f"{real} is gone, and cannot be looked up: {problem}", problem.remedy)


def trouble(witness: Witness) -> StorageError | None:
    error = witness.content[1]
    if isinstance(error, OSError):
        return files.translate(error, witness.file)
    return Unusable(f"{witness.file} is damaged", lost_database.bring_back()) if error else None


def another_record(witness: Witness, database: Path, line: Line) -> Missing:
    return Missing(f"{database} holds another record than the one with readings since {line.since} ({witness.file})",
                   "is the right disk mounted? If this is the database to use from now on: "
                   f"{lost_database.accept_command()}")


def renew(witness: Witness, connection: sqlite3.Connection, database: Path, now: str) -> None:
    """Write the line of a database and the marker; `now` is the time of its first reading. Raise OSError."""
    row, line = connection.execute("SELECT value FROM record WHERE key = 'record_id'").fetchone(), witness.line(database)
    if row is None:
        return
    since, = connection.execute("SELECT MIN(timestamp) FROM readings").fetchone()
    try:
        lost_database.mark_has_data(witness.marker, row[0])  # first: with a line only, data/ would not be the record's own
    finally:
        if line is None or line.record_id != row[0] or witness.content[1]:
            _write(witness, database, Line(escape(database), row[0], str(since or now)))


def renew_or_log(witness: Witness, connection: sqlite3.Connection, database: Path, now: str) -> None:
    """Renew before anything is stored, so that no kill comes in between."""
    try:
        renew(witness, connection, database, now)
    except OSError as error:
        log.info("cannot write %s: %s", witness.file, error.strerror)


def has_record(witness: Witness, database: Path) -> bool:
    """Return whether readings were stored in the database. Raise OSError."""
    return witness.line(database) is not None or files.exists(witness.marker)


def forget(witness: Witness, database: Path) -> None:
    """Remove the line of a database, and the marker. Raise OSError."""
    if witness.line(database) or witness.content[1]:
        _write(witness, database, None)
    witness.marker.unlink(missing_ok=True)


def _write(witness: Witness, database: Path, line: Line | None) -> None:
    lines = [other for other in witness.content[0] if other.path != escape(database)] + ([line] if line else [])
    text = "".join("\t".join(line) + "\n" for line in lines)
    files.write_atomically(witness.file, text.encode("utf-8", "surrogateescape"), 0o644)
    witness.content = lines, None


def identify(connection: sqlite3.Connection, expected: str | None) -> None:
    """Give a database without an id the expected one, else a random one."""
    connection.execute("INSERT OR IGNORE INTO record VALUES ('record_id', coalesce(?, lower(hex(randomblob(16)))))",
                       (expected,))
