"""What bridges are known to do to those who read them, each by its name; the house shown here is the simulator's.

The collections of such surprises: github.com/ebaauw/homebridge-hue, home-assistant/core, ioBroker.hue, mitchellrj's
hue_exporter.
"""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time

from tests.collectors.hue.samples import box, readings
from tests.home import Home
from tests.simulator.sensors import show_sensors
from tests.simulator.server import Simulator

ROOM = "Utility"  # of the sensor that has the trouble; the other four have none
UNFOUNDED = timedelta(days=46 * 365)


def rows_of(home: Home, room: str = ROOM) -> list[dict[str, Any]]:
    return [row for row in home.rows() if row["name"] == room]


def entries(simulator: Simulator, kind: str) -> list[dict[str, Any]]:
    shown = show_sensors(simulator.house, simulator.now())
    return [entry for entry in shown.values() if entry["type"] == kind]


@pytest.fixture(autouse=True)
def pointed(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)


def test_null_and_none_after_a_restart_are_no_reading_and_no_failure(home: Home, simulator: Simulator) -> None:
    """home-assistant/core issue 43475."""
    simulator.faults.add("restarted", sensor=ROOM)
    assert home.run().code == 0
    assert len(home.rows()) == 4 and rows_of(home) == []
    assert f"{ROOM} (has reported nothing since the bridge started)" in home.log()
    assert len(home.rows("SELECT * FROM device_registry")) == 5
    simulator.faults.clear()
    home.run()
    assert len(rows_of(home)) == 1


def test_what_old_firmware_leaves_out_is_not_missed(home: Home, simulator: Simulator) -> None:
    [old] = [entry for entry in entries(simulator, "ZLLTemperature") if "productname" not in entry]
    assert "capabilities" not in old
    home.run()
    assert f"hue:{old['uniqueid']}" in [row["device_id"] for row in home.rows()]


def test_virtual_sensors_are_ignored(home: Home, simulator: Simulator) -> None:
    assert [entry["uniqueid"] for entry in entries(simulator, "CLIPPresence")] == ["WA0001", "WA0001"]
    assert entries(simulator, "CLIPTemperature")
    home.run()
    real = {f"hue:{sensor.uniqueid()}" for sensor in simulator.house.sensors}
    assert {row["device_id"] for row in home.rows()} == real


def test_a_sensor_heard_of_is_read_though_it_is_called_unreachable(home: Home, simulator: Simulator) -> None:
    simulator.faults.add("unreachable", sensor=ROOM)
    home.run()
    assert len(rows_of(home)) == 1


@pytest.mark.parametrize("off", [-UNFOUNDED, UNFOUNDED])
def test_a_bridge_that_has_lost_its_clock_is_read_all_the_same(
        off: timedelta, home: Home, simulator: Simulator) -> None:
    """After a power cut it may be 1980."""
    simulator.faults.add("clock", seconds=off.total_seconds())
    home.run()
    assert [row["measured_at"] for row in home.rows()] == [None] * 5
    now = datetime.now(timezone.utc)
    assert all(abs(now - datetime.fromisoformat(row["timestamp"])) < timedelta(minutes=1) for row in home.rows())


def test_a_value_shown_twice_is_stored_with_the_time_it_was_measured(home: Home) -> None:
    """Sensors report every five minutes; more frequent requests get the same value, with the same measured_at."""
    moment = datetime.now(timezone.utc).replace(microsecond=0)
    with Simulator(clock=lambda: moment) as still:
        home.point_at(still)
        home.run()
        with freeze_time(moment + timedelta(seconds=30), tick=True):
            home.run()
    first, second = rows_of(home)
    assert first["timestamp"] < second["timestamp"]
    assert first["measured_at"] == second["measured_at"] is not None


@pytest.mark.parametrize("frozen", [False, True])
def test_a_sensor_switched_off_in_the_app_is_stale(frozen: bool, home: Home, simulator: Simulator) -> None:
    """Its last value stays in the answer or becomes null, depending on the firmware."""
    simulator.faults.add("stale", sensor=ROOM)
    simulator.faults.add("off", sensor=ROOM, frozen=frozen)
    assert home.run().code == 0
    assert rows_of(home) == []
    assert f"{ROOM} (switched off in the app" in home.log()


