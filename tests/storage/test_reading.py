from dataclasses import replace

import pytest

from runtime.formats import finite_number, format_time, one_line, parse_time, pluralize
from storage.reading import Sighting
from tests.storage.samples import NOW, a_cycle, a_reading


def test_names_become_one_printable_line() -> None:
    assert one_line("Kü\u202eche\n\x1b[31m Nord\ud800  ") == "Kü che [31m Nord"
    assert one_line("x" * 10_000) == "x" * 120
    assert one_line("\x00\t") is None
    assert one_line(17) is None


def test_only_finite_numbers_are_numbers() -> None:
    assert [finite_number(value) for value in (21, 20.5, 0, True, "21", None, float("nan"), 10 ** 400)] == [
        21.0, 20.5, 0.0, None, None, None, None, None]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2 ** 63, 10 ** 400])
def test_a_value_that_no_column_can_hold_is_no_measurement(value: float) -> None:
    with pytest.raises(ValueError):
        a_reading(battery_level=value)


def test_a_row_has_plain_values_and_a_missing_one_is_none() -> None:
    row = a_reading(measured_at=NOW, is_anomalous=True).row()
    assert (row["timestamp"], row["measured_at"]) == ("2026-11-22T00:55:00+00:00",) * 2
    assert (row["is_anomalous"], row["humidity_percent"]) == (1, None)


def test_lone_surrogates_never_reach_the_database() -> None:
    reading, cycle = a_reading("hue:\ud800", raw_response="{\udfff}"), a_cycle(error="at \ud800")
    sighting = Sighting(device_id="hue:\ud800", device_type="hue_sensor")
    assert (reading.device_id, reading.raw_response, cycle.error) == ("hue:?", "{?}", "at ?")
    assert sighting.device_id == reading.device_id


def test_times_without_an_offset_are_utc() -> None:
    assert parse_time("2026-11-22T00:55:00") == parse_time("2026-11-22T01:55:00+01:00") == NOW
    assert format_time(parse_time("2026-11-22T01:55:00.999999+01:00")) == format_time(NOW)
    with pytest.raises(ValueError):
        parse_time("yesterday")


def test_a_time_beyond_the_calendar_is_no_time() -> None:
    with pytest.raises(ValueError, match="beyond the calendar"):
        parse_time("0001-01-01T00:00:00+23:59")


def test_a_cycle_has_seen_each_device_once_as_its_source_told_of_it_or_else_its_first_reading() -> None:
    told = Sighting(device_id="hue:kitchen", device_type="hue_sensor", name="Cooking", model_info="SML001")
    silent = Sighting(device_id="hue:attic", device_type="hue_sensor", trouble="stale")
    cycle = a_cycle(a_reading("hue:hall", name="Hall", location="Ground floor"), a_reading("hue:hall", name="Other"),
                    a_reading("hue:kitchen", name="Kitchen"), sightings=(replace(told, name="Old"), silent, told))
    assert cycle.seen() == (told, silent, Sighting(
        device_id="hue:hall", device_type="hue_sensor", name="Hall", location="Ground floor"))


def test_one_is_told_in_the_singular() -> None:
    assert [pluralize(number, "reading") for number in (0, 1, 2)] == ["0 readings", "1 reading", "2 readings"]
    assert (pluralize(1, "retry", "retries"), pluralize(2, "retry", "retries")) == ("1 retry", "2 retries")
