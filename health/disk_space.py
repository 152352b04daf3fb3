"""Is there room on the disks of the data, the database and the log?"""

import os
from pathlib import Path

from health.finding import Finding, Findings
from health.setup import Installation
from runtime import files, system_commands

WARN_SHARE, FAIL_SHARE, FAIL_BYTES = 0.05, 0.01, 100_000_000


def check(installation: Installation) -> Findings:
    configuration = installation.configuration
    disks: dict[int, Path] = {}
    for folder in (configuration.data, configuration.storage.database_path.parent,
                   configuration.logging.log_file_path.parent):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        disks.setdefault(os.stat(existing).st_dev, existing)
    for number, folder in enumerate(disks.values(), 1):
        yield f"looking at the disk of {folder}"
        yield _room(folder, f"_{number}" if number > 1 else "")


def _room(folder: Path, suffix: str) -> Finding:
    disk = os.statvfs(folder)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    share = free / size if size else 0.0
    inodes = disk.f_favail / disk.f_files if disk.f_files else 1.0  # some file systems do not count them
    figures = (f"'disk_free{suffix}'={free}B;{int(size * WARN_SHARE)}:;"
               f"{max(int(size * FAIL_SHARE), FAIL_BYTES)}:;0;{size}",)
    sentence = f"{free // 1_000_000} MB ({share:.1%}) of the disk of {folder} are free"
    remedy = files.make_room(folder)
    if free < FAIL_BYTES or share < FAIL_SHARE:
        return Finding("fail", sentence, remedy, figures)
    if inodes < FAIL_SHARE:
        return Finding("fail", f"the disk of {folder} has no room for more files ({inodes:.1%} of its inodes are free)",
                       f"the folders with the most files come last in: {system_commands.fullest_folders(folder)}", figures)
    return Finding("warn" if share < WARN_SHARE else "pass", sentence, remedy, figures)
