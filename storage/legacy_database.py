"""Import an earlier program's readings and device registry, row for row.

Its tables refused real values, came in several shapes, and held the 0-100 index of volatile organic compounds in
`voc_ppb`. Values are copied as they are. No row is lost: one without a time gets its `created_at`, one without a device or
type gets `unknown`, and one whose key is taken goes to a table of rejected rows.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from runtime.errors import Unusable
from runtime.formats import pluralize

Progress = Callable[[str, int, int], None]  # step, done, total
RenamedTables = tuple[list[str], list[str]]  # and the statements that recreate people's own triggers on them

BATCH = 5_000
SUFFIX = "_of_the_predecessor"
OLD_READINGS, REJECTED = f"readings{SUFFIX}", "readings_not_migrated"
HAS_KEY = "(timestamp IS NOT NULL AND device_id IS NOT NULL)"
REQUIRED = {
    "readings": {"id", "timestamp", "device_id", "device_type", "temperature_celsius"},
    "device_registry": {"unique_id", "device_name", "location"},
}
DEVICE_COLUMNS = ("device_type", "device_name", "location", "model_info", "first_seen", "last_seen")
VOC_INDEX = "CASE WHEN device_type IN ('alexa_aqm', 'amazon_aqm') THEN voc_ppb END"


def ensure_ours(connection: sqlite3.Connection, path: Path, complete: bool) -> None:
    """Raise Unusable if a table is another program's, or is missing from a `complete` database."""
    for table, required in REQUIRED.items():
        kind, = connection.execute(
            "SELECT MAX(type) FROM sqlite_master WHERE type IN ('table', 'view') AND lower(name) = ?", (table,)).fetchone()
        missing = required - {name.lower() for name in _columns(connection, table)}
        if kind == "table" and missing or kind == "view" or kind is None and complete:
            problem = {"table": f"has no {', '.join(sorted(missing))}", "view": "is a view"}.get(kind, "is missing")
            raise Unusable(f"{path} is another program's database: its table {table} {problem}",
                           "set storage.database_path in config.yaml to a file of its own")


def rename_tables(connection: sqlite3.Connection) -> RenamedTables:
    tables = [table for table in REQUIRED if _columns(connection, table)]
    triggers = [sql for sql, in connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) IN ('readings', 'device_registry')")]
    # Without this, SQLite since 3.25 rewrites views to follow a renamed table, or refuses because of them.
    connection.execute("PRAGMA legacy_alter_table = ON")
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}{SUFFIX}")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    return tables, triggers


def import_tables(connection: sqlite3.Connection, old: RenamedTables, progress: Progress) -> list[str]:
    """Fill the new tables from the old ones, and drop these; return the messages for people."""
    tables, triggers = old
    rejected = copy_readings(connection, progress) if "readings" in tables else 0
    if "device_registry" in tables:
        _copy_devices(connection)
    for table in tables:
        connection.execute(f"DROP TABLE {table}{SUFFIX}")
    for trigger in triggers:
        connection.execute(trigger)
    messages = []
    if connection.execute("SELECT 1 FROM readings WHERE voc_index IS NOT NULL LIMIT 1").fetchone():
        messages.append("voc_ppb of the air quality monitor held an index from 0 to 100, which is also in voc_index now; "
                        "new values are only in voc_index")
    if rejected:
        messages.append(f"{pluralize(rejected, 'reading')} of the earlier program not imported, as others have the same "
                        f"device and time, or the same id; the table {REJECTED} keeps them as they are")
    return messages


def copy_readings(connection: sqlite3.Connection, progress: Progress) -> int:
    expressions = _expressions(connection)
    insert = f"""
        INSERT INTO readings ({', '.join(map(_quoted, expressions))})
        SELECT {', '.join(expressions.values())}
        FROM {OLD_READINGS}
    """
    total, = connection.execute(f"SELECT COUNT(*) FROM {OLD_READINGS}").fetchone()
    done = rejected = 0
    for condition in (HAS_KEY, f"NOT {HAS_KEY}"):
        select = f"SELECT rowid FROM {OLD_READINGS} WHERE {condition} AND rowid > ? ORDER BY rowid LIMIT {BATCH}"
        batch = [-2 ** 63]
        while batch := [rowid for rowid, in connection.execute(select, (batch[-1],))]:
            progress("migrate", done, total)
            done += len(batch)
            rejected += _copy_batch(connection, f"{insert} WHERE {condition} AND rowid", batch)
    progress("migrate", total, total)
    return rejected


def _copy_batch(connection: sqlite3.Connection, insert: str, batch: list[int]) -> int:
    """Copy rows at once or, if one is rejected, one by one; return how many were rejected."""
    try:
        connection.execute(f"{insert} BETWEEN ? AND ? ORDER BY rowid", (batch[0], batch[-1]))
    except sqlite3.IntegrityError:
        if len(batch) > 1:
            return sum(_copy_batch(connection, insert, [rowid]) for rowid in batch)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {REJECTED} AS SELECT * FROM {OLD_READINGS} WHERE 0")
        connection.execute(f"INSERT INTO {REJECTED} SELECT * FROM {OLD_READINGS} WHERE rowid = ?", batch)
        return 1
    return 0


def _expressions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return each column's source; columns that people added themselves are added to the new table."""
    columns, expressions = _columns(connection, "readings"), {}
    for name, declared_type in _columns(connection, OLD_READINGS).items():
        if name.lower() not in columns:
            connection.execute(f"ALTER TABLE readings ADD COLUMN {_quoted(name)} {declared_type}")
        expressions[name.lower() if name.lower() in columns else name] = _quoted(name)
    has_created_at = "created_at" in expressions
    if "voc_ppb" in expressions:
        expressions.setdefault("voc_index", VOC_INDEX)
    return expressions | {
        "timestamp": "COALESCE(timestamp, created_at)" if has_created_at else "timestamp",
        "created_at": "COALESCE(created_at, timestamp)" if has_created_at else "timestamp",
        "device_id": "COALESCE(device_id, 'unknown')",
        "device_type": "COALESCE(device_type, 'unknown')",
        "is_anomalous": "COALESCE(is_anomalous, 0)" if "is_anomalous" in expressions else "0",
    }


def copy_rows(connection: sqlite3.Connection, table: str) -> None:
    """Move the rows of a renamed table of our own form to the new one; the first of each key counts."""
    columns = ", ".join(_quoted(name) for name in _columns(connection, table).keys()
                        & _columns(connection, f"{table}{SUFFIX}").keys())
    connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) SELECT {columns} FROM {table}{SUFFIX} ORDER BY rowid")
    connection.execute(f"DROP TABLE {table}{SUFFIX}")


def _copy_devices(connection: sqlite3.Connection) -> None:
    """Copy the registry: `unique_id` (`hue:…`) becomes `device_id`, and its first row counts; names are the user's."""
    columns = {name.lower() for name in _columns(connection, f"device_registry{SUFFIX}")}
    copied = ", ".join(name for name in DEVICE_COLUMNS if name in columns)
    connection.execute(f"""
        INSERT OR IGNORE INTO device_registry
            (device_id, unique_id, is_active, name_source, location_source, {copied})
        SELECT
            unique_id,
            unique_id,
            {"COALESCE(is_active, 1)" if "is_active" in columns else "1"},
            CASE WHEN device_name IS NULL THEN 'discovered' ELSE 'user' END,
            CASE WHEN location IS NULL THEN 'discovered' ELSE 'user' END,
            {copied}
        FROM device_registry{SUFFIX}
        ORDER BY rowid
    """)


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
