"""Nothing takes longer because many readings are stored: shown by query plans and counted steps.

`python -m tests.benchmarks.scale` shows the same in seconds, with ten million readings. Here SQLite's query plans and
the steps of its virtual machine are compared, not times.
"""

import ast
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from runtime.formats import parse_time
from storage import manager
from storage.changes import Cursor
from tests.benchmarks import years
from tests.checkout import CHECKOUT
from tests.health import checks
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.test_changes import changes

FEW, MANY = 6_000, 60_000  # readings; of five sensors the fewer last for four days, the more for six weeks
STEPS = 20  # of the virtual machine between two counts
ONCE_IN_A_LIFE = ("legacy_database.py", "backup.py", "restoring.py", "schema.py", "witness.py")  # may scan whole tables
BY_RANGE = ("past.py", "statistics.py", "importing.py", "views.py", "snapshots.py")  # for people, who ask for ranges
ABOUT_READINGS = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+readings\b")
PARAMETER = re.compile(r"[?]|:\w+")

Act = Callable[[Home], object]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[sqlite3.Connection], object]]:
    """Return a list of functions that are called with every connection opened from now on."""
    at_opening: list[Callable[[sqlite3.Connection], object]] = []
    connect = sqlite3.connect

    def opened(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        for each in at_opening:
            each(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", opened)
    return at_opening


@pytest.fixture
def steps(connections: list[Callable[[sqlite3.Connection], object]]) -> list[int]:
    """Return a list that grows with every STEPS steps of the virtual machine."""
    taken: list[int] = []
    connections.append(lambda connection: connection.set_progress_handler(lambda: taken.append(1), STEPS))
    return taken


def lived_in(home: Home, simulator: Simulator, readings: int) -> Home:
    """Return a home of five sensors with that many readings, the newest from now."""
    home.point_at(simulator)
    assert home.run().code == 0
    years.fill(home.database, readings)
    home.wait_for_the_next_second()
    return home


def examine(home: Home) -> None:
    now = parse_time(home.rows("SELECT MAX(timestamp) AS newest FROM readings")[0]["newest"])
    for name in ("freshness", "database_wal", "batteries"):
        assert checks.findings(name, checks.read(home, now=now))


def one_device(home: Home) -> str:
    return str(home.rows("SELECT device_id FROM device_registry ORDER BY device_id LIMIT 1")[0]["device_id"])


ACTS: dict[str, Act] = {
    "a cycle": lambda home: home.run().code == 0,
    "the list of devices": lambda home: home.desk("list").code == 0,
    "the gaps of a day": lambda home: home.desk("gaps", "--since", "1d").code == 0,
    "another name": lambda home: home.desk("set-name", one_device(home), "Larder").code == 0,
    "the health check": examine,
}


def test_ten_times_the_readings_take_no_more_steps(simulator: Simulator, tmp_path: Path, steps: list[int]) -> None:
    counted: dict[str, list[int]] = {what: [] for what in ACTS}
    for readings in (FEW, MANY):
        home = lived_in(Home(tmp_path / str(readings)), simulator, readings)
        for what, act in ACTS.items():
            steps.clear()
            assert act(home) is not False
            counted[what].append(len(steps))
    assert all(few > 0 for few, _ in counted.values())
    assert {what: each for what, each in counted.items() if each[1] > 1.02 * each[0] + 5} == {}


@pytest.fixture
def executed(home: Home, simulator: Simulator, connections: list[Callable[[sqlite3.Connection], object]]) -> list[str]:
    """Return every statement about readings of all commands, a cycle and the health check."""
    found: list[str] = []
    lived_in(home, simulator, 500)
    connections.append(lambda connection: connection.set_trace_callback(found.append))
    device = one_device(home)
    for act in ACTS.values():
        act(home)
    assert checks.findings("database_write", checks.read(home))
    manager.examine(home.database)
    record = changes(home.database)
    assert record.are_unchanged(list(record.batches(Cursor()))[-1].cursor, datetime.now(timezone.utc))
    unseen = "hue:00:17:88:01:00:00:00:01-02-0402"
    assert [home.desk("set-name", unseen, "Shed").code, home.desk("forget", unseen).code] == [0, 0]
    assert home.desk("amend-name", device, "Attic", "--recursive").code == 0
    assert home.desk("forget", device, "--delete-history", answer=f"{device}\n").code == 0
    assert home.desk("set-name", "hue:00:17:88:01:ff:ff:ff:ff-02-0402", "Phantom").code == 0
    assert home.desk("forget", "Phantom").code == 0
    return sorted({each for each in found if ABOUT_READINGS.search(each)})


def plans(path: Path, statement: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def is_lookup(plan: str) -> bool:
    """Return whether a step uses an index; SQLite also says SEARCH when it finds the greatest of a whole column."""
    return not re.match(r"(SCAN|SEARCH) readings\b", plan) or plan.startswith("SEARCH") and " USING " in plan


def test_no_statement_looks_at_all_readings(home: Home, executed: list[str]) -> None:
    """Statements that only check the form return nothing, and scan nothing."""
    asked = [each for each in executed if not each.endswith("LIMIT 0")]
    assert len(asked) > 10
    assert [each for each in asked if not all(map(is_lookup, plans(home.database, each)))] == []


@pytest.mark.parametrize("is_analysed", [False, True])
def test_a_devices_readings_are_looked_up_by_device_and_time(home: Home, executed: list[str], is_analysed: bool) -> None:
    """Whatever the version of SQLite plans: by time alone, gaps of a day would read the readings of all devices."""
    if is_analysed:
        with closing(sqlite3.connect(home.database)) as connection:
            connection.execute("ANALYZE")
    asked = [each for each in executed if re.match(r"\s*SELECT\b.*\bFROM readings\b.*\bdevice_id = '", each, re.DOTALL)]
    assert len(asked) > 5
    steps = {each: [plan for plan in plans(home.database, each) if " readings" in plan] for each in asked}
    assert [each for each in asked
            if not steps[each] or not all("sqlite_autoindex_readings_1" in plan for plan in steps[each])] == []


def written(module: Path) -> Iterator[str]:
    """Yield the SQL about readings in a module, up to its first parameter, with single spaces."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ABOUT_READINGS.search(node.value):
            yield " ".join(PARAMETER.split(node.value)[0].split())


def test_every_statement_about_readings_is_checked_here(executed: list[str]) -> None:
    heard = [" ".join(each.split()) for each in executed]
    modules = [each for each in (CHECKOUT / "storage").glob("*.py") if each.name not in ONCE_IN_A_LIFE + BY_RANGE]
    texts = [(each.name, text) for each in modules for text in written(each)]
    assert len(texts) > 10
    assert [text for text in texts if not any(text[1] in each for each in heard)] == []


def test_no_index_is_covered_by_another_one(home: Home) -> None:
    with manager.writing(home.database) as connection:
        tables = [name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        indexes = [(table, index[1], [column[2] for column in connection.execute(f"PRAGMA index_info('{index[1]}')")])
                   for table in tables for index in connection.execute(f"PRAGMA index_list('{table}')")]
    covered = [one for table, one, columns in indexes for same, other, more in indexes
               if (table, one) != (same, other) and table == same and more[:len(columns)] == columns]
    assert len(indexes) >= 4 and covered == []


def test_a_reading_takes_no_more_bytes_than_it_did(home: Home, simulator: Simulator) -> None:
    """Table and indexes together; another column or index would show here."""
    lived_in(home, simulator, 50_000)
    assert home.database.stat().st_size / 50_000 < 350


def test_the_years_that_are_made_are_as_cycles_store_them(home: Home, simulator: Simulator) -> None:
    """The generated readings fill the same columns, have no gap, and are in the registry and the cycles."""
    home.point_at(simulator)
    home.run()
    own = home.rows()
    years.fill(home.database, 15_000)
    made = home.rows()
    for column in ("device_type", "name", "location", "battery_level", "is_anomalous"):
        assert {row["device_id"]: row[column] for row in made} == {row["device_id"]: row[column] for row in own}
    assert {name for row in own for name, value in row.items() if value is None} == {
        name for row in made for name, value in row.items() if value is None}
    assert len(made) == 15_000 and made[-1]["timestamp"] == own[0]["timestamp"]
    assert len({(row["device_id"], row["timestamp"]) for row in made}) == 15_000
    assert [each["started_at"] for each in home.cycles()] == sorted({row["timestamp"] for row in made})
    home.wait_for_the_next_second()
    covered = json.loads(home.desk("gaps", "--json").out)
    assert [(each["spans"], each["stored"]) for each in covered] == 5 * [([], 7 * years.A_DAY)]
