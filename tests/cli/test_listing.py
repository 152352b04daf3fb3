"""The list and the gap report, for people and for programs, with devices in all states."""

from datetime import datetime, timedelta, timezone

import pytest

from cli import listing
from cli.listing import fitted
from storage.cycle_history import Window
from storage.gaps import Coverage, Span
from storage.readings import Newest
from storage.registry import Device

NOW = datetime(2026, 11, 22, 0, 55, tzinfo=timezone.utc)
TABLE = [("id", "name", "age"), ("hue:1", "Küche", "3 min"), ("hue:22", "部屋", "-")]
KITCHEN = Device(device_id="hue:k", device_type="hue_sensor", device_name="Kitchen", location="Ground floor")


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_399, "23 h"), (86_400, "1 d"),
    (86_400 * 400, "400 d"), (-90, "-1 min"), (None, "-")])
def test_an_age_is_shown_in_its_largest_unit(seconds: int | None, words: str) -> None:
    assert listing.age(seconds) == words


@pytest.mark.parametrize(("timestamp", "words"), [
    ("2026-11-22T00:50:00+00:00", "2026-11-22 00:50"), ("2025-11-18 14:40:00.123", "2025-11-18 14:40"),
    ("2025-11-18T14:50:00+01:00", "2025-11-18 13:50"), ("soon", "soon")])
def test_a_stored_time_is_shown_in_utc_and_anything_else_unchanged(timestamp: str, words: str) -> None:
    items = listing.items([(KITCHEN, Newest(timestamp, "hue_sensor", None, None, 55))], NOW)
    assert listing.rows(items)[1][:5] == ("hue:k", "Kitchen", "Ground floor", "hue_sensor", words)
    assert listing.rows(items)[1][6:] == ("55%", "-", "yes")
    assert (items[0]["last_reading"], items[0]["age_seconds"] is None) == (timestamp, timestamp == "soon")


def test_a_device_that_was_never_seen_has_dashes() -> None:
    items = listing.items([(Device(device_id="hue:k", is_active=False, temperature_offset=2.0), None)], NOW)
    assert listing.rows(items)[1] == ("hue:k", "-", "-", "-", "never", "-", "-", "+2", "no")
    assert [items[0][name] for name in ("last_reading", "age_seconds", "battery_level")] == [None] * 3


def test_the_gap_report_covers_every_kind_of_device() -> None:
    window = Window(NOW - timedelta(days=1), NOW, 300, 90)
    hour = timedelta(hours=1)
    spans = (Span(NOW - 3 * hour, NOW - 2 * hour, 13, "source_unreachable", "no answer"),
             Span(NOW - hour, NOW - hour, 1, "overlapping_run", None))
    coverages = [
        Coverage(KITCHEN, window.since, 274, spans), Coverage(KITCHEN, NOW - hour, 12, (), "inactive"),
        Coverage(Device(device_id="hue:n"), None, 0, (), "no collector has told of it yet")]
    assert list(listing.gap_lines(coverages, window)) == [
        "From 2026-11-21 00:55 to 2026-11-22 00:55 UTC, with a cycle every 300 s:",
        "",
        "Kitchen (hue:k)",
        "    288 expected, 274 stored, 14 missing",
        "    2026-11-21 21:55 to 2026-11-21 22:55  13 cycles  source unreachable: no answer",
        "    2026-11-21 23:55                      1 cycle    overlapping run",
        "",
        "Kitchen (hue:k)",
        "    since 2026-11-21 23:55: 12 expected, 12 stored, no gaps",
        "    inactive",
        "",
        "hue:n (hue:n)",
        "    no collector has told of it yet"]
    first, _, last = listing.gap_items(coverages, NOW)
    assert first == {
        "device_id": "hue:k", "name": "Kitchen", "location": "Ground floor", "since": "2026-11-21T00:55:00+00:00",
        "until": "2026-11-22T00:55:00+00:00", "expected": 288, "stored": 274, "missing": 14, "note": None, "spans": [
            {"from": "2026-11-21T21:55:00+00:00", "to": "2026-11-21T22:55:00+00:00", "cycles": 13,
             "reason": "source_unreachable", "error": "no answer"},
            {"from": "2026-11-21T23:55:00+00:00", "to": "2026-11-21T23:55:00+00:00", "cycles": 1,
             "reason": "overlapping_run", "error": None}]}
    assert (last["since"], last["expected"]) == (None, 0)


def test_a_table_that_just_fits_stays_a_table() -> None:
    assert fitted(TABLE, 20) == fitted(TABLE, None)


def test_where_a_table_is_too_wide_some_cells_stand_below_their_row() -> None:
    assert fitted(TABLE, 19, below=(0,)) == [
        "name   age",
        "    id",
        "Küche  3 min",
        "    hue:1",
        "部屋   -",
        "    hue:22"]
    assert fitted(TABLE, 18, below=(0, 2)) == [
        "name",
        "    id      age",
        "Küche",
        "    hue:1   3 min",
        "部屋",
        "    hue:22  -"]
    assert fitted(TABLE, 20, below=(0,)) == fitted(TABLE, None)
    assert fitted(TABLE, 11, below=(0,)) == fitted(TABLE, 11)


def test_where_a_table_does_not_fit_each_row_is_a_paragraph() -> None:
    assert fitted(TABLE, 19) == [
        "id    hue:1",
        "name  Küche",
        "age   3 min",
        "",
        "id    hue:22",
        "name  部屋",
        "age   -"]
