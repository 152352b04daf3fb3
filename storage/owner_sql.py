"""What people's own SQL, or a copy by another tool, makes of the tables: why a cycle is refused, and the repair."""

import shlex
import sqlite3
from pathlib import Path

from runtime.errors import StorageError, Unusable
from runtime.formats import pluralize
from storage import legacy_database, lost_database, schema, sqlite_errors, views

KEYS = {"readings": {"device_id", "timestamp"}, "device_registry": {"device_id"}}
OURS = "'readings', 'device_registry', 'collection_cycles', 'retry_events'"
OWN = ("readings_timestamp", "collection_cycles_started_at", "retry_events_cycle_started_at", "readings_updated",
       "readings_deleted")


def explain(error: sqlite3.Error, connection: sqlite3.Connection, path: Path) -> StorageError:
    """Return why the database refuses a cycle, and what to do about it."""
    if not has_keys(connection):
        return Unusable(f"the tables in {path} have lost their keys, as in a copy by CREATE TABLE AS: {error}",
                        lost_database.migrate_command())
    by_index = error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    suspects = _objects(connection, "index" if by_index else "trigger")
    word = str(error).split()[-1].removeprefix("main.").rpartition(".")[2]
    names = [name for name, sql in suspects if word in sql] or [name for name, _ in suspects]
    return _refused(path, f"{error} ({error.sqlite_errorname})", "index" if by_index else "trigger", names) if names \
        else sqlite_errors.translate(error, path)


def swallowed(connection: sqlite3.Connection, path: Path, count: int) -> StorageError:
    """Return the error for readings that are not in the table although it accepted them."""
    return _refused(path, f"{pluralize(count, 'reading')} not kept by the table", "trigger",
                    [name for name, sql in _objects(connection, "trigger") if "INSERT" in sql.upper()])


def has_keys(connection: sqlite3.Connection) -> bool:
    return not any(_lacks_key(connection, table) for table in KEYS)


def repair(connection: sqlite3.Connection, progress: schema.Progress) -> list[str]:
    """Rebuild tables that have lost their keys, inside the caller's transaction; return messages for people."""
    rejected = 0
    for table, statement in zip(("readings", "device_registry"), schema.TABLES):
        if not _lacks_key(connection, table):
            continue
        triggers = [sql for _, sql in _objects(connection, "trigger", table)]
        connection.execute("PRAGMA legacy_alter_table = ON")  # views keep the table's name
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}{legacy_database.SUFFIX}")
        connection.execute("PRAGMA legacy_alter_table = OFF")
        connection.execute(statement)
        if table == "readings":
            rejected = legacy_database.copy_readings(connection, progress)
            connection.execute(f"DROP TABLE readings{legacy_database.SUFFIX}")
            connection.execute("CREATE INDEX IF NOT EXISTS readings_timestamp ON readings (timestamp)")
        else:
            legacy_database.copy_rows(connection, table)
        for trigger in triggers:
            connection.execute(trigger)
    for statement in views.STATEMENTS:  # ours went with the table
        connection.execute(statement)
    return [f"{pluralize(rejected, 'reading')} had the device and time of another; they are in the table "
            f"{legacy_database.REJECTED}"] if rejected else []


def _refused(path: Path, problem: str, kind: str, names: list[str]) -> StorageError:
    drops = "; ".join(f'DROP {kind.upper()} "{name}"' for name in names)
    return Unusable(f"{path} refuses readings: {problem}, because of the {kind} {', '.join(names)}",
                    f"correct it, or remove it: sqlite3 {shlex.quote(str(path))} {shlex.quote(drops)}")


def _objects(connection: sqlite3.Connection, kind: str, table: str | None = None) -> list[tuple[str, str]]:
    """Return name and text of people's own triggers or indexes on our tables."""
    return [(name, sql) for name, sql, on in connection.execute(
        f"SELECT name, sql, lower(tbl_name) FROM sqlite_master WHERE type = ? AND sql IS NOT NULL "
        f"AND lower(tbl_name) IN ({OURS}) ORDER BY name", (kind,)) if name not in OWN and table in (None, on)]


def _lacks_key(connection: sqlite3.Connection, table: str) -> bool:
    keys = [{row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]}]
    for _, name, is_unique, _, is_partial in connection.execute(f"PRAGMA index_list({table})").fetchall():
        if is_unique and not is_partial:
            keys.append({row[2] for row in connection.execute(f'PRAGMA index_info("{name}")')})
    return KEYS[table] not in keys
