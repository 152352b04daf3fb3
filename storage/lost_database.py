"""A missing or damaged database is replaced by a new one only on a person's command.

Once readings have been stored, a missing or empty database is an unmounted disk or an accident: a new one would hide for
years that the old one is lost.
"""

import itertools
import logging
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from runtime import files
from runtime.errors import Damaged

log = logging.getLogger(__name__)

MARKER_TEXT = """\
Readings have been stored in the database. As long as this file exists, a missing database is not replaced by a new one.
If you want a new one: {}
"""
SUFFIXES = ("", "-wal", "-shm")


def mark_has_data(marker: Path, record_id: str) -> None:
    try:
        files.write_or_create(marker, f"{MARKER_TEXT.format(accept_command())}record: {record_id}\n")
    except OSError as error:
        log.error("cannot record that readings were stored: %s", error)


def bring_back() -> str:
    from runtime.commands import command
    return (f"is its disk mounted? If it is lost, restore a backup: {command('readings.py', 'restore', 'FILE')}; or accept "
            f"a new one: {accept_command()}")


def begin_remedy() -> str:
    from runtime.commands import command
    return f"check its path; if nothing has been collected yet: {command('healthcheck.py')}"


def replace_remedy() -> str:
    from runtime.commands import command
    return (f"restore a backup: {command('readings.py', 'restore', 'FILE')}; or set it aside and start a new one: "
            f"{accept_command()}")


def migrate_command() -> str:
    from runtime.commands import command
    return command("devices.py", "migrate")


def accept_command() -> str:
    from runtime.commands import command
    return command("devices.py", "accept-new-database")


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
    return move_aside(database, stamp)


def move_aside(database: Path, stamp: str) -> list[Path]:
    """Rename the database and SQLite's files beside it, replacing none; return their new paths."""
    base = f"{database}.set-aside-{stamp}"
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    name = next(name for name in names if not any(os.path.lexists(f"{name}{suffix}") for suffix in SUFFIXES))
    moved = {Path(f"{database}{suffix}"): Path(f"{name}{suffix}") for suffix in SUFFIXES}
    renamed = [path.rename(target) for path, target in moved.items() if path.exists()]
    files.sync(database.parent)
    return renamed


def older_databases(database: Path) -> list[Path]:
    beginnings = tuple(f"{database.name}.{kind}" for kind in ("set-aside", "before-v"))
    paths = [database.with_name(name) for name in os.listdir(database.parent)
             if name.startswith(beginnings) and not name.endswith(SUFFIXES[1:])]
    return sorted(paths, key=os.path.getmtime, reverse=True)


def registry_query(database: Path) -> str:
    return f'sqlite3 -readonly -header {shlex.quote(str(database))} "SELECT * FROM device_registry"'
