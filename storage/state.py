"""What a collector remembers from one cycle to the next: where its source was found, until when to leave it alone.

A small JSON object in `data/<collector>.session.json`, mode 0600, for it may hold session tokens. All of it can be
found out again: a lost or damaged file is an empty memory, never an error.
"""

import errno
import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

from runtime import files

FULL = errno.ENOSPC, errno.EDQUOT
BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own (stat(2))


class State(MutableMapping[str, object]):
    """The values remembered, any that JSON can hold, by name. Nothing is written before `save`."""

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
        """Return a remembered text, None where there is none."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def save(self) -> None:
        """Write what has changed since it was loaded, on a full disk too. Raise OSError where that cannot be."""
        values = json.dumps(self._values)
        if values != self._saved or _is_to_be_written(self._path):
            content = f"{values}\n".encode("ascii")
            try:
                files.write_atomically(self._path, content)
            except OSError as error:
                if error.errno not in FULL or not _overwritten(self._path, content):
                    raise
            self._saved = values


def _overwritten(path: Path, content: bytes) -> bool:
    """Write into the room that the file takes already, if it is enough; torn, it would be an empty memory."""
    with suppress(FileNotFoundError), open(path, "r+b") as file:
        status = os.fstat(file.fileno())
        if len(content) <= status.st_blocks * BLOCK_BYTES:
            os.fchmod(file.fileno(), 0o600)
            files.write_at(file.fileno(), 0, content.ljust(status.st_size))
            os.fdatasync(file.fileno())
            return True
    return False


def _is_to_be_written(path: Path) -> bool:
    """Tell whether others may read the file, or there is none yet: a full disk has room only for what is there."""
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
