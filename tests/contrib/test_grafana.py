"""The dashboards of contrib/grafana: each query runs on a real record, and has the columns that its panel shows."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.checkout import CHECKOUT
from tests.contrib import record
from tests.contrib.record import hour

FOLDER = CHECKOUT / "contrib" / "grafana"
STEP = 3600
ROOMS = ["O'Brien's kitchen", "Garten hue:b", "Garten alexa:1"]


class Panel(NamedTuple):
    """`form` is `table` or `time series`, `times` the columns that Grafana reads as times."""

    title: str
    form: str
    query: str
    times: list[str]
    columns: list[str]


def panels(name: str) -> Iterator[Panel]:
    for panel in json.loads((FOLDER / name).read_text(encoding="utf-8"))["panels"]:
        shown = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
        target, = panel["targets"]
        yield Panel(panel["title"], target.get("queryType") or target["format"].replace("_", " "),
                    target.get("rawQueryText") or target["rawSql"], target.get("timeColumns", []), shown)


def quoted(values: list[str]) -> str:
    """Return a variable's values as Grafana's format `sqlstring` writes them."""
    return ",".join("'" + value.replace("'", "''") + "'" for value in values)


def in_sqlite(query: str, start: datetime, end: datetime, every: str = "300") -> str:
    """Return the query as Grafana and its SQLite plug-in replace the variables."""
    for name, value in {"$__from": f"{start.timestamp() * 1000:.0f}", "$__to": f"{end.timestamp() * 1000:.0f}",
                        "$__interval_ms": str(STEP * 1000), "$every": every, "${room:sqlstring}": quoted(ROOMS)}.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record.build(tmp_path_factory.mktemp("record") / "readings.db")


def rows(database: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def shown(database: Path, title: str, start: datetime = record.START, end: datetime = record.END) -> list[dict[str, Any]]:
    panel, = (panel for panel in panels("sqlite.json") if panel.title == title)
    return rows(database, in_sqlite(panel.query, start, end))


@pytest.mark.parametrize("panel", [*panels("sqlite.json")], ids=lambda panel: panel.title)
def test_a_panel_of_the_copy_shows_its_columns(panel: Panel, database: Path) -> None:
    result = rows(database, in_sqlite(panel.query, record.START, record.END))
    assert {*panel.columns, *panel.times} <= result[0].keys()
    if panel.form == "time series":
        assert list(result[0]) == ["time", "name", "value"]


def test_the_rooms_to_choose_from_are_those_of_the_record(database: Path) -> None:
    document = json.loads((FOLDER / "sqlite.json").read_text(encoding="utf-8"))
    room, = (variable for variable in document["templating"]["list"] if variable["name"] == "room")
    assert sorted(row["room"] for row in rows(database, room["query"])) == sorted(ROOMS)


def test_a_gap_breaks_the_line(database: Path) -> None:
    values = {(row["name"], row["time"]): row["value"] for row in shown(database, "Temperature")}
    assert {name: [number for number in range(48) if values[name, hour(number).timestamp()] is None] for name in ROOMS} == {
        "O'Brien's kitchen": [5, 10, 20, 21], "Garten hue:b": [10, 20, 21], "Garten alexa:1": [20, 21]}


def test_frost_is_shown(database: Path) -> None:
    assert {row["value"] for row in shown(database, "Temperature") if row["name"] == "Garten hue:b"} == {-4.5, None}
    assert [row["Lowest"] for row in shown(database, "Days") if row["Room"] == "Garten hue:b"] == [-4.5, -4.5]


def test_a_chart_has_only_the_devices_that_measure_its_quantity(database: Path) -> None:
    assert {row["name"] for row in shown(database, "Particles")} == {"Garten alexa:1"}


def test_each_gap_has_its_reason(database: Path) -> None:
    assert {(row["Room"], row["Length"] / 3600, row["Why"]) for row in shown(database, "Gaps")} == {
        ("O'Brien's kitchen", 1 + 1 / 12, "the device was silent"),
        ("O'Brien's kitchen", 1 + 1 / 12, "unreachable"), ("Garten hue:b", 1 + 1 / 12, "unreachable"),
        *((room, 2 + 1 / 12, "nothing ran") for room in ROOMS)}


def test_what_is_silent_at_the_end_is_a_gap_too(database: Path) -> None:
    assert [(row["Room"], row["From"]) for row in shown(database, "Gaps", hour(4), hour(5.5))] == [
        ("O'Brien's kitchen", hour(5).timestamp() - 300)]


def test_coverage_counts_what_was_due(database: Path) -> None:
    coverage = {row["Room"]: row["Coverage"] for row in shown(database, "Coverage")}
    assert {room: round(share) for room, share in coverage.items()} == {
        "O'Brien's kitchen": 92, "Garten hue:b": 94, "Garten alexa:1": 96}
