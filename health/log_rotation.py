"""Can the log be written and rotated, and how large is it?"""

import os
import shlex
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import config
from health.finding import Finding, Findings
from runtime import files


def log_rotation(settings: config.Logging, problems: Iterable[str]) -> Findings:
    """Can the log be written and rotated, and how large is it?"""
    path = settings.log_file_path
    yield f"looking at {path}"
    for problem in problems:
        yield Finding("fail", f"the settings cannot be used: {problem}",
                      f"correct {problem.partition(':')[0]} in config.yaml")
    try:
        yield from _log_folder(path)
        yield from _log_files(settings)
    except OSError as error:
        trouble = files.translate(error, path)
        yield Finding("fail", str(trouble), trouble.remedy)


def _log_folder(path: Path) -> Findings:
    folder = next(each for each in path.parents if each.exists())
    if not folder.is_dir() or files.is_closed(folder):
        yield Finding("fail", f"the log cannot be written or rotated in {folder} ({files.owner(folder)})",
                      files.chown_folder_command(folder))
    elif path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        yield Finding("fail", f"the log {path} cannot be written", files.chown_file_command(path) if path.is_file() else
                      "set logging.log_file_path in config.yaml to a file")


def _log_files(settings: config.Logging) -> Findings:
    path = settings.log_file_path
    kept = [Path(f"{path}.{number}") for number in range(1, settings.backup_count + 1)]
    for each in (each for each in kept if each.is_dir()):
        yield Finding("fail", f"{each} is a folder, so that the log cannot be rotated", f"mv {shlex.quote(str(each))} "
                      f"{shlex.quote(f'{each}.folder')}")
    there = [each for each in kept if each.is_file()]
    current = path.stat().st_size if path.is_file() else 0
    total = current + sum(each.stat().st_size for each in there)
    limit = settings.max_bytes * (settings.backup_count + 1)
    yield from _log_room(settings, limit)
    rotated = f"last rotated {_changed(there[0])}" if there else "never rotated yet"
    yield Finding("pass", f"{path.name} {current} of {settings.max_bytes} bytes, {len(there)} of "
                  f"{settings.backup_count} backups, {total} bytes in all, {rotated}",
                  figures=(f"'log'={total}B;;{limit}",))


def _log_room(settings: config.Logging, limit: int) -> Findings:
    disk = os.statvfs(next(each for each in settings.log_file_path.parents if each.exists()))
    size = disk.f_blocks * disk.f_frsize
    if size < settings.min_free_mb * 1_000_000:
        yield Finding("fail", "the log is never rotated: its whole disk is smaller than logging.min_free_mb "
                      f"({settings.min_free_mb} MB)", "set logging.min_free_mb in config.yaml to less")
    elif size < limit:
        yield Finding("fail", f"the logs may grow to {limit // 1_000_000} MB, more than their disk has",
                      "set logging.max_bytes or logging.backup_count in config.yaml to less")


def _changed(path: Path) -> str:
    return f"{datetime.fromtimestamp(path.stat().st_mtime, timezone.utc):%Y-%m-%dT%H:%M:%S+00:00}"
