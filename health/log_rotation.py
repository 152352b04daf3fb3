"""Can the log be written and rotated, and how large is it?"""

import os
import shlex
from datetime import datetime, timezone
from pathlib import Path

from config import Logging
from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import files
from runtime.formats import format_time


def check(installation: Installation) -> Findings:
    settings = installation.configuration.logging
    path = settings.log_file_path
    yield f"looking at {path}"
    for problem in installation.problems("logging"):
        yield Finding("fail", f"invalid settings: {problem}", f"correct {problem.partition(':')[0]} in config.yaml")
    try:
        folder = next(parent for parent in path.parents if parent.exists())
        yield from _permissions(path, folder)
        yield from _sizes(settings, folder)
    except OSError as error:
        yield failure("fail", files.translate(error, path))


def _permissions(path: Path, folder: Path) -> Findings:
    if not folder.is_dir() or files.is_closed(folder):
        yield Finding("fail", f"the log cannot be written or rotated in {folder} ({files.owner(folder)})",
                      files.chown_folder_command(folder))
    elif path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        yield Finding("fail", f"the log {path} cannot be written", files.chown_file_command(path) if path.is_file() else
                      "set logging.log_file_path in config.yaml to a file")


def _sizes(settings: Logging, folder: Path) -> Findings:
    path = settings.log_file_path
    names = [Path(f"{path}.{number}") for number in range(1, settings.backup_count + 1)]
    for name in (name for name in names if name.is_dir()):
        yield Finding("fail", f"the log cannot be rotated, because {name} is a folder",
                      f"mv {shlex.quote(str(name))} {shlex.quote(f'{name}.folder')}")
    backups = [name for name in names if name.is_file()]
    size = path.stat().st_size if path.is_file() else 0
    total = size + sum(backup.stat().st_size for backup in backups)
    limit = settings.max_bytes * (settings.backup_count + 1)
    yield from _disk(settings, folder, limit)
    rotated = "never rotated yet"
    if backups:
        rotated = f"last rotated {format_time(datetime.fromtimestamp(backups[0].stat().st_mtime, timezone.utc))}"
    yield Finding("pass", f"{path.name} {size} of {settings.max_bytes} bytes, {len(backups)} of "
                  f"{settings.backup_count} backups, {total} bytes in all, {rotated}",
                  figures=(f"'log'={total}B;;{limit}",))


def _disk(settings: Logging, folder: Path, limit: int) -> Findings:
    disk = os.statvfs(folder)
    size = disk.f_blocks * disk.f_frsize
    if size < settings.min_free_mb * 1_000_000:
        yield Finding("fail", "the log is never rotated, because its disk is smaller than logging.min_free_mb "
                      f"({settings.min_free_mb} MB)", "set logging.min_free_mb in config.yaml to less")
    elif size < limit:
        yield Finding("fail", f"the logs may grow to {limit // 1_000_000} MB, which is more than their disk has",
                      "set logging.max_bytes or logging.backup_count in config.yaml to less")
