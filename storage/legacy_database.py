"""What an earlier program left in the database: its readings and its device registry, brought over row for row.

Its tables had constraints that refused what sensors really say (no value, 55 °C in the sun, an unknown type of device),
came in several shapes, and filed the 0-100 index of volatile organic compounds under `voc_ppb`. Values are taken as
they are, even those that do not fit; ids and timestamps are kept byte for byte. No row is lost: one without a time goes
by its `created_at`, one without a device or its type by `unknown`, and what has no key of its own is kept aside.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from runtime.errors import Unusable

BATCH = 5_000
SUFFIX = "_of_the_predecessor"
OLD_READINGS, ASIDE = f"readings{SUFFIX}", "readings_not_migrated"
WITH_A_KEY = "(timestamp IS NOT NULL AND device_id IS NOT NULL)"
REQUIRED = {
    "readings": {"id", "timestamp", "device_id", "device_type", "temperature_celsius"},
    "device_registry": {"unique_id", "device_name", "location"},
}
KEPT_OF_DEVICES = ("device_type", "device_name", "location", "model_info", "first_seen", "last_seen")
INDEX_OF_VOLATILES = "CASE WHEN device_type IN ('alexa_aqm', 'amazon_aqm') THEN voc_ppb END"


class Left(NamedTuple):
    """The tables found, which now bear the suffix, and the statements that make people's own triggers on them again."""

    tables: tuple[str, ...]
    triggers: tuple[str, ...]


def check(connection: sqlite3.Connection, path: Path, complete: bool) -> None:
    """Raise Unusable where a table of these names is another program's, or missing from a `complete` database."""
    for table, required in REQUIRED.items():
        kind, = connection.execute("""
            SELECT MAX(type)
            FROM sqlite_master
            WHERE type IN ('table', 'view')
                AND lower(name) = ?
        """, (table,)).fetchone()
        lacking = required - {name.lower() for name in _columns(connection, table)}
        if kind == "table" and lacking or kind == "view" or kind is None and complete:
            trouble = {"table": f"has no {', '.join(sorted(lacking))}", "view": "is a view"}.get(kind, "is missing")
            raise Unusable(f"{path} is another program's database: its table {table} {trouble}",
                           "set storage.database_path in config.yaml to a file of its own")


def set_aside(connection: sqlite3.Connection) -> Left:
    """Rename the predecessor's tables, people's own views staying as they are."""
    tables = tuple(table for table in REQUIRED if _columns(connection, table))
    triggers = connection.execute("""
        SELECT sql
        FROM sqlite_master
        WHERE type = 'trigger'
            AND lower(tbl_name) IN ('readings', 'device_registry')
    """).fetchall()
    # Without this, SQLite since 3.25 rewrites views to follow a renamed table, or refuses because of them.
    connection.execute("PRAGMA legacy_alter_table = ON")
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}{SUFFIX}")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    return Left(tables, tuple(sql for sql, in triggers))


def bring_over(connection: sqlite3.Connection, left: Left, progress: Callable[[str, int, int], None]) -> list[str]:
    """Fill the new tables from what was set aside, and drop it; return what people should be told."""
    aside = _bring_readings(connection, progress) if "readings" in left.tables else 0
    if "device_registry" in left.tables:
        _bring_devices(connection)
    for table in left.tables:
        connection.execute(f"DROP TABLE {table}{SUFFIX}")
    for trigger in left.triggers:
        connection.execute(trigger)
    return [f"readings of the predecessor that were not brought over: {aside}, for others have the same device and "
            f"time, or the same id; the table {ASIDE} keeps them as they are"] if aside else []


