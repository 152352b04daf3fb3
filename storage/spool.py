"""Cycles that wait for the database: on the disk before SQLite is touched, marked as stored after its commit.

`data/spool.journal` is a preallocated megabyte that is overwritten in place: on a full disk appending, new files and
renames fail, and a one-shot process cannot open a database in WAL mode. (Copy-on-write: docs/reliability.md.) A cycle
is a line: `+` (waits) or `-` (stored), the CRC-32 and the length of its JSON, and that JSON. A power cut cannot halve
the mark, and storing a cycle twice changes nothing. Damaged lines move to `data/spool.bad`.

`config/waiting.journal` has the same form: cycles wait there while data/ is not in its place (storage/witness.py).
"""

import json
import logging
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from runtime import files
from runtime.errors import Unusable
from runtime.formats import format_time, parse_time, pluralize
from storage.reading import Cycle, Reading, Retry, Sighting, clean

log = logging.getLogger(__name__)

NAME, SET_ASIDE = "spool.journal", "spool.bad"
WAITING = "waiting.journal"
SIZE, PIECE = 1_048_576, 16_384
LOCK_SECONDS = 2.0  # others need the spool for milliseconds; a holder this long hangs
HEAD = re.compile(rb"([+-])([0-9a-f]{8}) ([0-9]{1,7}) ")
BLANK = b"\0\n"
TIMES = ("started_at", "timestamp", "measured_at", "at")


class SpooledCycle(NamedTuple):
    """A cycle, how long it took until it was spooled (ms), and its line, empty if it could not be spooled."""

    cycle: Cycle
    duration_ms: float
    start: int = 0
    line: bytes = b""


class SpoolStatus(NamedTuple):
    """`oldest` is the start of the oldest cycle, `used` a share from 0 to 1, `set_aside` counts damaged bytes."""

    cycles: int
    readings: int
    oldest: datetime | None
    used: float
    set_aside: int


class Full(Unusable):
    """There is no room for the cycle."""


def append(folder: Path, cycle: Cycle, duration_ms: float, name: str = NAME,
           wait_seconds: float = LOCK_SECONDS) -> SpooledCycle:
    """Write a cycle to the disk. Raise Full or another StorageError."""
    body = json.dumps(_document(cycle, duration_ms), separators=(",", ":")).encode("ascii")
    line = b"+%08x %d %s\n" % (zlib.crc32(body), len(body), body)
    with _opened(folder / name, wait_seconds) as journal:
        content = _content(journal)
        start, end = _room(content, len(line), folder / name)
        written = line + bytes(max(0, end - start - len(line)))  # zeros over older lines
        try:
            _overwrite(journal, start, written)
        except OSError as error:
            _rewrite(folder / name, content, start, written, error)
    return SpooledCycle(cycle, duration_ms, start, line)


def pending(folder: Path, report_damage: Callable[[str], None] = log.critical,
            own: SpooledCycle | None = None, name: str = NAME) -> list[SpooledCycle]:
    """Return the waiting cycles except `own`, oldest first; set damaged lines aside. Raise StorageError."""
    with _opened(folder / name) as journal:
        content = _content(journal)
        entries, damaged = _parse(content, own)
        if damaged:
            report_damage(_set_aside(_aside(folder / name), journal, content, damaged))
    return sorted(entries, key=lambda entry: entry.cycle.started_at)


def mark_stored(folder: Path, entries: Iterable[SpooledCycle], name: str = NAME) -> None:
    """Mark cycles as stored; the next append syncs the marks. Raise StorageError."""
    spooled = [entry for entry in entries if entry.line]
    if not spooled:
        return
    with _opened(folder / name) as journal:
        for entry in spooled:
            line = entry.line.rstrip(b"\n")  # the line feed may have been damaged
            if os.pread(journal, len(line), entry.start) == line:
                files.write_at(journal, entry.start, b"-")


def remove_if_stored(folder: Path, name: str) -> None:
    """Remove a spool in which nothing waits. Raise StorageError."""
    with _opened(folder / name) as journal:
        if all(sign == b"-" for _, _, sign in _pieces(_content(journal))):
            os.unlink(folder / name)


def pending_cycles(folder: Path, name: str = NAME) -> list[Cycle]:
    """Return the waiting cycles without the lock. Raise OSError."""
    return [entry.cycle for entry in _read(folder / name)[0]]


def status(folder: Path, name: str = NAME) -> SpoolStatus:
    """Return what the spool holds, without the lock. Raise OSError."""
    entries, damaged = _read(folder / name)
    unread, bad = sum(end - start for start, end in damaged), _aside(folder / name)
    return SpoolStatus(
        cycles=len(entries), readings=sum(len(entry.cycle.readings) for entry in entries),
        oldest=min((entry.cycle.started_at for entry in entries), default=None),
        used=(sum(len(entry.line) - 1 for entry in entries) + unread) / SIZE,
        set_aside=unread + (bad.stat().st_size if bad.exists() else 0))


def _aside(path: Path) -> Path:
    return path.with_suffix(".bad")


def _read(path: Path) -> tuple[list[SpooledCycle], list[tuple[int, int]]]:
    try:
        with path.open("rb") as file:
            return _parse(_content(file.fileno()))
    except FileNotFoundError:
        return [], []


