"""When a database is gone or damaged: a fresh one takes its place only if a human says so.

`data/readings.stored` marks that readings were stored once. From then on a missing or emptied database is an unmounted
disk or an accident, never a new beginning: a fresh one would hide for years that the old one is lost.
"""

import glob
import logging
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from runtime import files
from runtime.errors import Damaged, Unusable

log = logging.getLogger(__name__)

MARKER = "readings.stored"
MEANING = """\
Readings were stored in the database. While this file stands, no fresh database is made in place of one that is gone.
If you want one: python devices.py accept-new-database
"""
ACCEPT = "python devices.py accept-new-database"


def mark(marker: Path) -> None:
    """Note that readings were stored, if that is not noted yet. A disk with no room for the words holds the name."""
    try:
        if marker.exists():
            return
        files.write_atomically(marker, MEANING, 0o644)
    except OSError:
        try:
            marker.touch()
        except OSError as error:
            log.error("cannot note that readings were stored: %s", error)


def check(database: Path, marker: Path) -> None:
    """Raise Unusable where readings were stored but the database is gone or empty, StorageError if nobody can tell."""
    try:
        were_stored = marker.exists()
    except OSError as error:
        raise files.translate(error, marker) from error
    if were_stored and is_gone(database):
        raise Unusable(f"{database} is gone, though readings were stored in it",
                       f"bring it back (is its disk mounted? is there a backup?), or begin a new one: {ACCEPT}")


def is_gone(database: Path) -> bool:
    """Tell whether there is no database, or one without a single byte."""
    try:
        return os.stat(database).st_size == 0
    except FileNotFoundError:
        return True
    except OSError:  # what it is will be told when it is opened
        return False


def accept(database: Path, marker: Path, stamp: str, examine: Callable[[], None]) -> list[Path]:
    """Make way for a fresh database: set aside a damaged one, and forget that readings were stored.

    `examine` raises Damaged for one that has to be replaced; nothing is done about a good one, and nothing is deleted.
    To be called under the writers' lock. Return where the files are now. Raise OSError where that cannot be.
    """
    try:
        if not is_gone(database):
            examine()
            return []
    except Damaged:
        pass
    there = [end for end in ("", "-wal", "-shm") if Path(f"{database}{end}").exists()]
    for end in there:
        os.rename(f"{database}{end}", f"{database}.set-aside-{stamp}{end}")
    files.sync(database.parent)
    marker.unlink(missing_ok=True)
    return [Path(f"{database}.set-aside-{stamp}{end}") for end in there]


def kept(database: Path) -> list[Path]:
    """Return what is kept of older databases beside one, the latest first."""
    name = glob.escape(database.name)
    found = (each for kind in ("set-aside", "before-v") for each in database.parent.glob(f"{name}.{kind}*"))
    return sorted((each for each in found if not each.name.endswith(("-wal", "-shm"))), key=os.path.getmtime,
                  reverse=True)


def asking(database: Path) -> str:
    """Return the command that shows what devices were called in an older database, whichever program made it."""
    return f'sqlite3 -readonly -header {shlex.quote(str(database))} "SELECT * FROM device_registry"'
