"""The tables (docs/data.md explains the columns), and the migrations that bring a database of any age up to date.

`MIGRATIONS` is append-only, and `PRAGMA user_version` counts those that a database has gone through.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from runtime.commands import update_command
from runtime.errors import Unusable

Progress = Callable[[str, int, int], None]  # the step, how much of it is done, of how much

TABLES = ("""
    CREATE TABLE readings (
        id INTEGER PRIMARY KEY,
        timestamp TEXT NOT NULL,
        device_id TEXT NOT NULL,
        device_type TEXT NOT NULL,
        name TEXT,
        location TEXT,
        temperature_celsius REAL,
        temperature_raw REAL,
        humidity_percent REAL,
        pm25_ugm3 REAL,
        pm10_ugm3 REAL,
        voc_index REAL,
        voc_ppb REAL,
        co_ppm REAL,
        co2_ppm REAL,
        iaq_score REAL,
        light_lux REAL,
        battery_level INTEGER,
        signal_strength INTEGER,
        is_anomalous INTEGER NOT NULL DEFAULT 0,
        measured_at TEXT,
        thermostat_mode TEXT,
        thermostat_state TEXT,
        day_night TEXT,
        weather_conditions TEXT,
        raw_response TEXT,
        created_at TEXT NOT NULL,
        UNIQUE (device_id, timestamp)
    )
""", """
    CREATE TABLE device_registry (
        device_id TEXT PRIMARY KEY NOT NULL,
        device_type TEXT,
        device_name TEXT,
        location TEXT,
        unique_id TEXT,
        model_info TEXT,
        first_seen TEXT,
        last_seen TEXT,
        is_active INTEGER NOT NULL DEFAULT 1,
        name_source TEXT NOT NULL DEFAULT 'discovered',
        location_source TEXT NOT NULL DEFAULT 'discovered',
        temperature_offset REAL NOT NULL DEFAULT 0,
        collector TEXT
    )
""", """
    CREATE TABLE collection_cycles (
        id INTEGER PRIMARY KEY,
        collector TEXT NOT NULL,
        started_at TEXT NOT NULL,
        duration_ms REAL,
        fetch_ms REAL,
        payload_bytes INTEGER,
        requests INTEGER,
        endpoint TEXT,
        readings INTEGER,
        stored INTEGER,
        spooled INTEGER,
        retries INTEGER,
        outcome TEXT NOT NULL,
        error_type TEXT,
        error TEXT
    )
""", """
    CREATE TABLE retry_events (
        id INTEGER PRIMARY KEY,
        collector TEXT NOT NULL,
        cycle_started_at TEXT NOT NULL,
        at TEXT NOT NULL,
        operation TEXT,
        endpoint TEXT,
        attempt INTEGER,
        delay_seconds REAL,
        error_type TEXT,
        error TEXT,
        outcome TEXT
    )
""")
# Without one of these columns a database is another program's, or was changed by hand.
FORM = (
    "SELECT timestamp, device_id, temperature_raw, created_at FROM readings LIMIT 0",
    "SELECT device_id, name_source, temperature_offset, collector FROM device_registry LIMIT 0",
    "SELECT collector, started_at, spooled, outcome, clock_offset_seconds FROM collection_cycles LIMIT 0",
    "SELECT cycle_started_at, operation, outcome FROM retry_events LIMIT 0",
    "SELECT key, value FROM record LIMIT 0",
)


def pending(connection: sqlite3.Connection, path: Path) -> range:
    """Return the numbers of the missing migrations. Raise Unusable for a newer or another program's database."""
    reached = version(connection) or _reached(connection)
    if reached > len(MIGRATIONS):
        raise Unusable(f"{path} was written by a newer version of this program (its schema is {reached}, this program "
                       f"knows {len(MIGRATIONS)})", f"update this program: {update_command()}")
    from storage import legacy_database
    legacy_database.ensure_ours(connection, path, reached > 0)
    return range(reached + 1, len(MIGRATIONS) + 1)


def version(connection: sqlite3.Connection) -> int:
    """Return how many migrations were applied; 0 if the database is empty or an earlier program's."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _reached(connection: sqlite3.Connection) -> int:
    """Return how many migrations a database without its number has gone through, as made by `.dump | sqlite3`."""
    for number, query in enumerate(SIGNS):
        try:
            connection.execute(query)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return number
    return len(SIGNS)


def data_tables(connection: sqlite3.Connection) -> list[str]:
    """Return those of the tables that hold what no collector can bring back."""
    return [name for name, in connection.execute("""
        SELECT lower(name)
        FROM sqlite_master
        WHERE type = 'table'
            AND lower(name) IN ('readings', 'device_registry')
        ORDER BY lower(name)
    """)]


def apply(connection: sqlite3.Connection, number: int, progress: Progress) -> Iterable[str]:
    """Apply a migration inside the caller's transaction; return messages to log after the commit."""
    messages = MIGRATIONS[number - 1](connection, progress)
    connection.execute(f"PRAGMA user_version = {number}")
    return messages


def _first(connection: sqlite3.Connection, progress: Progress) -> Iterable[str]:
    """Create the tables and fill them from those of an earlier program, if there are any."""
    from storage import legacy_database
    old = legacy_database.rename_tables(connection)
    for table in TABLES:
        connection.execute(table)
    messages = legacy_database.import_tables(connection, old, progress)
    connection.execute("CREATE INDEX readings_timestamp ON readings (timestamp)")
    connection.execute("CREATE INDEX collection_cycles_started_at ON collection_cycles (started_at)")
    connection.execute("CREATE INDEX retry_events_cycle_started_at ON retry_events (cycle_started_at)")
    return messages


def _add_clock_offset(connection: sqlite3.Connection, _progress: Progress) -> Iterable[str]:
    connection.execute("ALTER TABLE collection_cycles ADD COLUMN clock_offset_seconds INTEGER")
    return ()


def _add_record(connection: sqlite3.Connection, _progress: Progress) -> Iterable[str]:
    connection.execute("CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value TEXT)")
    return ()


def _add_views(connection: sqlite3.Connection, _progress: Progress) -> Iterable[str]:
    from storage import views
    for statement in views.STATEMENTS:
        connection.execute(statement)
    return ()


MIGRATIONS: list[Callable[[sqlite3.Connection, Progress], Iterable[str]]] = [
    _first, _add_clock_offset, _add_record, _add_views]
REWRITING = {1}  # the numbers of those that rewrite rows: the database is copied first
SIGNS = (  # of each migration, a query that fails before it
    "SELECT endpoint FROM collection_cycles LIMIT 0",
    "SELECT clock_offset_seconds FROM collection_cycles LIMIT 0",
    "SELECT value FROM record LIMIT 0",
    "SELECT change_id FROM reading_changes LIMIT 0",
)
RECORD = 3  # the number of the one that needs an id to be given
