"""Compares every reading of the record with the destination's, by digests of each device and day."""

import struct
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from publishers.postgres.connection import Connection
from publishers.postgres.tables import CONVERTERS, FLAG, MOMENTS, NUMBER, READINGS, TEXT, TIME
from runtime.commands import command
from runtime.errors import Questionable
from runtime.formats import pluralize
from storage import changes

if TYPE_CHECKING:
    from sqlite3 import Connection as Record

    import psycopg

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
DAY = 86_400_000_000  # in microseconds
SHOWN = 20
Digests = dict[int, str]  # by microseconds since 1970


class Difference(NamedTuple):
    device_id: str
    day: int
    missing: int
    different: int

    def __str__(self) -> str:
        return f"{self.device_id} on {date.fromordinal(EPOCH.toordinal() + self.day)} ({self.missing} missing, " \
               f"{self.different} different)"


def compare(record: "Record", connection: Connection, house_id: str) -> str:
    """Return how equal both sides are. Raise Questionable if the destination lacks something, or the connection's errors."""
    destination = Destination(connection, house_id)
    kept, differences = 0, list[Difference]()
    ours = changes.device_ids(record)
    for device_id in ours:
        days = destination.days(device_id)
        for day, digests in _days(record, device_id):
            _, digest = days.pop(day, (0, ""))
            if digest != _joined(digests):
                theirs = destination.digests(device_id, day)
                kept += len(theirs.keys() - digests.keys())
                missing = len(digests.keys() - theirs.keys())
                different = sum(theirs.get(moment, own) != own for moment, own in digests.items())
                if missing or different:
                    differences.append(Difference(device_id, day, missing, different))
        kept += sum(count for count, _ in days.values())
    kept += destination.rows_of_others(ours)
    if differences:
        raise _found(differences, connection.where.name)
    return f"EQUAL, {pluralize(kept, 'row')} kept" if kept else "EQUAL"


def _found(differences: list[Difference], name: str) -> Questionable:
    more = len(differences) - SHOWN
    return Questionable(
        f"{pluralize(len(differences), 'day')} at {name} {'differs' if len(differences) == 1 else 'differ'}: "
        + ", ".join(map(str, differences[:SHOWN])) + (f", and {more} more" if more > 0 else ""),
        f"send what is waiting, then compare again: {command('publishers.postgres')}")


class Destination:
    def __init__(self, connection: Connection, house_id: str) -> None:
        self._connection, self._house_id = connection, house_id
        self._table = f'"{connection.where.schema}".readings'

    def days(self, device_id: str) -> dict[int, tuple[int, str]]:
        """Return the number of readings and their digest by day since 1970."""
        rows = self._fetch(f"""
            SELECT
                floor(moment / {DAY}.0)::bigint,
                COUNT(*),
                {_sha256("string_agg(digest, '' ORDER BY moment)")}
            FROM ({self._digests()}) AS digests
            GROUP BY floor(moment / {DAY}.0)
        """, device_id)
        return {day: (count, digest) for day, count, digest in rows}

    def digests(self, device_id: str, day: int) -> Digests:
        return dict(self._fetch(f"""
            SELECT
                moment,
                digest
            FROM ({self._digests()}) AS digests
            WHERE moment >= %s
                AND moment < %s
        """, device_id, day * DAY, (day + 1) * DAY))

    def rows_of_others(self, device_ids: list[str]) -> int:
        """Return how many readings there are of devices that the record does not have."""
        (count,), = self._fetch(f"""
            SELECT COUNT(*)
            FROM {self._table}
            WHERE house_id = %s
                AND device_id <> ALL (%s::text[])
        """, [CONVERTERS[TEXT](device_id) for device_id in device_ids])
        return int(count)

    def _digests(self) -> str:
        texts = " || '|' || ".join(f"coalesce({PRINTED[kind].format(column)}, '')"
                                    for column, kind in READINGS.columns.items())
        return f"""
            SELECT
                {PRINTED[TIME].format("timestamp")}::bigint AS moment,
                {_sha256(texts)} AS digest
            FROM {self._table}
            WHERE house_id = %s
                AND device_id = %s
        """

    def _fetch(self, query: str, first: object, *more: object) -> list[tuple[Any, ...]]:
        def read(cursor: "psycopg.Cursor[Any]") -> list[tuple[Any, ...]]:
            return cursor.execute(query.encode(), [self._house_id, first, *more]).fetchall()
        first = CONVERTERS[TEXT](first) if isinstance(first, str) else first
        return self._connection.transact(read)


# A value as text, the same in SQL and in Python. Texts of numbers differ; their bytes do not.
PRINTED = {TIME: "(extract(epoch FROM {0}) * 1000000)::bigint::text", TEXT: "char_length({0})::text || ':' || {0}",
           NUMBER: "encode(float8send({0}), 'hex')", FLAG: "{0}::text"}


def _sha256(text: str) -> str:
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


def _days(record: "Record", device_id: str) -> Iterator[tuple[int, Digests]]:
    """Yield a device's readings by day. Stored times sort by day, except that those with an offset may be a day away."""
    open_days = dict[int, dict[int, tuple[int, str]]]()
    for row in changes.rows_by_time(record, device_id):
        instant = CONVERTERS[TIME](row["timestamp"])
        if isinstance(instant, datetime):
            moment, own = _microseconds(instant), (int(row["id"] or 0), _digest(row))
            day = open_days.setdefault(moment // DAY, {})
            day[moment] = max(own, day.get(moment, own))  # of two rows of one instant the last one counts
            for old in [old for old in open_days if old < moment // DAY - 2]:
                yield old, _without_ids(open_days.pop(old))
    for number, day in open_days.items():
        yield number, _without_ids(day)


def _without_ids(day: dict[int, tuple[int, str]]) -> Digests:
    return {moment: digest for moment, (_, digest) in day.items()}


def _joined(digests: Digests) -> str:
    return sha256("".join(digest for _, digest in sorted(digests.items())).encode()).hexdigest()


def _digest(row: Mapping[str, object]) -> str:
    values = [_printed(CONVERTERS[kind](row[column]), kind) for column, kind in READINGS.columns.items()]
    return sha256("|".join(values).encode()).hexdigest()


def _printed(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == NUMBER:
        return struct.pack(">d", value).hex()
    if kind == TEXT:
        return f"{len(value)}:{value}"
    return str(_microseconds(value)) if kind == TIME else str(value).lower()


@lru_cache(MOMENTS)
def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
