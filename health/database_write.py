"""Can the database be written, and is it undamaged? A row is inserted and rolled back, as a cycle would insert it."""

import os
from pathlib import Path

from health import database
from health.finding import Finding, Findings, failure
from health.installation import Installation
from runtime import files, system_commands
from runtime.deadline import Deadline
from runtime.errors import Busy, StorageError
from storage import inspection
from storage.manager import lock_path

LOCK_SECONDS = 1.0  # to wait for another process that writes
SEARCH_SECONDS = 0.5  # for damage; a database of two million rows takes as long


def check(installation: Installation) -> Findings:
    """Yield what keeps a row from being written, and damage that was seen in the time available."""
    path = database.locate(installation)
    if isinstance(path, Finding):
        yield path
        return
    problem = _read_only(path) or _closed(path.parent)
    if problem is not None:
        yield problem
        return
    half = installation.request.deadline.remaining() / 2
    search = Deadline(min(SEARCH_SECONDS, half))
    yield "waiting to write"
    try:
        if inspection.try_write(path, min(LOCK_SECONDS, half)):
            yield Finding("pass", f"{path} can be written")
        else:
            yield Finding("warn", f"{path} has an older schema, which the next cycle migrates",
                          installation.collect_command)
        yield "searching for damage"
        yield Finding("pass", inspection.find_damage(path, lambda: search.remaining() < 0) or "no damage found")
    except Busy as error:
        yield Finding("fail", str(error), "try again in a minute; if it lasts, "
                      f"{system_commands.users_of(lock_path(path), path)} shows which process it is, and kill ends it")
    except StorageError as error:
        yield failure("critical", error)


def _read_only(path: Path) -> Finding | None:
    """Report a read-only disk: after an error on it, Linux remounts it so (man mount, errors=remount-ro)."""
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        return None
    return Finding("critical", f"the disk of {path} is read-only", "see in dmesg why, then: "
                   f"{system_commands.make_writable(path.parent)}")


def _closed(folder: Path) -> Finding | None:
    """Report a folder in which no file can be created: the database could be written only while its -wal exists."""
    if not files.is_closed(folder):
        return None
    return Finding("critical", f"no file can be created in {folder} ({files.owner(folder)})",
                   files.chown_folder_command(folder))
