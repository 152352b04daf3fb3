"""A log under test: small enough to rotate often, written in numbered lines, read back whole."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from config.settings import Logging
from runtime import log


def attach(path: Path, max_bytes: int = 10_000, backup_count: int = 5, min_free_mb: int = 0, **options: Any) -> None:
    """Log to that path as the collector hue, with one secret to hide."""
    settings = Logging(log_file_path=path, max_bytes=max_bytes, backup_count=backup_count, min_free_mb=min_free_mb)
    log.set_up(settings, "hue", log.Redactor(["canary-secret"]), **options)


def say(number: int, worker: int = 0, length: int = 60) -> None:
    """Log one line with a start and an end that can be recognised."""
    logging.getLogger("collectors.hue").info("%d-%06d %s end", worker, number, "x" * length)


def say_all(numbers: Iterable[int]) -> None:
    """Log one line for each of the numbers."""
    for number in numbers:
        say(number)


def lock_file(path: Path) -> Path:
    """Return the file that is locked during a rotation."""
    return path.with_name(f".{path.name}.lock")


def family(path: Path) -> list[Path]:
    """Return the log and its backups, newest first."""
    return sorted(path.parent.glob(f"{path.name}*"), key=lambda each: int(each.suffix[1:]) if each != path else 0)


def lines(path: Path) -> list[str]:
    """Return every line that is kept, oldest first."""
    return [line for each in reversed(family(path)) for line in each.read_text().splitlines()]


def numbers(path: Path) -> list[int]:
    """Return the numbers of the lines that `say` wrote, oldest first. Raise AssertionError if one of them is torn."""
    written = [line for line in lines(path) if " INFO " in line]
    assert all(line.endswith("x end") for line in written)
    return [int(line.split()[4].split("-")[1]) for line in written]
