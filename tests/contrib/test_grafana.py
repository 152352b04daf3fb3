"""The dashboards of contrib/grafana: each query runs on a real record, and has the columns that its panel shows."""

from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec

import pytest

import publishers
from tests.contrib import record
from tests.contrib.dashboards import HOUSE, ROOMS, Central, Copy, Panel, Rows, Source, document, panels
from tests.contrib.postgresql import FOLDERS, PostgreSQL
from tests.contrib.record import hour
from tests.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    record.build(home.database)
    return home


@pytest.fixture(scope="module")
def copy(home: Home) -> Copy:
    shared = home.folder / "shared.db"
    home.write_config(publishers={"snapshot": {"enabled": True, "shared_copy": str(shared)}})
    run = home.process(module="publishers.snapshot")
    assert run.code == 0, run
    return Copy(shared)


@pytest.fixture(scope="module")
def central(home: Home) -> Iterator[Central]:
    """A server to which the publisher has sent the record."""
    if "postgres" not in publishers.names() or find_spec("psycopg") is None:
        pytest.skip("there is no publisher postgres here, or no package psycopg")
    if not FOLDERS:
        pytest.skip("there is no PostgreSQL here (Debian's package postgresql)")
    with PostgreSQL() as server:
        home.write_config(publishers={"postgres": {"enabled": True, "house_id": HOUSE}})
        home.write_secrets({"postgres": {"dsn": server.dsn}})
        for arguments in (["--setup"], []):
            run = home.process(*arguments, module="publishers.postgres")
            assert run.code == 0, run
        yield Central(server)


@pytest.fixture(params=["copy", "central"])
def source(request: pytest.FixtureRequest) -> Source:
    result: Source = request.getfixturevalue(request.param)
    return result


def shown(source: Source, title: str, start: datetime = record.START, end: datetime = record.END) -> Rows:
    panel, = (panel for panel in panels(source.file) if panel.title == title)
    return source.rows(panel.query, start, end)


def check(panel: Panel, source: Source) -> None:
    """Assert that the result has the columns which the panel formats, or the form of a time series."""
    first = source.rows(panel.query, record.START, record.END)[0]
    assert {*panel.columns, *panel.times} <= first.keys()
    if panel.form == "time series":
        assert [*first] in (["time", "name", "value"], ["time", "metric", "value"])


@pytest.mark.parametrize("panel", [*panels(Copy.file)], ids=lambda panel: panel.title)
def test_a_panel_of_the_copy_shows_its_columns(panel: Panel, copy: Copy) -> None:
    check(panel, copy)


@pytest.mark.parametrize("panel", [*panels(Central.file)], ids=lambda panel: panel.title)
def test_a_panel_of_many_houses_shows_its_columns(panel: Panel, central: Central) -> None:
    check(panel, central)


@pytest.mark.parametrize(("variable", "values"), [("room", ROOMS), ("house", [HOUSE])])
def test_what_can_be_chosen_is_what_is_stored(variable: str, values: list[str], request: pytest.FixtureRequest) -> None:
    source: Source = request.getfixturevalue("copy" if variable == "room" else "central")
    query, = (each["query"] for each in document(source.file)["templating"]["list"] if each["name"] == variable)
    rows = source.rows(query, record.START, record.END)
    assert sorted(value for row in rows for value in row.values()) == sorted(values)


def test_a_gap_breaks_the_line(source: Source) -> None:
    values = {(row.get("name") or row["metric"], row["time"]): row["value"] for row in shown(source, "Temperature")}
    missing = {name: [number for number in range(48) if values.get((name, hour(number).timestamp())) is None]
               for name in ROOMS}
    assert missing == {"O'Brien's kitchen": [5, 10, 20, 21], "Garten hue:b": [10, 20, 21], "Garten alexa:1": [20, 21]}


def test_frost_is_shown(source: Source) -> None:
    values = {row["value"] for row in shown(source, "Temperature") if "Garten hue:b" in row.values()}
    assert values - {None} == {-4.5}


def test_frost_is_part_of_the_days(copy: Copy) -> None:
    assert {row["Lowest"] for row in shown(copy, "Days") if row["Room"] == "Garten hue:b"} == {-4.5}


def test_a_chart_has_only_the_devices_that_measure_its_quantity(source: Source) -> None:
    assert {row.get("name") or row["metric"] for row in shown(source, "Particles")} == {"Garten alexa:1"}


def test_each_gap_has_its_reason(source: Source) -> None:
    assert {(row["Room"], row["Length"] // 3600, row["Why"]) for row in shown(source, "Gaps")} == {
        ("O'Brien's kitchen", 1, "the device was silent"),
        ("O'Brien's kitchen", 1, "unreachable"), ("Garten hue:b", 1, "unreachable"),
        *((room, 2, "nothing ran") for room in ROOMS)}


def test_what_is_silent_at_the_end_is_a_gap_too(source: Source) -> None:
    gaps = shown(source, "Gaps", hour(4), hour(5.5))
    assert [(row["Room"], row["Length"] >= 1800) for row in gaps] == [("O'Brien's kitchen", True)]


def test_coverage_counts_what_was_due(source: Source) -> None:
    coverage = {row["Room"]: row["Coverage"] for row in shown(source, "Coverage")}
    assert {room: round(share) for room, share in coverage.items()} == {
        "O'Brien's kitchen": 92, "Garten hue:b": 94, "Garten alexa:1": 96}


def test_a_house_that_is_silent_is_listed(central: Central) -> None:
    house, = shown(central, "Houses")
    assert (house["House"], house["Devices"], house["Silent"], house["Coldest"]) == (HOUSE, 3, 0, -4.5)
    house, = shown(central, "Houses", hour(20), hour(21.5))
    assert house["Silent"] == 3