def test_a_newer_bridge_redirects_http_to_https_which_needs_a_human(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    simulator.faults.add("redirect", location=f"{simulator.https_url}/api/{simulator.key}/sensors")
    outcome = home.run()
    assert outcome.code == 2
    assert "Remedy: give its address with https://" in outcome.err
    assert len(simulator.requests) <= 2


@pytest.mark.parametrize("lingering", [False, True])
def test_a_sensor_paired_again_is_the_same_device(lingering: bool, home: Home, simulator: Simulator) -> None:
    home.run()
    simulator.faults.add("re-paired", sensor=ROOM, lingering=lingering)
    with freeze_time(datetime.now(timezone.utc) + timedelta(seconds=2), tick=True):
        assert home.run().code == 0
    assert len({row["device_id"] for row in rows_of(home)}) == 1
    assert len(rows_of(home)) == 2 and len(home.rows()) == 10


def test_two_bridges_may_use_the_same_names(home: Home) -> None:
    home.run()
    with Simulator(seed=9) as other:
        home.point_at(other)
        assert home.run().code == 0
    assert len(rows_of(home)) == 2
    assert len({row["device_id"] for row in home.rows()}) == 10


@pytest.mark.parametrize(("kind", "options"), [
    ("429", {}), ("500", {}), ("reset", {}), ("truncated", {}), ("not-json", {}), ("oversized", {"megabytes": 9}),
    ("key-refused", {}), ("wrong-bridge", {}), ("redirect", {"location": "http://127.0.0.1:9/api/KEY/sensors"}),
    ("body", {"content": '[{"error": {"type": 3, "description": "resource, /KEY/sensors, not available"}}]'}),
    ("body", {"content": '[{"error": {"type": 901, "description": "KEY"}}]'}),
    ("body", {"content": "<html>KEY</html>"}), ("body", {"content": '{"KEY": 1}', "status": 404}),
])
def test_the_key_is_in_no_output_log_or_file_whatever_goes_wrong(
        kind: str, options: dict[str, Any], home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http", collect_raw_response=True)
    named = json.loads(json.dumps(options).replace("KEY", simulator.key))
    simulator.faults.add(kind, paths=["/sensors"], **named)
    outcomes = [home.run(flag) for flag in ("-v", "--json", "--discover")]
    told = "".join(outcome.out + outcome.err for outcome in outcomes)
    kept = [file.read_bytes() for file in home.data.rglob("*") if file.is_file()]
    assert told and kept
    assert simulator.key not in told
    assert not any(simulator.key.encode() in content for content in kept)


def test_not_even_a_fault_in_the_program_reveals_the_key(
        home: Home, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback goes to the log, with the exception's message."""
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(f"https://bridge/api/{simulator.key}/sensors")

    monkeypatch.setattr("requests.Session.request", fail)
    outcome = home.run("-v")
    assert outcome.code == 1 and "a fault in the program" in home.log()
    assert simulator.key not in outcome.out + outcome.err + home.log()
    assert simulator.key not in str(home.cycles())


def test_emulators_have_nine_bytes_in_an_address() -> None:
    """diyHue imports sensors so: the first eight bytes are the same."""
    mac = "00:17:88:01:02:03:04:05"
    found = readings({**box(f"{mac}:a1", "Bath", 2100), **box(f"{mac}:a2", "Hall", 1900, first=7, light=1)})
    assert [(one.device_id, one.name, one.temperature_celsius, one.light_lux) for one in found] == [
        (f"hue:{mac}:a1-02-0402", "Bath", 21.0, 100.0), (f"hue:{mac}:a2-02-0402", "Hall", 19.0, 1.0)]


@pytest.mark.parametrize("state", [{"lightlevel": 6000, "lastupdated": "none"}, {"lightlevel": 65_535}])
def test_a_light_level_that_was_never_measured_is_none(
        state: dict[str, Any], home: Home, simulator: Simulator) -> None:
    simulator.faults.add("state", sensor=ROOM, quantity="light", state=state)
    home.run()
    assert [row["light_lux"] for row in rows_of(home)] == [None]


@pytest.mark.parametrize("hundredths", [-32_768, 32_767, -27_316, 20_001, 10**12])
def test_an_invalid_temperature_is_reported_and_not_stored(
        hundredths: int, home: Home, simulator: Simulator) -> None:
    """Zigbee's 0x8000 means "invalid"."""
    simulator.faults.add("state", sensor=ROOM, state={"temperature": hundredths})
    assert home.run().code == 0
    assert rows_of(home) == [] and f"{ROOM} (reports " in home.log()


def test_a_gateway_of_the_zigbee_kind_is_read(home: Home, simulator: Simulator) -> None:
    """https://dresden-elektronik.github.io/deconz-rest-doc/endpoints/sensors/"""
    state = {"lastupdated": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}.123"}
    config = {"on": True, "battery": 91, "reachable": True}
    simulator.faults.add("gone", sensor=None)
    simulator.faults.add("entries", entries=[
        {"type": f"ZHA{kind}", "name": "Weather", "uniqueid": f"00:15:8d:00:02:aa:bb:cc-01-{cluster}", "config": config,
         "state": {kind.lower(): value, **state}}
        for kind, cluster, value in [("Temperature", "0402", 2150), ("Humidity", "0405", 4321), ("Pressure", "0403", 993)]])
    assert home.run().code == 0
    assert [(row["device_id"], row["device_type"], row["name"], row["temperature_celsius"], row["humidity_percent"],
             row["battery_level"]) for row in home.rows()] == [
        ("hue:00:15:8d:00:02:aa:bb:cc-01-0402", "zigbee_sensor", "Weather", 21.5, 43.21, 91)]


def test_a_thermometer_of_a_type_that_is_not_read_is_named_once(home: Home, simulator: Simulator) -> None:
    simulator.faults.add("entries", entries=[{"type": "ZGPTemperature", "state": {"temperature": 2150}}])
    home.run()
    home.wait_for_the_next_second()
    home.run()
    assert home.log().count("ZGPTemperature") == 1


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf%s", b"%s\0", b"%s\n"])
def test_a_byte_order_mark_a_nul_or_a_broken_name_costs_no_cycle(
        content: bytes, home: Home, simulator: Simulator) -> None:
    shown = json.dumps(show_sensors(simulator.house, simulator.now()), ensure_ascii=False).encode()
    body = content % shown.replace(b'"Utility"', b'"Util\xe9"')
    simulator.faults.add("body", paths=["/sensors"], content=body)
    assert home.run().code == 0
    assert sorted(row["name"] for row in home.rows()) == sorted(
        sensor.room.replace("Utility", "Util\ufffd") for sensor in simulator.house.sensors)


def test_an_address_with_http_is_answered_with_https(home: Home, simulator: Simulator) -> None:
    """Newer firmware has closed port 80, the Bridge Pro never had it."""
    home.point_at(simulator, scheme="http")
    home.configure_hue(bridge_ip="http://127.0.0.1:9", discovery_url=None)
    outcome = home.run()
    assert outcome.code == 1 and "pair hue --bridge https://127.0.0.1:9" in outcome.err
