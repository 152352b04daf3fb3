import pytest

from storage.reading import Sighting, clean
from tests.storage.samples import NOW, a_cycle, a_reading


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2 ** 63, 10 ** 400])
def test_a_value_that_no_column_can_hold_is_no_measurement(value: float) -> None:
    with pytest.raises(ValueError):
        clean(a_reading(battery_level=value), str)


def test_a_row_has_plain_values_and_a_missing_one_is_none() -> None:
    row = a_reading(measured_at=NOW, is_anomalous=True).row()
    assert (row["timestamp"], row["measured_at"]) == ("2026-11-22T00:55:00+00:00",) * 2
    assert (row["is_anomalous"], row["humidity_percent"]) == (1, None)


@pytest.mark.parametrize("name, cleaned", [
    ("Living room", "Living room"), ("Kü\u202eche\n Nord\ud800 ", "Kü che Nord"), ("two  spaces", "two spaces"),
    (" edge", "edge"), ("x" * 200, "x" * 120), ("\t", None), ("", None)])
def test_names_become_one_printable_line(name: str, cleaned: str | None) -> None:
    item = clean(Sighting("hue:1", "hue_sensor", name=name, location=name, model_info=name), str)
    assert (item.name, item.location, item.model_info) == (cleaned,) * 3


def test_lone_surrogates_never_reach_the_database() -> None:
    reading = clean(a_reading("hue:\ud800", raw_response="{\udfff}"), str)
    assert (reading.device_id, reading.raw_response) == ("hue:?", "{?}")


def test_secrets_that_a_source_repeats_are_redacted_and_its_ids_stay() -> None:
    reading = clean(a_reading("hue:1234", name="of 1234", location="1234", raw_response="{1234}"),
                    lambda text: text.replace("1234", "***"))
    assert (reading.device_id, reading.name, reading.location, reading.raw_response) == (
        "hue:1234", "of ***", "***", "{***}")


def test_a_cycle_has_seen_each_device_once_by_its_last_sighting_or_else_its_first_reading() -> None:
    kitchen = Sighting("hue:kitchen", "hue_sensor", name="Cooking", model_info="SML001")
    silent = Sighting("hue:attic", "hue_sensor", trouble="stale")
    cycle = a_cycle(a_reading("hue:hall", name="Hall", location="Ground floor"), a_reading("hue:hall", name="Other"),
                    a_reading("hue:kitchen", name="Kitchen"), sightings=(kitchen._replace(name="Old"), silent, kitchen))
    assert cycle.seen() == (kitchen, silent, Sighting("hue:hall", "hue_sensor", "Hall", "Ground floor"))
