"""What a collector keeps between cycles, such as its source's address, in `data/<collector>.session.json`.

Mode 0600, as it may hold session tokens. A lost or damaged file counts as empty.
"""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

from runtime import files

CONFIGURATION_ALERT = "ALERT_CONFIGURATION_WRONG.txt"
NOTIFICATIONS = "notifications.json"  # exists while an alert is active or a notifier has failed
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
