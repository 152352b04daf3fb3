"""The identity of the record, in the table `record`."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple


class Record(NamedTuple):
    """`predecessors` are the records that this one continues, newest first."""

    record_id: str | None
    predecessors: list[str]


def identify(connection: sqlite3.Connection) -> Record:
    values = dict(connection.execute("SELECT key, value FROM record WHERE key IN ('record_id', 'predecessor')"))
    return Record(values.get("record_id"), (values.get("predecessor") or "").split())


def continue_others(connection: sqlite3.Connection, replaced: Sequence[str]) -> None:
    """Give the record a new random id, and let it name what it replaces and what it was."""
    before = identify(connection)
    names = dict.fromkeys([*replaced, *([before.record_id] if before.record_id else []), *before.predecessors])
    connection.execute("""
        INSERT OR REPLACE INTO record
        VALUES ('predecessor', ?), ('record_id', lower(hex(randomblob(16))))
    """, (" ".join(names),))


def continue_lost(connection: sqlite3.Connection, replaced: str) -> None:
    """Let a new record name the one that is gone."""
    connection.execute("INSERT OR IGNORE INTO record VALUES ('predecessor', ?)", (replaced,))
