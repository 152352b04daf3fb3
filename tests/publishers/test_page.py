"""The page says what is stored, what is missing and why, in one file that is replaced at once."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from publishers import page
from runtime.formats import format_time, parse_time
from storage import spool
from storage.gaps import TEXTS
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.publishers.pages import Page
from tests.publishers.running import enable, run
from tests.simulator import past
from tests.simulator.past import Mishap
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading

# Each reason for a gap, in the last two days.
EVERY_MISHAP = (
    Mishap(44, 1), Mishap(41, 1, "hue"), Mishap(38, 1, "hue", "unreachable", "the bridge did not answer"),
    Mishap(35, 1, "amazon_aqm", "throttled", "HTTP 429"), Mishap(32, 1, "hue", "not_authorised"),
    Mishap(29, 1, "hue", "not_understood"), Mishap(26, 1, "hue", "skipped"), Mishap(23, 1, "hue", "interrupted"),
    Mishap(20, 1, "hue", "partial"), Mishap(17, 1, "Büro", "ok"), Mishap(11, 1, "Büro", "ok"), Mishap(8, 1, "hue"))
DELETED_HOURS_AGO = (14, 11)  # the later time, the cycle had stored one reading less than there are devices
REASONS = {*TEXTS.values(), "source unreachable", "throttled", "not authorised", "not understood", "overlapping run",
           "run interrupted", "source broke off", "device stale or unreachable", "waiting in the spool"}


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose last three days have a gap of each reason."""
    home = Home(tmp_path_factory.mktemp("eventful") / "home")
    home.settings["display"] = {"house": "Harbour Street 5", "time_zone": "Europe/London"}
    with Simulator(tls=None) as simulator:
        home.introduce(simulator)
        for module in ("collectors.hue", "collectors.amazon_aqm"):
            assert home.process(module=module).code == 0
        past.fill(home.database, simulator.house, timedelta(days=3), EVERY_MISHAP)
    newest = parse_time(home.cycles()[0]["started_at"])
    with closing(sqlite3.connect(home.database)) as connection, connection:
        for hours in DELETED_HOURS_AGO:
            connection.execute("DELETE FROM readings WHERE location = 'Utility' AND timestamp >= ? AND timestamp < ?", [
                format_time(newest - timedelta(hours=hours - shift)) for shift in (0, 1)])
    utility = home.rows("SELECT device_id FROM device_registry WHERE device_name = 'Utility'")[0]["device_id"]
    for number in range(12):
        when = newest - timedelta(hours=8) + number * past.INTERVAL
        spool.append(home.data, a_cycle(a_reading(utility, at=when), at=when), 1.0)
    enable(home, "page")
    assert home.process(module="publishers.page").code == 0
    yield home


def test_it_shows_every_device_with_its_values(eventful: Home) -> None:
    made = Page(eventful.data / "page.html")
    tiles = made.tiles()
    assert {"Außen", "Büro", "Küche", "Living room", "Utility"} == {*tiles} and made.status() == "All is well"
    newest = eventful.rows("SELECT temperature_celsius FROM latest_readings WHERE location = 'Küche'")
    assert f"Küche {newest[0]['temperature_celsius']:.1f} °C" in tiles["Küche"]
    assert [row[0] for row in made.table("pm25_ugm3")] == ["Living room (Air quality monitor)"]
    lowest, mean, highest = (float(cell.replace("−", "-")) for cell in made.table("temperature_celsius")[0][2:5])
    assert lowest < mean < highest
    assert {chart["color"] for chart in made.data["charts"]} == {"temperature", "humidity", "dust", "gas", "score"}
    assert "Harbour Street 5" in made.text and "Times are in Europe/London" in made.text


def test_it_names_the_reason_of_every_gap(eventful: Home) -> None:
    made = Page(eventful.data / "page.html")
    assert {row[4].partition(": the bridge")[0].partition(": HTTP")[0] for row in made.table("gaps")} == REASONS
    assert {*made.data["reasons"]} == REASONS
    counted = {row[0]: row[4] for row in made.table("coverage")}
    assert counted["Küche"] == "108" and counted["Living room (Air quality monitor)"] == "24"


