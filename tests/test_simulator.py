"""The pretend world keeps its word: the house is arithmetic, and the bridge speaks as bridges do."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
import requests

from tests.simulator import Simulator
from tests.simulator.asking import ask, logical_sensors, temperatures
from tests.simulator.house import House

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)


class Hands:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    """A simulator with one sensor on a fine winter noon that does not pass."""
    with Simulator(sensors=1, clock=lambda: NOW) as running:
        yield running


def test_the_temperature_is_arithmetic_and_survives_any_restart() -> None:
    first, second = House(seed=1, sensors=3), House(seed=1, sensors=3)
    assert [first.temperature(room, NOW) for room in first.rooms] == [20.54, 23.39, 1.04]
    assert [second.temperature(room, NOW) for room in second.rooms] == [20.54, 23.39, 1.04]
    assert first.sensors == second.sensors


def test_another_seed_is_another_house() -> None:
    one, two = House(seed=1, sensors=3), House(seed=2, sensors=3)
    assert all(one.temperature(room, NOW) != two.temperature(room, NOW) for room in one.rooms)
    assert not {sensor.mac for sensor in one.sensors} & {sensor.mac for sensor in two.sensors}


def test_it_freezes_outdoors_and_never_within() -> None:
    house, hours = House(sensors=18), [NOW + timedelta(hours=hour) for hour in range(24 * 14)]
    for room in house.rooms:
        coldest, warmest = (chosen(house.temperature(room, hour) for hour in hours) for chosen in (min, max))
        assert (-15 < coldest < 0 < warmest < 15) if room == "Außen" else (14 < coldest < warmest < 28)


def test_temperatures_change_smoothly() -> None:
    house, minutes = House(sensors=3), [NOW + timedelta(minutes=minute) for minute in range(2000)]
    for room in house.rooms:
        course = [house.temperature(room, minute) for minute in minutes]
        assert 0 < max(abs(later - earlier) for earlier, later in zip(course, course[1:])) < 0.1


def test_sensors_report_every_five_minutes_each_at_its_own_time() -> None:
    house = House(sensors=6)
    reports: dict[str, list[datetime]] = {sensor.uniqueid(): [] for sensor in house.sensors}
    for second in range(0, 7200, 10):
        when = NOW + timedelta(seconds=second)
        for uniqueid, seen in reports.items():
            last = house.last_report(uniqueid, when)
            assert last <= when
            if last not in seen:
                seen.append(last)
    for seen in reports.values():
        assert all(280 <= (later - earlier).seconds <= 320 for earlier, later in zip(seen, seen[1:]))
    assert len({seen[1] for seen in reports.values()}) == 6


def test_the_bridge_shows_the_temperature_of_the_last_report() -> None:
    clock = Hands()
    with Simulator(sensors=6, clock=clock) as simulator:
        for minutes in (0, 1, 7):
            clock.now = NOW + timedelta(minutes=minutes)
            for entry in temperatures(simulator):
                reported = simulator.house.last_report(entry["uniqueid"], clock.now)
                assert entry["state"]["lastupdated"] == reported.strftime("%Y-%m-%dT%H:%M:%S")
                assert entry["state"]["temperature"] / 100 == simulator.house.truth(entry["uniqueid"], reported)


def test_three_logical_sensors_share_a_mac_in_varying_order_among_strangers() -> None:
    with Simulator(sensors=6, clock=lambda: NOW) as simulator:
        answer = ask(simulator).json()
    boxes: dict[str, list[str]] = {}
    for entry in answer.values():
        if entry["type"].startswith("ZLL") and entry["type"] != "ZLLSwitch":
            boxes.setdefault(entry["uniqueid"][:23], []).append(entry["type"])
    assert [sorted(box) for box in boxes.values()] == [["ZLLLightLevel", "ZLLPresence", "ZLLTemperature"]] * 6
    assert len({tuple(box) for box in boxes.values()}) == 3
    assert {"Daylight", "CLIPGenericStatus", "ZLLSwitch", "ZGPSwitch", "CLIPTemperature"} <= {
        entry["type"] for entry in answer.values()}
    numbers = [int(number) for number in answer]
    assert numbers == sorted(numbers) and numbers != list(range(1, len(numbers) + 1))


def test_only_the_presence_sensor_carries_the_users_name() -> None:
    with Simulator(sensors=3) as simulator:
        presence = logical_sensors(simulator, "ZLLPresence").values()
        assert [entry["name"] for entry in presence] == list(simulator.house.rooms) == ["Utility", "Küche", "Außen"]
        assert [entry["name"] for entry in temperatures(simulator)] == [
            "Hue temperature sensor 1", "Hue temperature sensor 2", "Hue outdoor temp. sensor 3"]


def test_firmware_has_several_ages_and_other_programs_leave_addresses_that_are_none() -> None:
    with Simulator(sensors=4) as simulator:
        old, answer = temperatures(simulator)[1], ask(simulator).json().values()
        assert not {"productname", "swupdate", "capabilities"} & old.keys()
        assert all({"productname", "swupdate", "capabilities"} <= new.keys()
                   for new in temperatures(simulator) if new != old)
    assert [entry.get("uniqueid") for entry in answer].count("WA0001") == 2
    assert any("uniqueid" not in entry for entry in answer)


@pytest.mark.parametrize("sensors, part, whole", [(3, 8.8, 26), (15, 37, 145), (50, 104, 304)])
def test_answers_weigh_what_a_real_bridges_do(sensors: int, part: float, whole: float) -> None:
    with Simulator(sensors=sensors) as simulator:
        assert len(ask(simulator).content) / 1000 == pytest.approx(part, rel=0.2)
        assert len(ask(simulator, "").content) / 1000 == pytest.approx(whole, rel=0.2)


@pytest.mark.parametrize("method, path, body, kind, address", [
    ("GET", "/api/wrong/sensors", "", 1, "/sensors"), ("GET", "/api/wrong", "", 1, "/"),
    ("GET", "/api/{key}/sensors/999", "", 3, "/sensors/999"), ("GET", "/api/{key}/moods", "", 3, "/moods"),
    ("DELETE", "/api/{key}/sensors", "", 4, "/sensors"), ("GET", "/api", "", 4, "/"),
    ("PUT", "/api/{key}/sensors/1", "{nonsense", 2, "/sensors/1"), ("POST", "/api", "{nonsense", 2, ""),
    ("POST", "/api", "{}", 5, ""), ("POST", "/api", '{"devicetype":"a#b"}', 101, ""),
])
def test_refusals_are_lists_at_200(frozen: Simulator, method: str, path: str, body: str, kind: int, address: str
                                   ) -> None:
    answer = requests.request(method, frozen.http_url + path.format(key=frozen.key), data=body, timeout=5)
    (item,) = answer.json()
    assert (answer.status_code, item["error"]["type"], item["error"]["address"]) == (200, kind, address)


def test_one_sensor_is_shown_by_its_number(frozen: Simulator) -> None:
    ((number, entry),) = logical_sensors(frozen, "ZLLTemperature").items()
    assert ask(frozen, f"/sensors/{number}").json() == entry


@pytest.mark.parametrize("path", ["/api/config", "/api/0/config", "/api/wrong/config"])
def test_anybody_may_read_the_short_configuration(frozen: Simulator, path: str) -> None:
    config = requests.get(frozen.http_url + path, timeout=5).json()
    assert config["bridgeid"] == frozen.bridge_id.upper() != frozen.bridge_id
    assert "whitelist" not in config and "UTC" not in config


def test_the_full_configuration_holds_other_peoples_keys(frozen: Simulator) -> None:
    whitelist = ask(frozen, "/config").json()["whitelist"]
    assert whitelist.keys() == {frozen.key, *frozen.bridge.other_keys} and {len(key) for key in whitelist} == {40}
    everything = ask(frozen, "").json()
    assert everything["config"]["whitelist"] == whitelist and len(everything["lights"]) == 3


def test_pairing_needs_the_button_and_gives_a_key_that_works() -> None:
    clock, wish = Hands(), {"devicetype": "home-monitor#test"}
    with Simulator(clock=clock) as simulator:
        simulator.press_link_button()
        clock.now = NOW + timedelta(seconds=31)
        late = requests.post(f"{simulator.http_url}/api", json=wish, timeout=5).json()
        simulator.press_link_button()
        (item,) = requests.post(f"{simulator.http_url}/api", json=wish, timeout=5).json()
        key = item["success"]["username"]
        shown = requests.get(f"{simulator.http_url}/api/{key}/sensors", timeout=5).json()
    assert late[0]["error"]["type"] == 101
    assert len(key) == 40 and key != simulator.key and "1" in shown


def test_the_date_is_the_bridges_and_nothing_is_compressed(frozen: Simulator) -> None:
    answer = ask(frozen)
    assert answer.headers["Date"] == "Thu, 15 Jan 2026 12:00:00 GMT"
    assert "Content-Encoding" not in answer.headers and int(answer.headers["Content-Length"]) == len(answer.content)
