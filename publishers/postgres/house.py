"""One house's rows at the destination. Every change is one transaction with the house's cursor, so it happens once."""

import json
from typing import TYPE_CHECKING, Any

import publishers.postgres.tables as tables
from publishers.postgres.connection import Connection
from publishers.postgres.schema import check_version
from runtime import VERSION
from runtime.commands import command
from runtime.errors import NotAuthorised
from storage import changes
from storage.changes import Batch, Cursor

if TYPE_CHECKING:
    from datetime import datetime
    from sqlite3 import Connection as Record

    import psycopg

CURSOR = ("record_id", "cursor_id", "cursor_device", "cursor_timestamp", "change_id")


class House:
    """Methods raise CannotReach, NotUnderstood, NotAuthorised, Unusable, or a StorageError of the record."""

    def __init__(self, house_id: str, connection: Connection) -> None:
        self._house_id, self._connection, self._schema = house_id, connection, connection.where.schema

    def look(self) -> "datetime | None":
        """Check the form of the tables; return when the house last published everything."""
        def read(cursor: "psycopg.Cursor[Any]") -> "datetime | None":
            check_version(cursor, self._schema, self._connection.where.name)
            row = cursor.execute(tables.look_at_house(self._schema), [self._house_id]).fetchone()
            return row[0] if row else None
        return self._connection.transact(read)

    def advance(self, record: "Record", batch_rows: int, *, adopts: bool) -> Batch | None:
        """Write what follows the cursor; return it, None if nothing does."""
        def write(cursor: "psycopg.Cursor[Any]") -> Batch | None:
            before, _ = self._lock(cursor)
            start = self._start(record, before, adopts)
            batch = changes.next_batch(record, start, batch_rows)
            after = start if batch is None else batch.cursor
            if batch is not None:
                self._write(cursor, batch)
            if after != before:
                forget = {} if after.record_id == before.record_id else {"cycle_id": 0}
                self._update(cursor, {**dict(zip(CURSOR, _escaped(after))), **forget})
            return batch
        return self._connection.transact(write)

    def add_cycles(self, record: "Record", limit: int) -> int:
        """Write the next cycles of the record; return their number."""
        def write(cursor: "psycopg.Cursor[Any]") -> int:
            _, cycle_id = self._lock(cursor)
            rows = changes.cycles_after(record, cycle_id, limit)
            if rows:
                self._upsert(cursor, tables.CYCLES, rows)
                self._update(cursor, {"cycle_id": rows[-1]["id"]})
            return len(rows)
        return self._connection.transact(write)

    def finish(self, record: "Record", now: "datetime") -> None:
        """Write the registry, and that the house has published everything by `now`."""
        def write(cursor: "psycopg.Cursor[Any]") -> None:
            self._lock(cursor)
            self._upsert(cursor, tables.DEVICES, changes.devices(record))
            self._update(cursor, {"published_at": now, "program_version": VERSION})
        self._connection.transact(write)

    def _lock(self, cursor: "psycopg.Cursor[Any]") -> tuple[Cursor, int]:
        """Let no other run of this house write before the transaction ends; return the cursor and the newest cycle's id."""
        row = cursor.execute(tables.lock_house(self._schema), [self._house_id]).fetchone()
        if row is None:
            cursor.execute(tables.enter_house(self._schema), [self._house_id])
            return self._lock(cursor)
        record_id, row_id, device_id, timestamp, change_id, cycle_id = row
        return Cursor(record_id, row_id or 0, _plain(device_id), _plain(timestamp), change_id or 0), cycle_id or 0

    def _start(self, record: "Record", before: Cursor, adopts: bool) -> Cursor:
        start = changes.resume(record, before) or (changes.resume(record, Cursor()) if adopts else None)
        if start is None:
            raise NotAuthorised(
                f"{self._connection.where.name} has another record under the house_id {self._house_id}: nothing was sent",
                "set another publishers.postgres.house_id in config.yaml; or, if this record replaces that one: "
                + command("publishers.postgres", "--adopt"))
        return start

    def _write(self, cursor: "psycopg.Cursor[Any]", batch: Batch) -> None:
        rows = tables.READINGS.unique(batch.rows)
        times = tables.READINGS.arrays(rows)[0] if batch.deletions else []
        for device_id, since, until in batch.deletions:
            kept = [time for time, row in zip(times, rows) if row["device_id"] == device_id]
            cursor.execute(tables.deletion(self._schema), [self._house_id, device_id, since, until, kept])
        self._upsert(cursor, tables.READINGS, rows)

    def _upsert(self, cursor: "psycopg.Cursor[Any]", table: tables.Table, rows: Any) -> None:
        if unique := table.unique(rows):
            cursor.execute(tables.upsert(self._schema, table), [self._house_id, *table.arrays(unique)])

    def _update(self, cursor: "psycopg.Cursor[Any]", values: dict[str, object]) -> None:
        cursor.execute(tables.update_house(self._schema, values), [*values.values(), self._house_id])


def _escaped(cursor: Cursor) -> list[object]:
    """Return the fields without NUL, which PostgreSQL cannot hold; common texts stay as they are."""
    return [json.dumps(field, ensure_ascii=False)[1:-1] if isinstance(field, str) else field for field in cursor]


def _plain(text: str | None) -> str | None:
    return None if text is None else str(json.loads(f'"{text}"'))
