"""What a subscriber of a real broker hears: announcements for Home Assistant, availability, and the newest readings."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time

import jobs.publish
from publishers import mqtt
from storage.reading import Reading, Sighting
from tests.home import Home, Outcome
from tests.jobs.fake_source import source
from tests.publishers.mosquitto import Message, Subscriber, broker, needs_mosquitto, sign_up

pytest.importorskip("paho.mqtt.client", reason="needs the extra mqtt")
pytestmark = needs_mosquitto
PASSWORD = "Canary+Mqtt/Password 1"
OURS, DISCOVERY = "home_monitor/home/made_up:1", "homeassistant/sensor/home_monitor_home_made_up_1"
HOSTILE = "made_up:a/b+#\u00fc 1"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("broker")
    with broker(folder, *sign_up(folder, PASSWORD)) as port:
        yield port


@pytest.fixture
def connected(home: Home, port: int) -> Iterator[Home]:
    """A home at the broker, which retains nothing of it afterwards."""
    configure(home, port)
    yield home
    with Subscriber(port) as subscriber:
        subscriber.clear()


def configure(home: Home, broker_port: int, **settings: Any) -> None:
    home.write_config(publishers={"mqtt": {
        "enabled": True, "host": "127.0.0.1", "port": broker_port, "tls": False, **settings}})
    home.write_secrets({"mqtt": {"username": "house", "password": PASSWORD}})


def publish(home: Home, *arguments: str) -> Outcome:
    """Run it in this process, which is faster."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = jobs.publish.run(mqtt, ["--config", str(home.config), *arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def minutes_ago(minutes: float) -> Any:
    return freeze_time(datetime.now(timezone.utc) - timedelta(minutes=minutes))


def collect(home: Home, *devices: str, minutes: float = 0, **values: Any) -> None:
    def reading(device: str) -> Any:
        return lambda now: Reading(timestamp=now, device_id=device, device_type="thing", **values)
    with minutes_ago(minutes):
        assert home.run(collector=source(*map(reading, devices or ("made_up:1",)))).code == 0


def states(messages: list[Message]) -> dict[str, Any]:
    return {topic: json.loads(payload) for topic, payload, _ in messages if topic.endswith("/state")}


def retained(port: int) -> dict[str, str]:
    """Return what a later subscriber finds."""
    with Subscriber(port) as subscriber:
        heard = subscriber.heard()
    assert all(message.is_retained for message in heard)
    return {message.topic: message.payload for message in heard}


def test_home_assistant_gets_time_to_read_an_announcement_before_the_states(connected: Home, port: int) -> None:
    """It subscribes to a state only then, and a state is not retained."""
    collect(connected, temperature_celsius=21.5)
    with Subscriber(port) as subscriber:
        run = publish(connected, "--json")
        assert run.code == 0 and run.json["message"] == f"sent 1 state to 127.0.0.1:{port}"
        assert run.json["duration_ms"] >= 2000
        assert [message.topic for message in subscriber.heard()] == [
            f"{DISCOVERY}/temperature_celsius/config", f"{OURS}/availability", f"{OURS}/state"]
    assert publish(connected).code == 0 and connected.log().count("waiting 2 s for Home Assistant") == 1


def test_an_announcement_has_unit_class_place_and_an_identity_without_a_name(connected: Home, port: int) -> None:
    sighting = Sighting("made_up:1", "thing", "K\u00fcche \"1\"", "K\u00fcche", model_info="T-1000")
    with minutes_ago(30):
        connected.run(collector=source(sighting, lambda now: Reading(now, "made_up:1", "thing", battery_level=87)))
    publish(connected)
    found = retained(port)
    assert found.keys() == {f"{DISCOVERY}/battery_level/config", f"{OURS}/availability"}
    announcement = json.loads(found[f"{DISCOVERY}/battery_level/config"])
    assert announcement.pop("origin")["name"] == "Home Temperature Monitoring"
    assert announcement == {
        "name": "Battery", "unique_id": "home_monitor_home_made_up_1_battery_level", "state_topic": f"{OURS}/state",
        "value_template": "{{ value_json.battery_level | default('') }}", "availability_topic": f"{OURS}/availability",
        "expire_after": 900, "unit_of_measurement": "%", "device_class": "battery", "state_class": "measurement",
        "entity_category": "diagnostic",
        "device": {"identifiers": ["home_monitor_home_made_up_1"], "name": "K\u00fcche \"1\"", "model": "T-1000",
                   "suggested_area": "K\u00fcche"}}


