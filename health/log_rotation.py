"""Can the log be written and rotated, and how large is it?"""

import os
import shlex
from datetime import datetime, timezone
from pathlib import Path

import config
from health.finding import Finding, Findings, failure
from health.installation import Installation
from runtime import files


def check(installation: Installation) -> Findings:
    """Yield what keeps the log from being written or rotated, and its size."""
    settings = installation.configuration.logging
    path = settings.log_file_path
    yield f"looking at {path}"
    for problem in installation.problems("logging"):
        yield Finding("fail", f"invalid settings: {problem}", f"correct {problem.partition(':')[0]} in config.yaml")
    try:
        yield from _folder(path)
        yield from _backups(settings)
    except OSError as error:
        yield failure("fail", files.translate(error, path))


def _folder(path: Path) -> Findings:
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or files.is_closed(folder):
        yield Finding("fail", f"the log cannot be written or rotated in {folder} ({files.owner(folder)})",
                      files.chown_folder_command(folder))
    elif path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        yield Finding("fail", f"the log {path} cannot be written", files.chown_file_command(path) if path.is_file() else
                      "set logging.log_file_path in config.yaml to a file")


def _backups(settings: config.Logging) -> Findings:
    path = settings.log_file_path
    names = [Path(f"{path}.{number}") for number in range(1, settings.backup_count + 1)]
    for name in (name for name in names if name.is_dir()):
        yield Finding("fail", f"the log cannot be rotated, because {name} is a folder",
                      f"mv {shlex.quote(str(name))} {shlex.quote(f'{name}.folder')}")
    backups = [name for name in names if name.is_file()]
    size = path.stat().st_size if path.is_file() else 0
    total = size + sum(backup.stat().st_size for backup in backups)
    limit = settings.max_bytes * (settings.backup_count + 1)
    yield from _disk(settings, limit)
    rotated = f"last rotated {_modified(backups[0])}" if backups else "never rotated yet"
    yield Finding("pass", f"{path.name} {size} of {settings.max_bytes} bytes, {len(backups)} of "
                  f"{settings.backup_count} backups, {total} bytes in all, {rotated}",
                  figures=(f"'log'={total}B;;{limit}",))


def _disk(settings: config.Logging, limit: int) -> Findings:
    disk = os.statvfs(next(parent for parent in settings.log_file_path.parents if parent.exists()))
    size = disk.f_blocks * disk.f_frsize
    if size < settings.min_free_mb * 1_000_000:
        yield Finding("fail", "the log is never rotated, because its disk is smaller than logging.min_free_mb "
                      f"({settings.min_free_mb} MB)", "set logging.min_free_mb in config.yaml to less")
    elif size < limit:
        yield Finding("fail", f"the logs may grow to {limit // 1_000_000} MB, which is more than their disk has",
                      "set logging.max_bytes or logging.backup_count in config.yaml to less")


def _modified(path: Path) -> str:
    return f"{datetime.fromtimestamp(path.stat().st_mtime, timezone.utc):%Y-%m-%dT%H:%M:%S+00:00}"
