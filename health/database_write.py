"""Can the database be written, and is it undamaged? A row is inserted and rolled back, as a cycle would insert it."""

import os
from pathlib import Path

from health import database
from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import files, system_commands
from runtime.deadline import Deadline
from runtime.errors import Busy, StorageError, Unfinished
from storage import inspection
from storage.manager import lock_path

LOCK_SECONDS = 1.0  # to wait for another process that writes
SEARCH_SECONDS = 0.5  # for damage; a database of two million rows takes as long


def check(installation: Installation) -> Findings:
    path = database.locate(installation)
    if isinstance(path, Finding):
        yield path
        return
    if os.statvfs(path).f_flag & os.ST_RDONLY:  # after an error on the disk, Linux remounts it so (man mount, errors=)
        yield Finding("critical", f"the disk of {path} is read-only", "see in dmesg why, then: "
                      f"{system_commands.make_writable(path.parent)}")
        return
    if files.is_closed(path.parent):  # the database could be written only while its -wal exists
        yield Finding("critical", f"no file can be created in {path.parent} ({files.owner(path.parent)})",
                      files.chown_folder_command(path.parent))
        return
    yield from _trial(path, installation)


def _trial(path: Path, installation: Installation) -> Findings:
    left, is_deep = installation.request.deadline.remaining(), installation.request.is_deep
    half = left / 2
    search = Deadline(left - SEARCH_SECONDS if is_deep else min(SEARCH_SECONDS, half))
    yield "waiting to write"
    try:
        if inspection.try_write(path, min(LOCK_SECONDS, half), installation.request.now.replace(microsecond=0)):
            yield Finding("pass", f"{path} can be written")
        else:
            yield Finding("warn", f"{path} has an older schema, which the next cycle migrates",
                          installation.collect_command)
        yield "searching for damage"
        yield Finding("pass", inspection.find_damage(path, lambda: search.remaining() < 0, is_deep) or (
            "no damage found in tables and indexes (integrity_check)" if is_deep
            else "no damage found in the tables (quick_check)"))
    except Busy as error:
        yield Finding("fail", str(error), "try again in a minute; if it lasts, "
                      f"{system_commands.users_of(lock_path(path), path)} shows which process it is, and kill ends it")
    except StorageError as error:
        yield failure("warn" if isinstance(error, Unfinished) else "critical", error)