def _parse(content: bytes, own: SpooledCycle | None = None) -> tuple[list[SpooledCycle], list[tuple[int, int]]]:
    entries, damaged = [], []
    for start, end, sign in _pieces(content):
        line = content[start:end] + b"\n"
        if sign == b"-" or own is not None and (own.start, own.line) == (start, line):
            continue
        if entry := _parse_line(line, start) if sign else None:
            entries.append(entry)
        else:
            damaged.append((start, end))
    return entries, damaged


@contextmanager
def _opened(path: Path, wait_seconds: float = LOCK_SECONDS) -> Iterator[int]:
    try:
        with files.locked(path.with_name(f"{path.name}.lock"), wait_seconds):
            is_new = not path.exists()
            journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                _preallocate(journal)
                if is_new:
                    files.sync(path.parent)
                yield journal
            finally:
                os.close(journal)
    except OSError as error:
        raise files.translate(error, path) from error


def _preallocate(journal: int) -> None:
    """Write zeros up to the full size: on a full disk, room that was only reserved is not there."""
    size = os.fstat(journal).st_size
    if size < SIZE:
        try:
            _overwrite(journal, size, bytes(SIZE - size))
        except OSError as error:
            log.critical("cannot preallocate the spool: it has %d of its %d bytes: %s", size, SIZE, error)


def _content(journal: int) -> bytes:
    """Return the file without the zeros at its end: a megabyte of them takes 3 ms to hold, and 10 ms to search."""
    content, zeros = bytearray(), 0
    while piece := os.pread(journal, PIECE, len(content) + zeros):
        if piece == bytes(len(piece)):
            zeros += len(piece)
        else:
            content += bytes(zeros) + piece
            zeros = 0
    return bytes(content).rstrip(b"\0")


def _pieces(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and sign of every intact line, and an empty sign for damage between them."""
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
    """Return where a line fits, and where older bytes that have to be overwritten end."""
    kept = [(0, 0), *((start, end + 1) for start, end, sign in _pieces(content) if sign != b"-"), (SIZE, SIZE)]
    for (_, start), (end, _) in pairwise(kept):
        if end - start >= length:
            return start, min(end, len(content))
    from runtime.commands import command
    raise Full(f"{path} has no room for {length} more bytes",
               "fix what keeps its readings out of the database: "
               f"{command('healthcheck.py', '--only', 'database_write')}")


def _overwrite(journal: int, start: int, content: bytes) -> None:
    files.write_at(journal, start, content)
    files.sync_file(journal)


def _rewrite(path: Path, content: bytes, start: int, written: bytes, reason: OSError) -> None:
    # After a failed fdatasync a second one may succeed and write nothing: https://wiki.postgresql.org/wiki/Fsync_Errors
    whole = bytearray(content.ljust(SIZE, b"\0"))
    whole[start:start + len(written)] = written
    files.write_atomically(path, bytes(whole), 0o644)
    log.critical("could not write the spool (%s); a new file took its place, and nothing is lost. Is the disk failing?",
                 reason)


def _set_aside(path: Path, journal: int, content: bytes, damaged: list[tuple[int, int]]) -> str:
    lines = pluralize(len(damaged), "damaged line")
    try:
        with open(path, "ab") as aside:
            aside.writelines(content[start:end] + b"\n" for start, end in damaged)
            aside.flush()
            files.sync_file(aside.fileno())
        files.sync(path.parent)
        for start, end in damaged:
            files.write_at(journal, start, bytes(end - start))
    except OSError as error:
        return f"{lines} of the spool cannot be set aside in {path}: {error}"
    return f"{lines} of the spool set aside in {path}; a line is a cycle's readings as JSON: store by hand what you need"


def _document(cycle: Cycle, duration_ms: float) -> dict[str, Any]:
    """Serialise a cycle, omitting defaults and fields it shares with its readings."""
    shared = {reading.device_id: _shared_fields(reading) for reading in cycle.readings}
    return _differing_fields(cycle, {}) | {
        "duration_ms": duration_ms,
        "readings": [_differing_fields(reading, {"timestamp": cycle.started_at}) for reading in cycle.readings],
        "sightings": [_differing_fields(sighting, shared.get(sighting.device_id, {})) for sighting in cycle.sightings],
        "retries": [_differing_fields(retry, {}) for retry in cycle.retries]}


def _shared_fields(reading: Reading) -> dict[str, Any]:
    return {"device_type": reading.device_type, "name": reading.name, "location": reading.location}


def _differing_fields(record: Cycle | Reading | Sighting | Retry, expected: dict[str, Any]) -> dict[str, Any]:
    expected = record._field_defaults | expected
    return {name: format_time(value) if isinstance(value, datetime) else value
            for name, value in record._asdict().items() if name not in expected or value != expected[name]}


def _parse_line(line: bytes, start: int) -> SpooledCycle | None:
    try:
        document = _with_times(json.loads(line.split(b" ", 2)[2]))
        duration_ms, common = float(document.pop("duration_ms")), {"timestamp": document["started_at"]}
        readings = tuple(clean(Reading(**common | _with_times(fields)), str)
                         for fields in document.pop("readings", ()))
        shared = {reading.device_id: _shared_fields(reading) for reading in readings}
        sightings = tuple(Sighting(**shared.get(fields["device_id"], {}) | fields)
                          for fields in document.pop("sightings", ()))
        retries = tuple(Retry(**_with_times(fields)) for fields in document.pop("retries", ()))
        cycle = Cycle(**document, readings=readings, sightings=sightings, retries=retries)
        return SpooledCycle(cycle, duration_ms, start, line)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _with_times(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {name: parse_time(fields[name]) for name in TIMES if fields.get(name) is not None}
