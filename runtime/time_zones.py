"""The time zone of what people read: the one they chose, or the machine's."""

import os
from datetime import timezone, tzinfo

from runtime.errors import Unusable

LOCAL_TIME = "/etc/localtime"
FOLDER = "zoneinfo/"  # Debian and macOS link LOCAL_TIME into it (man 5 localtime)


def find_zone(name: str | None) -> tzinfo:
    """Return the named zone, or without a name the machine's. Raise Unusable if there is none."""
    from zoneinfo import ZoneInfo
    try:
        return ZoneInfo(name) if name else _machine_zone()
    except (KeyError, ValueError, OSError):
        raise Unusable(f"there is no time zone {name!r}", "give one such as Europe/London, or UTC") from None


def zone_name(zone: tzinfo) -> str | None:
    """Return the name by which other programs know the zone, such as Europe/London; None if it has none."""
    from zoneinfo import ZoneInfo
    return zone.key if isinstance(zone, ZoneInfo) else None


def _machine_zone() -> tzinfo:
    from zoneinfo import ZoneInfo
    try:
        name = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath(LOCAL_TIME).rpartition(FOLDER)[2]
        if name and not name.startswith("/"):
            return ZoneInfo(name)
        with open(LOCAL_TIME, "rb") as file:
            return ZoneInfo.from_file(file)
    except (KeyError, ValueError, OSError):
        return timezone.utc
