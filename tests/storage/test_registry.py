"""The device registry: sightings register devices, people's choices are kept, absent devices retire."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.formats import format_time
from storage import manager, registry
from storage.reading import Sighting
from storage.registry import Device
from tests.storage.samples import NOW, a_cycle, a_reading, add, at


@pytest.fixture
def connection(database: Path) -> Iterator[manager.Writer]:
    with manager.writing(database) as opened:
        yield opened


def seen(connection: manager.Writer, now: datetime = NOW, collector: str = "hue", **values: Any) -> Device:
    sighting = Sighting(**{"device_id": "hue:k", "device_type": "hue_sensor", "name": "Kitchen sensor", **values})
    registry.record_sightings(connection, [sighting], collector, now)
    return registry.find(connection, ["hue:k"])["hue:k"]


def choose(connection: manager.Writer, **values: str) -> None:
    for column, value in values.items():
        connection.execute(f"UPDATE device_registry SET {column} = ?", (value,))


def answered(connection: manager.Writer, started_at: datetime, outcome: str = "ok", collector: str = "hue") -> None:
    add(connection, a_cycle(at=started_at, outcome=outcome, collector=collector), elapsed_ms=lambda: 1.0, keep_days=90)


def test_a_sighting_registers_a_device(connection: manager.Writer) -> None:
    assert seen(connection, model_info="SML001") == Device(
        device_id="hue:k", device_type="hue_sensor", device_name="Kitchen sensor", location="Kitchen sensor",
        unique_id="hue:k", model_info="SML001", first_seen=format_time(NOW), last_seen=format_time(NOW), is_active=True,
        name_source="discovered", location_source="discovered", temperature_offset=0.0, collector="hue")


def test_only_registered_devices_are_found(connection: manager.Writer) -> None:
    seen(connection)
    assert list(registry.find(connection, ["alexa:x", "hue:k", "hue:' OR 1=1 --"])) == ["hue:k"]


def test_a_later_sighting_updates_only_what_it_contains(connection: manager.Writer) -> None:
    seen(connection, model_info="SML001")
    silent = seen(connection, at(minutes=5), name=None)
    assert (silent.device_name, silent.model_info) == ("Kitchen sensor", "SML001")
    later = seen(connection, at(minutes=10), model_info="SML003", device_type="other", trouble="stale")
    assert (later.first_seen, later.last_seen) == (format_time(NOW), format_time(at(minutes=10)))
    assert (later.model_info, later.device_type) == ("SML003", "other")


NAMED = {"device_name": "Cold corner", "name_source": "user"}
PLACED = {"location": "Cellar", "location_source": "user"}
UTILITY = {"location": "Utility", "location_source": "config"}


@pytest.mark.parametrize(("first", "choice", "later", "name", "location"), [
    ({}, {}, {"name": "Larder"}, ("Larder", "discovered"), ("Larder", "discovered")),
    ({}, NAMED, {"name": "Larder"}, ("Cold corner", "user"), ("Cold corner", "discovered")),
    ({"name": None}, {}, {"name": None}, ("hue:k", "discovered"), ("hue:k", "discovered")),
    ({"name": None}, {}, {"name": "Larder"}, ("Larder", "discovered"), ("Larder", "discovered")),
    ({}, {}, {"location": "Ground floor"}, ("Kitchen sensor", "discovered"), ("Ground floor", "discovered")),
    ({}, PLACED, {"location": "Ground floor"}, ("Kitchen sensor", "discovered"), ("Cellar", "user")),
    ({"location": "Ground floor"}, {}, UTILITY, ("Kitchen sensor", "discovered"), ("Utility", "config")),
    (UTILITY, {}, {"location": "Ground floor"}, ("Kitchen sensor", "discovered"), ("Ground floor", "discovered")),
    (UTILITY, {}, {}, ("Kitchen sensor", "discovered"), ("Kitchen sensor", "discovered")),
])
def test_a_persons_choice_goes_before_the_configuration_and_that_before_the_source(
        connection: manager.Writer, first: dict[str, Any], choice: dict[str, str], later: dict[str, Any],
        name: tuple[str, str], location: tuple[str, str]) -> None:
    seen(connection, **first)
    choose(connection, **choice)
    device = seen(connection, **later)
    assert ((device.device_name, device.name_source), (device.location, device.location_source)) == (name, location)


def test_readings_have_the_configured_place_and_the_registry_keeps_the_users_one(connection: manager.Writer) -> None:
    seen(connection)
    choose(connection, location="Cellar", location_source="user")
    configured = Sighting(device_id="hue:k", device_type="hue_sensor", location="Utility", location_source="config")
    assert registry.record_sightings(connection, [configured], "hue", NOW)["hue:k"].location == "Utility"
    for device in (registry.find(connection, ["hue:k"])["hue:k"], seen(connection, location="Ground floor")):
        assert (device.location, device.location_source) == ("Cellar", "user")


def test_a_name_chosen_before_the_first_sighting_is_kept_by_it(connection: manager.Writer) -> None:
    registry.change(connection, "hue:k", lambda device: device.named("Larder"))
    assert registry.all_devices(connection) == [Device(
        device_id="hue:k", unique_id="hue:k", device_name="Larder", location="Larder", name_source="user")]
    device = seen(connection)
    assert (device.device_name, device.location, device.name_source) == ("Larder", "Larder", "user")
    assert (device.first_seen, device.collector, device.device_type) == (format_time(NOW), "hue", "hue_sensor")


def test_a_name_stands_for_the_place_only_where_it_did_before(connection: manager.Writer) -> None:
    seen(connection)
    assert registry.change(connection, "hue:k", lambda device: device.named("Larder")).location == "Larder"
    registry.change(connection, "hue:k", lambda device: device.placed("Cellar"))
    changed = registry.change(connection, "hue:k", lambda device: device.named("Cold corner"))
    assert (changed.location, changed.location_source) == ("Cellar", "user")


def test_a_persons_choice_changes_no_other_column(connection: manager.Writer) -> None:
    before = seen(connection, model_info="SML001")
    registry.change(connection, "hue:k", lambda device: device.placed("Cellar")._replace(temperature_offset=-1.5))
    after = registry.find(connection, ["hue:k"])["hue:k"]
    assert after == before._replace(location="Cellar", location_source="user", temperature_offset=-1.5)


def test_devices_with_readings_only_have_their_newest_names(connection: manager.Writer) -> None:
    """An earlier program's database may have no registry."""
    for minutes, name in ((0, "Old"), (5, "New")):
        add(connection, a_cycle(a_reading("hue:k", at(minutes=minutes), name=name), at=at(minutes=minutes)))
    seen(connection, device_id="hue:other")
    connection.execute("DELETE FROM device_registry WHERE device_id = 'hue:k'")
    device, other = registry.all_devices(connection)
    assert device == Device(device_id="hue:k", unique_id="hue:k", device_type="hue_sensor", device_name="New",
                            location="New", is_active=False)
    assert other.device_id == "hue:other"
    assert registry.change(connection, "hue:k", lambda device: device.named("Newer")).device_type == "hue_sensor"


