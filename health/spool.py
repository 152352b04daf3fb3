"""Do readings wait in the spool, or in config/, and is it undamaged?"""

import os
import shlex
from datetime import datetime
from pathlib import Path

from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import files
from runtime.commands import command
from runtime.formats import format_time, pluralize
from storage import spool
from storage.state import Witness


def check(installation: Installation) -> Findings:
    yield "reading the spool"
    config_folder = installation.configuration.path.parent
    waiting, journal = config_folder / spool.WAITING, installation.configuration.data / spool.NAME
    journals = [path for path in (waiting, journal) if files.exists(path)]
    for path in journals:
        yield from _journal(path, installation)
    if not journals:
        yield Finding("pass", "no readings wait", figures=("'spool_readings'=0;0",))
    yield from _witness(Witness(installation.configuration.path), config_folder)


def _witness(witness: Witness, folder: Path) -> Findings:
    try:
        from storage.witness import trouble
    except ImportError:  # no sqlite3: reported by the checks of the database
        return
    if folder.is_dir() and files.is_closed(folder):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        yield Finding("warn", f"no file can be created in {folder} ({files.owner(folder)}): if the disk of the readings is "
                      "not mounted, a new database is begun, or the readings are lost",
                      f"mount it for writing: sudo mount -o remount,rw \"$(findmnt -n -o TARGET -T {_quoted(folder)})\""
                      if is_read_only else files.chown_folder_command(folder))
    elif problem := trouble(witness):
        yield failure("warn", problem)


def _journal(journal: Path, installation: Installation) -> Findings:
    try:
        status = spool.status(journal.parent, journal.name)
    except OSError as error:
        yield failure("fail", files.translate(error, journal))
        return
    if not os.access(journal, os.W_OK):
        yield Finding("fail", f"{journal} cannot be written, so that no reading can be saved there",
                      files.chown_file_command(journal))
    collect_command, aside = installation.collect_command, journal.with_suffix(".bad")
    yield _waiting(status, installation.request.now, collect_command)
    if status.set_aside:
        first = "" if aside.exists() else f"let a collector put them there: {collect_command}; then "
        yield Finding("fail", f"{status.set_aside} bytes of the spool were damaged and are kept in {aside}",
                      f"{first}each line is a cycle's readings as JSON: store by hand what you need, then: "
                      f"rm {_quoted(aside)}")


def _waiting(status: spool.SpoolStatus, now: datetime, collect_command: str) -> Finding:
    figures = (f"'spool_readings'={status.readings};0", f"'spool_used'={status.used:.0%};0")
    if status.oldest is None:
        return Finding("pass", f"no readings wait, {status.used:.0%} of the spool is in use", figures=figures)
    hours = (now - status.oldest).total_seconds() / 3600
    return Finding(
        "warn", f"waiting for the database: {pluralize(status.readings, 'reading')} of "
        f"{pluralize(status.cycles, 'cycle')}, the oldest since {format_time(status.oldest)} ({hours:.1f} h); "
        f"{status.used:.0%} of the spool is in use",
        f"see why: {command('healthcheck.py', '--only', 'database_write')}; after that is solved, the next cycle stores "
        f"them: {collect_command}", figures)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
