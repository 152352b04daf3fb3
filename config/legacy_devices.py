"""The predecessor's `device_registry.yaml`, in which people gave devices their names and places.

Read once in a database's life, when its tables are made; from then on names live in the database. Nothing here writes
the file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from config.document import read

FILE_NAME = "device_registry.yaml"
# A word of three letters or more: a bare hardware address (00:17:88:…, ec:b5:fa:…) begins with two digits of its own.
DEVICE_ID = re.compile(r"[a-z][a-z_]{2,}:\S.*")


@dataclass(frozen=True)
class NamedDevice:
    """A device as somebody named it; `device_id` is `hue:…` or `alexa:…`."""

    device_id: str
    device_type: str | None
    name: str | None
    location: str | None


def known_devices(path: Path) -> list[NamedDevice]:
    """Given config.yaml's path, return what stands in the file beside it; nothing where there is none.

    Raise ConfigurationError for a file that cannot be read. Entries that are no devices are left out.
    """
    file = path.with_name(FILE_NAME)
    document = read(file, f"correct {file}, or remove it to go on without the names in it") or {}
    entries = document.get("devices", document)
    found = entries.items() if isinstance(entries, dict) else ()
    return [NamedDevice(key, *(_text(entry, name) for name in ("device_type", "name", "location")))
            for key, entry in found if isinstance(entry, dict) and isinstance(key, str) and DEVICE_ID.fullmatch(key)]


def _text(entry: dict[object, object], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value.strip() else None
