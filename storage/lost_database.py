"""A missing or damaged database is replaced by a new one only on a person's command.

Once `data/readings.stored`, the marker, or the witness (storage/witness.py) shows that readings have been stored, a missing
or empty database is an unmounted disk or an accident: a new one would hide for years that the old one is lost.
"""

import glob
import logging
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from runtime import files
from runtime.errors import Damaged

log = logging.getLogger(__name__)

ACCEPT = "python devices.py accept-new-database"
BRING_BACK = f"is its disk mounted? If it is lost, bring a backup back, or accept a new one: {ACCEPT}"
MARKER = "readings.stored"
MARKER_TEXT = f"""\
Readings have been stored in the database. As long as this file exists, a missing database is not replaced by a new one.
If you want a new one: {ACCEPT}
"""
SUFFIXES = ("", "-wal", "-shm")


def mark_has_data(marker: Path, record_id: str) -> None:
    """Mark that readings of a record have been stored. On a full disk the file stays empty: its name is enough."""
    try:
        files.write_atomically(marker, f"{MARKER_TEXT}record: {record_id}\n", 0o644)
    except OSError:
        try:
            marker.touch()
        except OSError as error:
            log.error("cannot record that readings were stored: %s", error)


def is_gone(database: Path) -> bool:
    try:
        return os.stat(database).st_size == 0
    except FileNotFoundError:
        return True
    except OSError:  # opening the database reports it
        return False


def set_aside(database: Path, stamp: str, examine: Callable[[], None]) -> list[Path]:
    """Set aside a database for which `examine` raises Damaged, under the caller's lock; return its new paths."""
    try:
        if not is_gone(database):
            examine()
            return []
    except Damaged:
        pass
    moved = {Path(f"{database}{suffix}"): Path(f"{database}.set-aside-{stamp}{suffix}") for suffix in SUFFIXES}
    renamed = [path.rename(target) for path, target in moved.items() if path.exists()]
    files.sync(database.parent)
    return renamed


def older_databases(database: Path) -> list[Path]:
    name = glob.escape(database.name)
    paths = [path for kind in ("set-aside", "before-v") for path in database.parent.glob(f"{name}.{kind}*")]
    return sorted((path for path in paths if not path.name.endswith(SUFFIXES[1:])), key=os.path.getmtime, reverse=True)


def registry_query(database: Path) -> str:
    return f'sqlite3 -readonly -header {shlex.quote(str(database))} "SELECT * FROM device_registry"'
