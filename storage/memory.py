"""What a collector remembers from one cycle to the next: where its source was found, until when to leave it alone.

A small JSON object in `data/<collector>.session.json`, mode 0600, for it may hold session tokens. All of it can be
found out again: a lost or damaged file is an empty memory, never an error.
"""

import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from storage.files import write_atomically


class Memory(MutableMapping[str, object]):
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
        """Write what has changed since it was loaded. Raise OSError where that cannot be."""
        values = json.dumps(self._values)
        if values != self._saved or _is_open_to_others(self._path):
            write_atomically(self._path, values + "\n")
            self._saved = values


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:
        return False


def _load(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
