"""The recorder of a Home Assistant, opened for reading: states of its sensors, and the hourly means that outlast them.

Its tables since 2023.4: https://github.com/home-assistant/core, homeassistant/components/recorder/db_schema.py, 2026-12.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from runtime.errors import Busy, Unavailable, Unusable
from storage.backup import readable

AT_ONCE = 5_000
REMEDY = "name its home-assistant_v2.db, or a copy of it"
FORM = (
    "SELECT metadata_id, entity_id FROM states_meta LIMIT 0",
    "SELECT state_id, metadata_id, state, last_updated_ts, attributes_id FROM states LIMIT 0",
    "SELECT attributes_id, shared_attrs FROM state_attributes LIMIT 0",
    "SELECT id, metadata_id, start_ts, mean FROM statistics LIMIT 0",
    "SELECT id, statistic_id, unit_of_measurement FROM statistics_meta LIMIT 0",
)
STATES = f"""
    SELECT
        last_updated_ts,
        state_id,
        states_meta.entity_id,
        state,
        attributes_id
    FROM states
    JOIN states_meta USING (metadata_id)
    WHERE last_updated_ts >= ?
        AND (last_updated_ts, state_id) > (?, ?)
        AND states_meta.entity_id LIKE 'sensor.%'
    ORDER BY last_updated_ts, state_id
    LIMIT {AT_ONCE}
"""
MEANS = f"""
    SELECT
        start_ts,
        statistics.id,
        statistic_id,
        mean,
        unit_of_measurement
    FROM statistics
    JOIN statistics_meta ON statistics_meta.id = statistics.metadata_id
    WHERE start_ts >= ?
        AND (start_ts, statistics.id) > (?, ?)
        AND statistic_id LIKE 'sensor.%'
        AND mean IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM states
            JOIN states_meta USING (metadata_id)
            WHERE states_meta.entity_id = statistic_id
                AND last_updated_ts >= start_ts
                AND last_updated_ts < start_ts + 3600
                AND state NOT IN ('unavailable', 'unknown', '')
        )
    ORDER BY start_ts, statistics.id
    LIMIT {AT_ONCE}
"""
StateRow = tuple[float, int, str, str | None, int | None]  # time, its id, entity, state, id of the attributes
MeanRow = tuple[float, int, str, float, str | None]  # start of the hour, its id, entity, mean, unit


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Raise Unusable if the file is not a recorder's, Unavailable if it cannot be read now."""
    if not path.is_file():
        raise Unusable(f"{path} is {'a folder' if path.is_dir() else 'missing'}", REMEDY)
    try:
        with closing(sqlite3.connect(readable(path), uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            for query in FORM:
                connection.execute(query)
            yield connection
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def entities(connection: sqlite3.Connection) -> set[str]:
    return {name for name, in connection.execute("SELECT entity_id FROM states_meta UNION SELECT statistic_id "
                                                 "FROM statistics_meta")}


def attributes(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield the sets of attributes with a device class, as JSON, by id."""
    yield from connection.execute("""
        SELECT
            attributes_id,
            shared_attrs
        FROM state_attributes
        WHERE shared_attrs LIKE '%"device_class"%'
    """)


def states(connection: sqlite3.Connection) -> Iterator[StateRow]:
    """Yield the states of all sensors, oldest first."""
    return _paged(connection, STATES)


def means(connection: sqlite3.Connection) -> Iterator[MeanRow]:
    """Yield the hourly means, oldest first, of hours in which their sensor has no state."""
    return _paged(connection, MEANS)


def _paged(connection: sqlite3.Connection, query: str) -> Iterator[tuple[float, int, str, Any, Any]]:
    """No page keeps the database open: its -wal could not be reset, and Home Assistant writes all the time."""
    last: tuple[float, int] = (0.0, 0)
    while rows := connection.execute(query, (last[0], *last)).fetchall():
        last = rows[-1][:2]
        yield from rows


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    code = error.sqlite_errorcode & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another process holds {path}: {error}")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL):
        return Unavailable(f"{path} cannot be read now: {error}", "copy it to this machine's disk, and import the copy")
    remedy = REMEDY
    if "no such column" in str(error) or "states_meta" in str(error):
        remedy += "; one older than Home Assistant 2023.4 has to be opened by a newer Home Assistant first"
    return Unusable(f"{path} is not a sound recorder of Home Assistant: {error}", remedy)
