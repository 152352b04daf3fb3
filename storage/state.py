"""What small files keep between runs: a collector's state, and which record the database holds.

A state is `data/<collector>.session.json`: mode 0600, as it may hold session tokens. A lost or damaged one counts as empty.
`config/record.id`, the witness, has a line per database (docs/data.md); storage/witness.py writes it.
"""

import errno
import json
import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from runtime import files

CONFIGURATION_ALERT = "ALERT_CONFIGURATION_WRONG.txt"
NOTIFICATIONS = "notifications.json"  # exists while an alert is active or a notifier has failed
WITNESS, MARKER = "record.id", "readings.stored"
ID_LENGTH = 32
FULL = errno.ENOSPC, errno.EDQUOT
BLOCK_BYTES = 512  # the unit of st_blocks on every file system (stat(2))


class State(dict[str, object]):
    """JSON values by name; `save` writes them."""

    def __init__(self, path: Path) -> None:
        super().__init__(_load(path))
        self._path, self._saved = path, json.dumps(self)

    def text(self, name: str) -> str | None:
        """Return the value if it is a string, else None."""
        value = self.get(name)
        return value if isinstance(value, str) else None

    def save(self) -> None:
        """Write the file if anything has changed, even on a full disk. Raise OSError."""
        values = json.dumps(self)
        if values != self._saved or _must_be_written(self._path):
            content = f"{values}\n".encode("ascii")
            try:
                files.write_atomically(self._path, content)
            except OSError as error:
                if error.errno not in FULL or not _overwrite(self._path, content):
                    raise
            self._saved = values


class Line(NamedTuple):
    """`since` is the time of the first reading."""

    path: str
    record_id: str
    since: str


class Witness:
    """The witness beside a config.yaml, and the marker in data/, each read once."""

    def __init__(self, config_path: Path) -> None:
        self.file = config_path.with_name(WITNESS)
        self.data = config_path.parent.parent / "data"
        self.marker = self.data / MARKER

    @cached_property
    def folder(self) -> Path:
        """The folder for what a run writes: data/, or config/ while data/ is not the record's own."""
        lines, error = self.content
        if not (lines or error):
            return self.data
        try:
            marked = self.marked
        except (FileNotFoundError, NotADirectoryError):
            return self.file.parent
        except OSError:  # closed to this account: reported where the folder is used
            return self.data
        is_foreign = marked and lines and all(marked != line.record_id for line in lines)
        return self.file.parent if is_foreign else self.data

    def line(self, database: Path) -> Line | None:
        return next((line for line in self.content[0] if line.path == escape(database)), None)

    def is_current(self, database: Path) -> bool:
        line = self.line(database)
        with suppress(OSError):
            return line is not None and self.marked == line.record_id
        return False

    @cached_property
    def content(self) -> tuple[list[Line], Exception | None]:
        """The lines, and why there may be more."""
        try:
            text = self.file.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return [], None
        except OSError as error:
            return [], error
        parts = [line.split("\t") for line in text.split("\n") if line]
        lines = [Line(*part) for part in parts if len(part) == 3 and _is_id(part[1]) and part[0].startswith("/")]
        return lines, None if len(lines) == len(parts) else ValueError("damaged")

    @cached_property
    def marked(self) -> str:
        """The id in the marker, empty if it has none. Raise OSError."""
        text = self.marker.read_bytes().decode("ascii", "replace").rpartition("record: ")[2].strip()
        return text if _is_id(text) else ""


def closed_path(database: Path) -> Path:
    return database.with_name(f"{database.name}.closed")


def has_wal(database: Path) -> bool:
    with suppress(OSError):
        return os.stat(f"{database}-wal").st_size > 0
    return False


def identity(database: Path) -> bytes:
    """Return what changes when another file is put in the place of the database. Raise OSError."""
    status = os.stat(database)
    return b"%d %d %d" % (status.st_ino, status.st_size, status.st_mtime_ns)


def remember_closed(database: Path) -> None:
    """Keep which file was closed last; without it, the next run beside a -wal looks closely."""
    with suppress(OSError):
        file = os.open(closed_path(database), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            files.write_at(file, 0, identity(database).ljust(64))
        finally:
            os.close(file)


def escape(database: Path) -> str:
    return str(database).replace("\n", "\\n")


def _is_id(text: str) -> bool:
    return len(text) == ID_LENGTH and not text.strip("0123456789abcdef")


def _overwrite(path: Path, content: bytes) -> bool:
    """Overwrite the file if its disk blocks suffice; return whether they did. A torn file counts as empty."""
    with suppress(FileNotFoundError), open(path, "r+b") as file:
        status = os.fstat(file.fileno())
        if len(content) <= status.st_blocks * BLOCK_BYTES:
            os.fchmod(file.fileno(), 0o600)
            files.write_at(file.fileno(), 0, content.ljust(status.st_size))
            files.sync_file(file.fileno())
            return True
    return False


def _must_be_written(path: Path) -> bool:
    """Return whether others may read the file, or it is missing (a full disk has no room for it later)."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:
        return True


def _load(path: Path) -> dict[str, object]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe in its place is empty
        with open(file, "rb") as opened:
            values = json.load(opened)
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
