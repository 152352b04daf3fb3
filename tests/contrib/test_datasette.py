"""contrib/datasette: its tables, columns and units are the record's, and its queries are those of docs/data.md."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.quantities import QUANTITIES
from tests.checkout import CHECKOUT
from tests.contrib import record

DATABASE = yaml.safe_load((CHECKOUT / "contrib" / "datasette" / "metadata.yaml").read_text("utf-8"))["databases"]["readings"]
TABLES: dict[str, dict[str, Any]] = DATABASE["tables"]
DATA_PAGE = " ".join((CHECKOUT / "docs" / "data.md").read_text("utf-8").split())


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = record.build(tmp_path_factory.mktemp("record") / "readings.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


def test_it_describes_the_tables_that_there_are(connection: sqlite3.Connection) -> None:
    assert TABLES.keys() == {name for name, in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}


@pytest.mark.parametrize("table", TABLES)
def test_it_describes_columns_that_there_are(table: str, connection: sqlite3.Connection) -> None:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    section = TABLES[table]
    named = {*section.get("columns", {}), *section.get("facets", []), *(section.get(key) for key in ("sort", "sort_desc"))}
    assert named - {None} <= columns


def test_each_quantity_has_its_unit() -> None:
    described = TABLES["readings"]["columns"]
    assert {quantity.column for quantity in QUANTITIES} <= described.keys()
    assert all(described[quantity.column].endswith(f", {quantity.unit}") for quantity in QUANTITIES if quantity.unit)


@pytest.mark.parametrize("name", DATABASE["queries"])
def test_a_query_runs_and_is_one_of_the_documentation(name: str, connection: sqlite3.Connection) -> None:
    query = DATABASE["queries"][name]
    assert connection.execute(query["sql"]).description
    assert query["title"] in DATA_PAGE and " ".join(query["sql"].split()) in DATA_PAGE
