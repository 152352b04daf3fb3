"""What an earlier program left in the database: its readings and its device registry, brought over row for row.

Its tables had constraints that refused what sensors really say (no value, 55 °C in the sun, an unknown type of device),
came in several shapes, and filed the 0-100 index of volatile organic compounds under `voc_ppb`. Values are taken as
they are, even those that do not fit; ids and timestamps are kept byte for byte.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from storage import Unusable

BATCH = 5_000
SUFFIX = "_of_the_predecessor"
REQUIRED = {
    "readings": {"id", "timestamp", "device_id", "device_type", "temperature_celsius"},
    "device_registry": {"unique_id", "device_name", "location"},
}
KEPT_OF_DEVICES = ("device_type", "device_name", "location", "model_info", "first_seen", "last_seen")
INDEX_OF_VOLATILES = "CASE WHEN device_type IN ('alexa_aqm', 'amazon_aqm') THEN voc_ppb END"


@dataclass(frozen=True)
class Left:
    """The tables found, which now bear the suffix, and the statements that make people's own triggers on them again."""

    tables: tuple[str, ...]
    triggers: tuple[str, ...]


def check(connection: sqlite3.Connection) -> None:
    """Raise Unusable where a table of these names is some other program's."""
    for table, required in REQUIRED.items():
        found = _columns(connection, table)
        if found and not required <= found.keys():
            missing = ", ".join(sorted(required - found.keys()))
            raise Unusable(f"the database has another program's table {table}, one without {missing}",
                           "set storage.database_path in config.yaml to a file of its own")


def set_aside(connection: sqlite3.Connection) -> Left:
    """Rename the predecessor's tables, people's own views staying as they are."""
    tables = tuple(table for table in REQUIRED if _columns(connection, table))
    triggers = connection.execute("""
        SELECT sql
        FROM sqlite_master
        WHERE type = 'trigger'
            AND tbl_name IN ('readings', 'device_registry')
    """).fetchall()
    # Without this, SQLite since 3.25 rewrites views to follow a renamed table, or refuses because of them.
    connection.execute("PRAGMA legacy_alter_table = ON")
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}{SUFFIX}")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    return Left(tables, tuple(sql for sql, in triggers))


def bring_over(connection: sqlite3.Connection, left: Left, progress: Callable[[str, int, int], None]) -> None:
    """Fill the new tables from what was set aside, and drop it."""
    if "readings" in left.tables:
        _bring_readings(connection, progress)
    if "device_registry" in left.tables:
        _bring_devices(connection)
    for table in left.tables:
        connection.execute(f"DROP TABLE {table}{SUFFIX}")
    for trigger in left.triggers:
        connection.execute(trigger)


def _bring_readings(connection: sqlite3.Connection, progress: Callable[[str, int, int], None]) -> None:
    old = f"readings{SUFFIX}"
    chosen = _expressions(connection)
    total, = connection.execute(f"SELECT COUNT(*) FROM {old}").fetchone()
    last = -2 ** 63
    for done in range(0, total, BATCH):
        progress("migrate", done, total)
        connection.execute(f"""
            INSERT INTO readings ({', '.join(chosen)})
            SELECT {', '.join(chosen.values())}
            FROM {old}
            WHERE id > ?
            ORDER BY id
            LIMIT {BATCH}
        """, (last,))
        last, = connection.execute("SELECT MAX(id) FROM readings").fetchone()
    progress("migrate", total, total)


def _expressions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return where each column's value comes from; columns that people added themselves are added to the new table."""
    found, ours = _columns(connection, f"readings{SUFFIX}"), _columns(connection, "readings")
    for name in found:
        if name not in ours:
            connection.execute(f"ALTER TABLE readings ADD COLUMN {_quoted(name)} {found[name]}")
    chosen = {_quoted(name): _quoted(name) for name in found}
    chosen['"is_anomalous"'] = "COALESCE(is_anomalous, 0)" if "is_anomalous" in found else "0"
    chosen['"created_at"'] = "COALESCE(created_at, timestamp)" if "created_at" in found else "timestamp"
    if "voc_ppb" in found and "voc_index" not in found:
        chosen['"voc_index"'] = INDEX_OF_VOLATILES
    return chosen


def _bring_devices(connection: sqlite3.Connection) -> None:
    """Copy the registry, its `unique_id` (`hue:…`) being the `device_id` of readings, its names being the user's."""
    found = _columns(connection, f"device_registry{SUFFIX}")
    kept = [name for name in KEPT_OF_DEVICES if name in found]
    connection.execute(f"""
        INSERT INTO device_registry (device_id, unique_id, is_active, name_source, location_source, {', '.join(kept)})
        SELECT
            unique_id,
            unique_id,
            {"COALESCE(is_active, 1)" if "is_active" in found else "1"},
            CASE WHEN device_name IS NULL THEN 'discovered' ELSE 'user' END,
            CASE WHEN location IS NULL THEN 'discovered' ELSE 'user' END,
            {', '.join(kept)}
        FROM device_registry{SUFFIX}
    """)


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the table's columns and their declared types; none where there is no such table."""
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