def test_it_is_open_to_web_servers_and_replaced_at_once(eventful: Home) -> None:
    path = eventful.data / "page.html"
    before, umask = path.stat().st_ino, os.umask(0o077)
    assert run(eventful, page).code == 0
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.stat().st_ino != before and not [*eventful.data.glob(".page.html*")]


@pytest.fixture
def small(home: Home) -> Home:
    home.settings["display"] = {"time_zone": "UTC"}
    enable(home, "page", title="Our <b>home</b> & garden")
    with at(-72):
        home.run(collector=source(degrees(19.96)))
    return home


def made(home: Home) -> Page:
    outcome = run(home, page)
    assert outcome.code == 0, outcome.err
    return Page(home.data / "page.html")


def test_silence_and_alerts_are_its_first_words(small: Home) -> None:
    with at(-71.9):
        assert made(small).status() == "All is well"
    with at(0):
        silent = made(small)
    assert silent.status() == "No new reading of made_up:1" and "No new reading" in silent.tiles()["made_up:1"]
    (small.data / "ALERT_HUE_NEEDS_YOU.txt").write_text("Press <the> button\nraised_at: 2026-11-21T12:00:00+00:00\n"
                                                        "remedy: devices.py pair hue\n")
    with at(0):
        alarmed = made(small)
    assert alarmed.status() == "1 alert: see below"
    assert "Press &lt;the&gt; button" in alarmed.text and "Since Sat 21 Nov, 12:00" in alarmed.text


def test_it_can_be_made_before_the_first_reading(home: Home) -> None:
    enable(home, "page")
    home.run(collector=source())
    empty = made(home)
    assert empty.tiles() == {} and "There are no devices yet" in empty.text


def test_the_title_is_text(small: Home) -> None:
    with at(0):
        assert "<title>Our &lt;b&gt;home&lt;/b&gt; &amp; garden</title>" in made(small).text


def test_what_was_stored_or_changed_late_is_in_its_year(small: Home) -> None:
    """The days of a year are kept between two pages, as reading them takes most of the time."""
    changes = ["UPDATE readings SET temperature_celsius = 25", "DELETE FROM readings WHERE temperature_celsius = 25"]
    with at(0):
        first, kept = made(small).table("temperature_celsius"), made(small).table("temperature_celsius")
        with closing(sqlite3.connect(small.database)) as connection, connection:
            connection.execute("""
                INSERT INTO readings (timestamp, device_id, device_type, temperature_celsius, created_at)
                VALUES ('2026-06-01T12:00:00+00:00', 'made_up:1', 'thing', -3.25, '2026-11-22')
            """)
        years = [made(small).table("temperature_celsius")[0][8:]]
        for change in changes:
            with closing(sqlite3.connect(small.database)) as connection, connection:
                connection.execute(change)
            years.append([cell for row in made(small).table("temperature_celsius") for cell in row[8:]])
    assert first == kept == [["made_up:1", "20.0", *["–"] * 3, *["20.0"] * 6]]
    assert years == [["−3.2", "8.4", "20.0"], ["25.0"] * 3, []]


@pytest.mark.parametrize(("settings", "remedy"), [
    ({"path": "missing/page.html"}, "mkdir -p"), ({"path": "data"}, "set the path of a file")])
def test_a_page_that_cannot_be_written_needs_a_human(small: Home, settings: dict[str, str], remedy: str) -> None:
    enable(small, "page", **settings)
    for arguments in ((), ("--dry-run",)):
        outcome = run(small, page, *arguments)
        assert outcome.code == 2 and remedy in outcome.err


def test_a_wrong_time_zone_is_named(small: Home) -> None:
    small.write_config(display={"time_zone": "Mars/Olympus"})
    outcome = run(small, page)
    assert outcome.code == 2 and "'Mars/Olympus'" in outcome.err

