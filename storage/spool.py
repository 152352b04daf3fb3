"""Readings that wait for the database: on the disk before SQLite is touched, let go after its commit.

`data/spool.journal` is a megabyte of zeros, written while there is room and overwritten in place ever after, because on
a full disk nothing can grow: appending, a new file and a renamed one all fail then, and a one-shot process cannot even
open a database in WAL mode. (Copy-on-write file systems need room for an overwrite too; docs/reliability.md says more.)

A cycle is one line: `+` while it waits or `-` once it is stored, the CRC-32 and the length of what follows, and that as
JSON. Letting go is one byte, so no power cut leaves half of it undone; a line that is replayed once too often changes
nothing. What is damaged moves to `data/spool.bad`, where people find it, and never stands in the way of other lines.
"""

import json
import logging
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import files
from runtime.errors import Unusable
from runtime.formats import format_time, parse_time

if TYPE_CHECKING:
    from storage.reading import Cycle, Reading, Retry, Sighting

log = logging.getLogger(__name__)

NAME, SET_ASIDE = "spool.journal", "spool.bad"
SIZE = 1_048_576
PAGE = 4096
LOCK_SECONDS = 2.0  # others need the spool for some milliseconds; who waits this long meets one that hangs
HEAD = re.compile(rb"([+-])([0-9a-f]{8}) ([0-9]{1,7}) ")
BLANK = b"\0\n"


class SpooledCycle(NamedTuple):
    """A cycle that waits, what it took until it was put down (ms), and its line and where that stands."""

    cycle: "Cycle"
    duration_ms: float
    start: int
    line: bytes


class Look(NamedTuple):
    """What the spool holds: cycles, their readings, the start of the oldest, the share of it (0 to 1) in use.

    `set_aside` are the bytes of what is damaged, set aside already or by the next cycle.
    """

    cycles: int
    readings: int
    oldest: datetime | None
    used: float
    set_aside: int


class Full(Unusable):
    """The spool has no room for the cycle."""


def append(folder: Path, cycle: "Cycle", duration_ms: float) -> SpooledCycle:
    """Put a cycle down, on the disk when this returns. Raise Full where there is no room, else a StorageError."""
    body = json.dumps(_document(cycle, duration_ms), separators=(",", ":")).encode("ascii")
    line = b"+%08x %d %s\n" % (zlib.crc32(body), len(body), body)
    with _opened(folder) as journal:
        content = _content(journal)
        start, end = _room(content, len(line), folder / NAME)
        written = line + bytes(max(0, end - start - len(line)))  # and nothing is left of older lines
        try:
            _overwrite(journal, start, written)
        except OSError as error:
            _begin_anew(folder / NAME, content, start, written, error)
    return SpooledCycle(cycle, duration_ms, start, line)


def waiting(folder: Path, tell: Callable[[str], None] = log.critical) -> list[SpooledCycle]:
    """Return the cycles that wait, oldest first, after setting aside what is damaged and telling of it.

    Raise StorageError.
    """
    with _opened(folder) as journal:
        content = _content(journal)
        found, damaged = _sorted_out(content)
        if damaged:
            tell(_set_aside(folder / SET_ASIDE, journal, content, damaged))
    return sorted(found, key=lambda each: each.cycle.started_at)


def let_go(folder: Path, stored: Iterable[SpooledCycle]) -> None:
    """Mark cycles as stored. Raise StorageError; they are replayed then, which changes nothing.

    This need not be on the disk at once: whoever appends next sees to it.
    """
    with _opened(folder) as journal:
        for each in stored:
            line = each.line.rstrip(b"\n")  # whose end may have been damaged
            if os.pread(journal, len(line), each.start) == line:
                files.write_at(journal, each.start, b"-")


def peek(folder: Path) -> "list[Cycle]":
    """Return the cycles that wait, changing nothing and locking nobody out. Raise OSError as `look` does."""
    return [each.cycle for each in _seen(folder)[0]]


def look(folder: Path) -> Look:
    """Return what the spool holds, changing nothing. Raise OSError for one that cannot be read."""
    found, damaged = _seen(folder)
    unread, bad = sum(end - start for start, end in damaged), folder / SET_ASIDE
    return Look(
        cycles=len(found), readings=sum(len(each.cycle.readings) for each in found),
        oldest=min((each.cycle.started_at for each in found), default=None),
        used=(sum(len(each.line) - 1 for each in found) + unread) / SIZE,
        set_aside=unread + (bad.stat().st_size if bad.exists() else 0))


def _seen(folder: Path) -> tuple[list[SpooledCycle], list[tuple[int, int]]]:
    """Return what the spool holds, as far as it can be seen without its lock."""
    try:
        with (folder / NAME).open("rb") as file:
            content = _content(file.fileno())
    except FileNotFoundError:
        content = b""
    return _sorted_out(content)