def _bring_readings(connection: sqlite3.Connection, progress: Callable[[str, int, int], None]) -> int:
    """Copy the readings, first those that have a key without our help; return how many are kept aside."""
    chosen = _expressions(connection)
    insert = f"""
        INSERT INTO readings ({', '.join(map(_quoted, chosen))})
        SELECT {', '.join(chosen.values())}
        FROM {OLD_READINGS}
    """
    total, = connection.execute(f"SELECT COUNT(*) FROM {OLD_READINGS}").fetchone()
    done = aside = 0
    for kind in (WITH_A_KEY, f"NOT {WITH_A_KEY}"):
        batch = [-2 ** 63]
        while batch := _after(connection, batch[-1], kind):
            progress("migrate", done, total)
            done += len(batch)
            aside += _bring(connection, f"{insert} WHERE {kind}", batch)
    progress("migrate", total, total)
    return aside


def _after(connection: sqlite3.Connection, last: int, kind: str) -> list[int]:
    return [number for number, in connection.execute(f"""
        SELECT rowid
        FROM {OLD_READINGS}
        WHERE {kind}
            AND rowid > ?
        ORDER BY rowid
        LIMIT {BATCH}
    """, (last,))]


def _bring(connection: sqlite3.Connection, insert: str, batch: list[int]) -> int:
    """Copy some rows all at once or, where one of them does not fit, one by one; return how many did not."""
    try:
        connection.execute(f"{insert} AND rowid BETWEEN ? AND ? ORDER BY rowid", (batch[0], batch[-1]))
    except sqlite3.IntegrityError:
        return sum(not _bring_one(connection, insert, number) for number in batch)
    return 0


def _bring_one(connection: sqlite3.Connection, insert: str, number: int) -> bool:
    """Copy a row or, where it does not fit, keep it aside with all its columns; return whether it did."""
    try:
        connection.execute(f"{insert} AND rowid = ?", (number,))
    except sqlite3.IntegrityError:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {ASIDE} AS SELECT * FROM {OLD_READINGS} WHERE 0")
        connection.execute(f"INSERT INTO {ASIDE} SELECT * FROM {OLD_READINGS} WHERE rowid = ?", (number,))
        return False
    return True


def _expressions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return where each column's value comes from; columns that people added themselves are added to the new table."""
    ours, chosen = _columns(connection, "readings"), {}
    for name, declared in _columns(connection, OLD_READINGS).items():
        if name.lower() not in ours:
            connection.execute(f"ALTER TABLE readings ADD COLUMN {_quoted(name)} {declared}")
        chosen[name.lower() if name.lower() in ours else name] = _quoted(name)
    dated = "created_at" in chosen
    if "voc_ppb" in chosen:
        chosen.setdefault("voc_index", INDEX_OF_VOLATILES)
    return chosen | {
        "timestamp": "COALESCE(timestamp, created_at)" if dated else "timestamp",
        "created_at": "COALESCE(created_at, timestamp)" if dated else "timestamp",
        "device_id": "COALESCE(device_id, 'unknown')",
        "device_type": "COALESCE(device_type, 'unknown')",
        "is_anomalous": "COALESCE(is_anomalous, 0)" if "is_anomalous" in chosen else "0",
    }


def _bring_devices(connection: sqlite3.Connection) -> None:
    """Copy the registry, its `unique_id` (`hue:…`) being the `device_id` of readings, its names being the user's.

    Of rows with one `unique_id` the first counts, and one without belongs to no reading.
    """
    found = {name.lower() for name in _columns(connection, f"device_registry{SUFFIX}")}
    kept = [name for name in KEPT_OF_DEVICES if name in found]
    connection.execute(f"""
        INSERT OR IGNORE INTO device_registry
            (device_id, unique_id, is_active, name_source, location_source, {', '.join(kept)})
        SELECT
            unique_id,
            unique_id,
            {"COALESCE(is_active, 1)" if "is_active" in found else "1"},
            CASE WHEN device_name IS NULL THEN 'discovered' ELSE 'user' END,
            CASE WHEN location IS NULL THEN 'discovered' ELSE 'user' END,
            {', '.join(kept)}
        FROM device_registry{SUFFIX}
        ORDER BY rowid
    """)


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the table's columns and their declared types; none where there is no such table."""
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