def test_states_are_the_newest_readings_anomalous_ones_too(connected: Home, port: int) -> None:
    configure(connected, port, discovery_prefix=None)
    collect(connected, minutes=2, temperature_celsius=20.0, humidity_percent=40.0)
    collect(connected, temperature_celsius=-1.5, is_anomalous=True)
    with Subscriber(port) as subscriber:
        assert publish(connected).code == 0
        heard = subscriber.heard()
    newest = connected.rows()[-1]["timestamp"]
    assert states(heard) == {f"{OURS}/state": {"timestamp": newest, "is_anomalous": True, "temperature_celsius": -1.5}}
    assert [message.topic for message in heard] == [f"{OURS}/availability", f"{OURS}/state"]


def test_a_stale_device_is_offline_and_has_no_state(connected: Home, port: int) -> None:
    configure(connected, port, discovery_prefix=None)
    collect(connected, minutes=16, temperature_celsius=20.0)
    collect(connected, "made_up:2", temperature_celsius=20.0)
    with Subscriber(port) as subscriber:
        publish(connected)
        assert states(subscriber.heard()).keys() == {"home_monitor/home/made_up:2/state"}
    found = retained(port)
    assert found[f"{OURS}/availability"] == "offline" and found["home_monitor/home/made_up:2/availability"] == "online"


def test_a_quantity_stays_announced_without_a_value_until_its_device_is_forgotten(connected: Home, port: int) -> None:
    collect(connected, minutes=40, temperature_celsius=20.0, battery_level=80)
    publish(connected)
    collect(connected, minutes=30, temperature_celsius=20.0)
    publish(connected)
    assert {f"{DISCOVERY}/battery_level/config", f"{DISCOVERY}/temperature_celsius/config"} < retained(port).keys()
    assert connected.devices("forget", "made_up:1").code == 0
    assert publish(connected).code == 0 and retained(port) == {}


def test_a_renamed_device_keeps_its_identities(connected: Home, port: int) -> None:
    configure(connected, port, discovery_prefix="ha/found")
    collect(connected, minutes=30, temperature_celsius=20.0)
    publish(connected)
    before = retained(port)
    assert connected.devices("amend-name", "made_up:1", "Attic").code == 0
    publish(connected)
    after = retained(port)
    assert before.keys() == after.keys() and json.loads(
        after[f"{DISCOVERY.replace('homeassistant', 'ha/found')}/temperature_celsius/config"])["device"]["name"] == "Attic"


def test_hostile_ids_stay_within_their_topic(connected: Home, port: int) -> None:
    collect(connected, HOSTILE, "made_up:a_b___ 1", minutes=30, temperature_celsius=20.0)
    publish(connected)
    found = retained(port)
    assert "home_monitor/home/made_up:a%2Fb%2B%23%C3%BC%201/availability" in found
    configs = [topic for topic in found if topic.endswith("/config")]
    assert len(configs) == 2 and all(topic.replace("/", "").replace("_", "").isalnum() for topic in configs)


def test_what_another_broker_had_is_not_removed_from_this_one(connected: Home, port: int) -> None:
    collect(connected, minutes=30, temperature_celsius=20.0)
    state = connected.data / "mqtt.session.json"
    state.write_text(json.dumps({"retained": {"broker": "elsewhere:1", "topics": ["a/b"]}}))
    with Subscriber(port) as subscriber:
        publish(connected)
        assert "a/b" not in {message.topic for message in subscriber.heard()}
    state.write_text(json.dumps({"retained": {"broker": f"127.0.0.1:{port}", "topics": ["a/b", 7]}}))
    with Subscriber(port) as subscriber:
        publish(connected)
        assert Message("a/b", "", False) in subscriber.heard()


def test_a_dry_run_only_logs_in(connected: Home, port: int) -> None:
    collect(connected, temperature_celsius=20.0)
    run = publish(connected, "--dry-run")
    assert (run.code, run.out) == (0, f"mqtt: 127.0.0.1:{port} accepts us\n") and retained(port) == {}


@pytest.mark.parametrize(("settings", "complaint"), [
    ({"host": None}, "host: is missing"), ({"house_id": "a/b"}, "house_id: 'a/b'"), ({"port": 0}, "port: 0"),
    ({"discovery_prefix": "a/#"}, "discovery_prefix: 'a/#'")])
def test_wrong_settings_need_a_human(home: Home, settings: dict[str, Any], complaint: str) -> None:
    configure(home, 1883, **settings)
    run = publish(home)
    assert run.code == 2 and run.err.count("\n") == 1 and f"publishers.mqtt.{complaint}" in run.err