def test_a_device_retires_when_its_source_answered_for_a_week_without_it(connection: manager.Writer) -> None:
    seen(connection)
    answered(connection, at(minutes=5))
    assert registry.deactivate_absent(connection, "hue", at(days=7, minutes=4)) == 0
    assert registry.deactivate_absent(connection, "hue", at(days=7, minutes=5)) == 1
    assert registry.find(connection, ["hue:k"])["hue:k"].is_active is False


def test_a_silent_source_retires_no_device(connection: manager.Writer) -> None:
    """Nor does another source."""
    seen(connection)
    answered(connection, at(minutes=5), outcome="unreachable")
    answered(connection, at(minutes=5), collector="amazon_aqm")
    answered(connection, at(days=8))
    assert registry.deactivate_absent(connection, "hue", at(days=9)) == 0
    assert registry.deactivate_absent(connection, "amazon_aqm", at(days=30)) == 0
    assert registry.find(connection, ["hue:k"])["hue:k"].is_active


def test_a_cycle_retires_and_a_sighting_brings_back(connection: manager.Writer) -> None:
    seen(connection)
    answered(connection, at(minutes=5), outcome="partial")
    answered(connection, at(days=8))
    assert not registry.find(connection, ["hue:k"])["hue:k"].is_active
    assert seen(connection, at(days=8, minutes=5), trouble="unreachable").is_active


def test_adopted_names_are_the_users_and_overwrite_nothing(connection: manager.Writer) -> None:
    seen(connection)
    registry.adopt(connection, [Device(device_id="hue:k", device_name="Other"),
                               Device(device_id="alexa:a", device_name="Monitor", location="Hall"),
                               Device(device_id="alexa:b", device_name="Spare")])
    devices = registry.find(connection, ["hue:k", "alexa:a", "alexa:b"])
    assert devices["hue:k"].device_name == "Kitchen sensor"
    assert (devices["alexa:a"].name_source, devices["alexa:a"].location_source) == ("user", "user")
    assert (devices["alexa:a"].unique_id, devices["alexa:a"].collector) == ("alexa:a", None)
    assert (devices["alexa:b"].location, devices["alexa:b"].location_source) == (None, "discovered")
