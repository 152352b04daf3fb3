"""What a collector keeps between cycles, such as its source's address, in `data/<collector>.session.json`.

The file has mode 0600 because it may hold session tokens. Everything in it can be rebuilt: a lost or damaged file
counts as empty.
"""

import errno
import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

from runtime import files

FULL = errno.ENOSPC, errno.EDQUOT
BLOCK_BYTES = 512  # the unit of st_blocks on every file system (stat(2))


class State(MutableMapping[str, object]):
    """JSON values by name; `save` writes them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = _load(path)
        self._saved = json.dumps(self._values)

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __setitem__(self, name: str, value: object) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, name: str) -> str | None:
        """Return the value if it is a string, else None."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def save(self) -> None:
        """Write the file if anything has changed, even on a full disk. Raise OSError."""
        values = json.dumps(self._values)
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
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
