"""What the folders tell: is there room on their disks, do readings wait in the spool, does a file ask for a human?"""

import os
import shlex
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from health.finding import Finding, Findings
from runtime import files

LITTLE_SHARE, NO_SHARE, NO_BYTES = 0.05, 0.01, 100_000_000
MEGABYTE = 1_000_000


def disk_space(folders: Iterable[Path]) -> Findings:
    """Is there room on the disks of the folders, each disk told of once?"""
    disks: dict[int, Path] = {}
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        disks.setdefault(os.stat(there).st_dev, there)
    for number, folder in enumerate(disks.values(), 1):
        yield f"asking how full the disk of {folder} is"
        yield _room(folder, f"_{number}" if number > 1 else "")


def _room(folder: Path, number: str) -> Finding:
    disk = os.statvfs(folder)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    share = free / size if size else 0.0
    names = disk.f_favail / disk.f_files if disk.f_files else 1.0  # some file systems do not count them
    figures = (f"'disk_free{number}'={free}B;{int(size * LITTLE_SHARE)}:;"
               f"{max(int(size * NO_SHARE), NO_BYTES)}:;0;{size}",)
    sentence = f"{free // MEGABYTE} MB ({share:.1%}) of the disk of {folder} are free"
    remedy = files.make_room(folder)
    if free < NO_BYTES or share < NO_SHARE:
        return Finding("fail", sentence, remedy, figures)
    if names < NO_SHARE:
        return Finding("fail", f"the disk of {folder} has no room for more files ({names:.1%} of its inodes are free)",
                       remedy.replace("du -ax", "du --inodes -ax"), figures)
    return Finding("warn" if share < LITTLE_SHARE else "pass", sentence, remedy, figures)


def alerts(data: Path) -> Findings:
    """Does a file in `data` ask for a human?"""
    yield "looking for alerts"
    if data.is_dir() and files.is_closed(data):
        yield Finding("fail", f"no alert can be raised in {data} ({files.owner(data)})", files.chown_folder_command(data))
    found = sorted(data.glob("ALERT_*.txt"))
    for path in found:
        yield _alert(path)
    yield Finding("pass", "" if found else "no alerts", figures=(f"'alerts'={len(found)};;0",))


def _alert(path: Path) -> Finding:
    from storage import alert_files
    told = alert_files.read(path) or {}
    if "error" not in told:
        return Finding("fail", f"{path.name} stands, but says nothing: the disk had no room for it",
                       "make room on the disk; the next cycle that succeeds removes it, or fills it")
    return Finding("fail", f"{path.name} since {told.get('raised_at')}: {told['error']}",
                   f"{told.get('remedy')}; the next cycle that succeeds removes the file")


def waiting(data: Path, now: datetime) -> Findings:
    """Do readings wait in the spool for the database, or was any of it damaged?"""
    yield "looking into the spool"
    if not (data / "spool.journal").exists():
        yield Finding("pass", "no readings wait", figures=("'spool_readings'=0;0",))
        return
    from runtime.formats import format_time, pluralize
    from storage import spool
    try:
        look = spool.status(data)
    except OSError as error:
        trouble = files.translate(error, data / spool.NAME)
        yield Finding("fail", f"{trouble}", trouble.remedy)
        return
    if not os.access(data / spool.NAME, os.W_OK):
        yield Finding("fail", f"{data / spool.NAME} cannot be written: no reading can wait there",
                      files.chown_file_command(data / spool.NAME))
    figures = (f"'spool_readings'={look.readings};0", f"'spool_used'={look.used:.0%};0")
    if look.oldest is not None:
        hours = (now - look.oldest).total_seconds() / 3600
        who = f"{pluralize(look.readings, 'reading')} of {pluralize(look.cycles, 'cycle')}"
        yield Finding("warn", f"{who} {'waits' if look.readings == 1 else 'wait'} for the database, the oldest "
                      f"since {format_time(look.oldest)} ({hours:.1f} h); {look.used:.0%} of the spool is in use",
                      "python healthcheck.py --only database_write tells why; once that is well, the next cycle stores "
                      "them: python -m collectors.hue", figures)
    else:
        yield Finding("pass", f"no readings wait, {look.used:.0%} of the spool is in use", figures=figures)
    if look.set_aside:
        bad = data / spool.SET_ASIDE
        first = "" if bad.exists() else "python -m collectors.hue puts it there; then, "
        yield Finding("fail", f"{look.set_aside} bytes of the spool were damaged and are kept in {bad}",
                      f"{first}a line of it is a cycle's readings as JSON: store by hand what is to be saved, then: "
                      f"rm {shlex.quote(str(bad))}")
