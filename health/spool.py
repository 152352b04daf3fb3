"""Do readings wait in the spool for the database, and is the spool undamaged?"""

import os
import shlex
from datetime import datetime

from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import files
from runtime.commands import command
from runtime.formats import format_time, pluralize
from storage import spool


def check(installation: Installation) -> Findings:
    yield "reading the spool"
    data = installation.configuration.data
    journal = data / spool.NAME
    if not files.exists(journal):
        yield Finding("pass", "no readings wait", figures=("'spool_readings'=0;0",))
        return
    try:
        status = spool.status(data)
    except OSError as error:
        yield failure("fail", files.translate(error, journal))
        return
    if not os.access(journal, os.W_OK):
        yield Finding("fail", f"{journal} cannot be written, so that no reading can be saved there",
                      files.chown_file_command(journal))
    collect_command, aside = installation.collect_command, data / spool.SET_ASIDE
    yield _waiting(status, installation.request.now, collect_command)
    if status.set_aside:
        first = "" if aside.exists() else f"let a collector put them there: {collect_command}; then "
        yield Finding("fail", f"{status.set_aside} bytes of the spool were damaged and are kept in {aside}",
                      f"{first}each line is a cycle's readings as JSON: store by hand what you need, then: "
                      f"rm {shlex.quote(str(aside))}")


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
