"""The witness of the record outside data/: `config/record.id`, a line per database.

data/ may be on a disk that is not mounted, deleted, or another home's. Only a file elsewhere can show that. A line is the
database's path, the id in its table `record`, and the time of its first reading, separated by tabs.

Which counts when: the line decides whether a record has to be there, and which one. `data/readings.stored`, the marker,
decides that for a database without a line (from before the witness, or if config/ cannot be written). Besides it shows
whether data/ is the record's own folder: below a mount point it is missing, on another disk it holds another id.
"""

import logging
import os
import re
import sqlite3
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from runtime import files
from runtime.errors import Missing, StorageError, Unusable
from storage import lost_database, spool
from storage.lost_database import BRING_BACK

log = logging.getLogger(__name__)

FILE = "record.id"
LINE = re.compile(r"(/.*)\t([0-9a-f]{32})\t([-+:0-9T]+)")
MARKED = re.compile(r"^record: ([0-9a-f]{32})$", re.MULTILINE)
RIGHT_DISK = f"is the right disk mounted? If this is the database to use from now on: {lost_database.ACCEPT}"


class Line(NamedTuple):
    """A database with a record. `since` is the time of the first reading."""

    path: str
    record_id: str
    since: str


class Witness:
    """The witness beside a config.yaml; it is read once, when it is first needed."""

    def __init__(self, config_path: Path) -> None:
        self.file = config_path.with_name(FILE)
        self.data = config_path.parent.parent / "data"
        self.marker = self.data / lost_database.MARKER

    @cached_property
    def folder(self) -> Path:
        """The folder for what a run writes: data/, or config/ as long as data/ is not the record's own folder."""
        lines, problem = self._content
        if not (lines or problem):
            return self.data
        try:
            marked = self._marked
        except (FileNotFoundError, NotADirectoryError):
            return self.file.parent
        except OSError:  # closed to this account: reported where the folder is used
            return self.data
        is_foreign = marked and lines and all(marked != line.record_id for line in lines)
        return self.file.parent if is_foreign else self.data

    @property
    def journal(self) -> tuple[Path, str]:
        """Folder and name of the spool of this run."""
        return self.folder, spool.NAME if self.folder == self.data else spool.WAITING

    @property
    def problem(self) -> StorageError | None:
        """Why the witness cannot be read completely."""
        return self._content[1]

    def line(self, database: Path) -> Line | None:
        """Return the line of a database, given its configured path."""
        return next((line for line in self._content[0] if line.path == _escaped(database)), None)

    def ensure_present(self, database: Path) -> None:
        """Raise Missing if the database is gone or empty, though readings were stored in it."""
        with suppress(OSError):
            if os.stat(database).st_size:
                return
        real = Path(os.path.realpath(database))
        if not lost_database.is_gone(real):
            return
        if line := self.line(database):
            raise Missing(f"{real} is gone, though readings were stored in it since {line.since}", BRING_BACK)
        try:
            is_marked = self.marker.exists()
        except OSError as error:
            raise files.translate(error, self.marker) from error
        if is_marked:
            raise Missing(f"{real} is gone, though readings were stored in it", BRING_BACK)
        if self.problem is not None:
            raise Missing(f"{real} is gone, and cannot be looked up: {self.problem}", self.problem.remedy)

    def compare(self, connection: sqlite3.Connection, database: Path) -> str | None:
        """Return the id that a database without one is to get. Raise Missing if it holds another record."""
        line, held = self.line(database), record_id(connection)
        if line is not None and held not in (None, line.record_id):
            raise Missing(f"{database} holds another record than the one with readings since {line.since} "
                          f"({self.file})", RIGHT_DISK)
        return line.record_id if line else None

    def is_current(self, database: Path) -> bool:
        """Return whether the database has its line, and the marker its id."""
        line = self.line(database)
        try:
            return line is not None and self._marked == line.record_id
        except OSError:
            return False

    def renew(self, connection: sqlite3.Connection, database: Path, now: str) -> None:
        """Write the line of a database and the marker; `now` is the time of its first reading. Raise OSError."""
        held, line = record_id(connection), self.line(database)
        if held is None:
            return
        since, = connection.execute("SELECT MIN(timestamp) FROM readings").fetchone()
        if line is None or line.record_id != held or self.problem:
            self._write(database, Line(_escaped(database), held, str(since or now)))
        lost_database.mark_has_data(self.marker, held)

    def knows(self, database: Path) -> bool:
        """Return whether readings were stored in the database, as far as is known."""
        return self.line(database) is not None or self.marker.exists()

    def forget(self, database: Path) -> None:
        """Remove the line of a database, and the marker. Raise OSError."""
        if self.line(database) or self.problem:
            self._write(database, None)
        self.marker.unlink(missing_ok=True)

    def _write(self, database: Path, line: Line | None) -> None:
        lines = [other for other in self._content[0] if other.path != _escaped(database)] + ([line] if line else [])
        text = "".join("\t".join(line) + "\n" for line in lines)
        files.write_atomically(self.file, text.encode("utf-8", "surrogateescape"), 0o644)
        self._content = lines, None

    @cached_property
    def _content(self) -> tuple[list[Line], StorageError | None]:
        try:
            text = self.file.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return [], None
        except OSError as error:
            return [], files.translate(error, self.file)
        matches = [LINE.fullmatch(line) for line in text.split("\n") if line]
        lines = [Line(*match.groups()) for match in matches if match]
        return lines, None if all(matches) else Unusable(f"{self.file} is damaged", BRING_BACK)

    @cached_property
    def _marked(self) -> str:
        """The id in the marker, empty if it has none. Raise OSError."""
        match = MARKED.search(self.marker.read_text(encoding="utf-8", errors="replace"))
        return match[1] if match else ""


def record_id(connection: sqlite3.Connection) -> str | None:
    """Return the id of the record, None if the database is older than such ids."""
    try:
        row = connection.execute("SELECT value FROM record WHERE key = 'record_id'").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return None
    return str(row[0]) if row else None


def identify(connection: sqlite3.Connection, known: str | None) -> None:
    """Give a database without an id one: the id that the witness holds for its path, else a random one."""
    connection.execute("INSERT OR IGNORE INTO record VALUES ('record_id', coalesce(?, lower(hex(randomblob(16)))))",
                       (known,))


def _escaped(database: Path) -> str:
    return str(database).replace("\n", "\\n")