def _sorted_out(content: bytes) -> tuple[list[SpooledCycle], list[tuple[int, int]]]:
    """Return the cycles that wait, in the order of the file, and where it is damaged."""
    found, damaged = [], []
    for start, end, sign in _pieces(content):
        piece = content[start:end]
        cycle = _parse(piece) if sign == b"+" else None
        if cycle is not None:
            found.append(SpooledCycle(*cycle, start, piece + b"\n"))
        elif sign != b"-":
            damaged.append((start, end))
    return found, damaged


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Hold the spool for this process alone, its file made or made up to its size where that can be."""
    path = folder / NAME
    try:
        with files.locked(folder / f"{NAME}.lock", LOCK_SECONDS):
            is_new = not path.exists()
            journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                _make_up(journal)
                if is_new:
                    files.sync(folder)
                yield journal
            finally:
                os.close(journal)
    except OSError as error:
        raise files.translate(error, path) from error


def _make_up(journal: int) -> None:
    """Write zeros up to the full size: room that is only promised is not there on a full disk."""
    size = os.fstat(journal).st_size
    if size < SIZE:
        try:
            _overwrite(journal, size, bytes(SIZE - size))
        except OSError as error:
            log.critical("the spool cannot be made up to its %d bytes, of which it has %d: %s", SIZE, size, error)


def _content(journal: int) -> bytes:
    """Return all of the file but the zeros at its end: a megabyte of them takes 3 ms to hold, and 10 to search."""
    content, zeros = bytearray(), 0
    while piece := os.pread(journal, 4 * PAGE, len(content) + zeros):
        if piece == bytes(len(piece)):
            zeros += len(piece)
        else:
            content += bytes(zeros) + piece
            zeros = 0
    return bytes(content).rstrip(b"\0")


def _pieces(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and sign of each intact line, and of what is damaged between them, which has no sign."""
    end = 0
    for head in HEAD.finditer(content):
        start, stop = head.start(), head.end() + int(head[3])
        if end <= start and stop <= len(content) and zlib.crc32(content[head.end():stop]) == int(head[2], 16):
            yield from _damaged(content, end, start)
            end = stop
            yield start, end, head[1]
    yield from _damaged(content, end, len(content))


def _damaged(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    piece = content[start:end]
    if piece.strip(BLANK):
        yield start + len(piece) - len(piece.lstrip(BLANK)), start + len(piece.rstrip(BLANK)), b""


def _room(content: bytes, length: int, path: Path) -> tuple[int, int]:
    """Return where a line of that length may stand, and the end of what no longer counts there."""
    kept = [(0, 0), *((start, end + 1) for start, end, sign in _pieces(content) if sign != b"-"), (SIZE, SIZE)]
    for (_, start), (end, _) in pairwise(kept):
        if end - start >= length:
            return start, min(end, len(content))
    raise Full(f"{path} has no room for {length} bytes more", "mend what keeps its readings from the database")


def _overwrite(journal: int, start: int, content: bytes) -> None:
    files.write_at(journal, start, content)
    os.fdatasync(journal)


def _begin_anew(path: Path, content: bytes, start: int, written: bytes, reason: OSError) -> None:
    """Write the whole spool to a new file: what a failed fdatasync has not written, a second one may not write either.

    (https://wiki.postgresql.org/wiki/Fsync_Errors) Raise OSError where that cannot be.
    """
    whole = bytearray(content.ljust(SIZE, b"\0"))
    whole[start:start + len(written)] = written
    files.write_atomically(path, bytes(whole), 0o644)
    log.critical("the spool could not be written (%s) and was begun anew, nothing of it lost; is the disk failing?",
                 reason)


def _set_aside(path: Path, journal: int, content: bytes, damaged: list[tuple[int, int]]) -> str:
    """Move what is damaged to a file of its own; where that cannot be written it stays. Return what to tell of it."""
    what = f"{len(damaged)} damaged {'line' if len(damaged) == 1 else 'lines'} of the spool"
    try:
        with open(path, "ab") as kept:
            for start, end in damaged:
                kept.write(content[start:end] + b"\n")
            kept.flush()
            os.fsync(kept.fileno())
        files.sync(path.parent)
        for start, end in damaged:
            files.write_at(journal, start, bytes(end - start))
    except OSError as error:
        return f"{what} cannot be set aside in {path}: {error}"
    return f"{what} set aside in {path}; a line of it is a cycle's readings as JSON, store by hand what is to be saved"


def _document(cycle: "Cycle", duration_ms: float) -> dict[str, Any]:
    """Return what JSON holds of a cycle: what is not as it is by default, nor told by another record already."""
    known = {each.device_id: _shared(each) for each in cycle.readings}
    return _said(cycle, {}) | {
        "duration_ms": duration_ms,
        "readings": [_said(each, {"timestamp": cycle.started_at}) for each in cycle.readings],
        "sightings": [_said(each, known.get(each.device_id, {})) for each in cycle.sightings],
        "retries": [_said(each, {}) for each in cycle.retries],
    }


def _shared(reading: "Reading") -> dict[str, Any]:
    """Return what the sighting of a reading's device has in common with it, at most times."""
    return {"device_type": reading.device_type, "name": reading.name, "location": reading.location}


def _said(record: "Cycle | Reading | Sighting | Retry", known: dict[str, Any]) -> dict[str, Any]:
    values = {each.name: (getattr(record, each.name), known.get(each.name, each.default)) for each in fields(record)}
    return {name: format_time(value) if isinstance(value, datetime) else value
            for name, (value, expected) in values.items() if value != expected}


def _parse(line: bytes) -> "tuple[Cycle, float] | None":
    """Return a line's cycle and its duration, None where it holds none."""
    from storage.reading import Cycle, Reading, Retry, Sighting  # for those alone that find a line

    head = HEAD.match(line)
    try:
        told = _with_times(json.loads(line[head.end():] if head else b""))
        duration_ms, common = float(told.pop("duration_ms")), {"timestamp": told["started_at"]}
        readings = tuple(Reading(**common | _with_times(each)) for each in told.pop("readings", ()))
        known = {each.device_id: _shared(each) for each in readings}
        sightings = tuple(Sighting(**known.get(each["device_id"], {}) | each) for each in told.pop("sightings", ()))
        retries = tuple(Retry(**_with_times(each)) for each in told.pop("retries", ()))
        return Cycle(**told, readings=readings, sightings=sightings, retries=retries), duration_ms
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _with_times(told: dict[str, Any]) -> dict[str, Any]:
    return told | {name: parse_time(told[name]) for name in ("started_at", "timestamp", "measured_at", "at")
                   if told.get(name) is not None}
