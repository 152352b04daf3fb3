"""docs/data.md describes the database as it is: every table, every column, and queries with results."""

import os
import re
import sqlite3
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from storage import manager
from storage.reading import Retry
from tests import damage
from tests.checked_home import CheckedHome
from tests.mail_server import email_section
from tests.storage.samples import a_cycle, a_reading, at, store

PAGE = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COLUMN = re.compile(r"^\| `(\w+)` \| ([A-Z ]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database with a few cycles: a gap of an hour, a battery running low, a failed attempt."""
    path = tmp_path / "readings.db"
    early, late = (a_reading(at=at(minutes=minutes), location="Kitchen", battery_level=9) for minutes in (0, 60))
    refused = Retry(at=at(), operation="fetch", endpoint="/sensors", attempt=1, delay_seconds=1.0,
                    error_type="CannotReach", error="no answer", outcome="retrying")
    store(path, a_cycle(early, retries=(refused,)), a_cycle(late, at=at(minutes=60)))
    now = datetime.now(timezone.utc).replace(microsecond=0)
    for hours in (23, 25):  # today's, and one that is a little too old
        moment = now - timedelta(hours=hours)
        frost = a_reading(at=moment, location="Garden", temperature_celsius=-4.59, is_anomalous=True, device_id="hue:g")
        store(path, a_cycle(frost, at=moment))
    return path


def described() -> dict[str, list[tuple[str, str]]]:
    """Return the tables that the page describes, with their columns and types."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    titles = ((section, re.match(r"`(\w+)`\n", section)) for section in sections)
    return {title[1]: COLUMN.findall(section) for section, title in titles if title}


def declared(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """Return the tables of a database, with their columns and types."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {table: [(name, kind + (" NOT NULL" if required else "")) for _, name, kind, required, *_
                    in connection.execute(f"PRAGMA table_info({table})")] for table, in tables.fetchall()}


def test_the_page_describes_every_column_of_every_table_and_no_other(database: Path) -> None:
    with manager.reading(database) as connection:
        assert described() == declared(connection)


def test_the_page_has_queries_to_copy() -> None:
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split())[7:60])
def test_a_query_of_the_page_finds_something(query: str, database: Path) -> None:
    """Read-only: an example must not change the data."""
    with manager.reading(database) as connection:
        assert connection.execute(query).fetchall()


def test_the_gap_between_two_readings_is_found(database: Path) -> None:
    query, = (each for each in QUERIES if "LAG" in each)
    with manager.reading(database) as connection:
        gaps = [row for row in connection.execute(query) if row[1] == "Kitchen"]
        assert [row[-1] for row in gaps] == [60.0]


def test_the_last_24_hours_are_24_hours(database: Path) -> None:
    query, = (text for text in QUERIES if "-24 hours" in text)
    with manager.reading(database) as connection:
        assert [row[1:] for row in connection.execute(query)] == [("Garden", -4.59)]


def test_frost_is_part_of_the_statistics(database: Path) -> None:
    assert not any("is_anomalous = 0" in query for query in QUERIES)
    query, = (text for text in QUERIES if "AS lowest" in text)
    with manager.reading(database) as connection:
        assert min(row[3] for row in connection.execute(query)) == -4.59


def test_the_page_names_the_files_of_the_program(checked_home: CheckedHome) -> None:
    """Of a home with an alert, a failed notifier, a damaged spool and a backup put back."""
    checked_home.keep_secrets(email=email_section(9))
    damage.damage_spool(checked_home)
    damage.raise_alert(checked_home)
    checked_home.hand_over(os.geteuid())
    assert checked_home.carry_out(checked_home.as_printed(f"python readings.py restore {checked_home.backup}")).code == 0
    named = [name.replace("…", "*") for name in re.findall(r"`([^ `]+)`", PAGE)]
    files = {str(path.relative_to(folder)) for folder in (checked_home.data, checked_home.config.parent)
             for path in folder.rglob("*") if path.is_file()}
    assert {"spool.bad", "notifications.json", "record.id", "hue.lock", "logs/home_monitor.log"} <= files
    assert [file for file in files if not any(fnmatchcase(file, name) for name in named)] == []
