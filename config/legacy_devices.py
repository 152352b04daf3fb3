"""The predecessor's `device_registry.yaml`, in which people gave devices their names and places.

Read once, when a database's tables are created; from then on names are kept there.
"""

import re
from pathlib import Path
from typing import NamedTuple

from config.document import read

FILE_NAME = "device_registry.yaml"
# A word of three letters or more: a bare hardware address (00:17:88:…, ec:b5:fa:…) begins with two digits.
DEVICE_ID = re.compile(r"[a-z][a-z_]{2,}:\S.*")


class NamedDevice(NamedTuple):
    """`device_id` is `hue:…` or `alexa:…`."""

    device_id: str
    device_type: str | None
    name: str | None
    location: str | None


def known_devices(path: Path) -> list[NamedDevice]:
    """Return the devices in the file beside config.yaml, without other entries. Raise ConfigurationError."""
    file = path.with_name(FILE_NAME)
    document = read(file, f"correct {file}, or remove it to go on without the names in it") or {}
    entries = document.get("devices", document)
    if not isinstance(entries, dict):
        return []
    return [NamedDevice(key, _text(entry, "device_type"), _text(entry, "name"), _text(entry, "location"))
            for key, entry in entries.items()
            if isinstance(entry, dict) and isinstance(key, str) and DEVICE_ID.fullmatch(key)]


def _text(entry: dict[object, object], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value.strip() else None
