"""The weather outside, by whole cycles against the simulated Open-Meteo: requests, rows, refusals."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from freezegun import freeze_time

import config
from collectors import weather
from runtime.deadline import Deadline
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.home import Home, Outcome
from tests.simulator.server import Simulator
from tests.simulator.weather import current

START = datetime(2026, 11, 30, 20, 43, 20, tzinfo=timezone.utc)
QUARTER = datetime(2026, 11, 30, 20, 30, tzinfo=timezone.utc)
CURRENT = {"time": int(QUARTER.timestamp()), "interval": 900, "temperature_2m": -2.4, "relative_humidity_2m": 81,
           "weather_code": 71, "is_day": 0, "wind_speed_10m": 39.0}
UNITS = {"time": "unixtime", "temperature_2m": "°C", "relative_humidity_2m": "%", "wind_speed_10m": "km/h"}


class Outside:
    """A home that collects the weather of a simulated house, and the time of both."""

    def __init__(self, home: Home, simulator: Simulator) -> None:
        self.home, self.simulator, self.moment = home, simulator, START
        simulator.clock = lambda: self.moment
        self.configure(enabled=True, latitude=52.52, longitude=13.41, base_url=f"{simulator.cloud_url}/")

    def configure(self, **settings: Any) -> None:
        self.home.settings["collectors"].setdefault("weather", {}).update(settings)
        self.home.write_config()

    def run(self, *arguments: str, minutes: float = 0) -> Outcome:
        self.moment += timedelta(minutes=minutes)
        with freeze_time(self.moment):
            return self.home.run(*arguments, collector=weather)

    def answer(self, status: int = 200, units: Any = None, **values: Any) -> None:
        """Have Open-Meteo answer otherwise: with these values and units, and with a refusal's `reason`."""
        document = {"current": CURRENT | values, "current_units": UNITS | (units or {})}
        content = {"error": True, "reason": values["reason"]} if "reason" in values else document
        self.simulator.faults.clear()
        self.simulator.faults.add("body", face="weather", status=status, content=json.dumps(content))

    def reading(self, **values: Any) -> dict[str, Any]:
        """Run one cycle with these values and return the row that it stores."""
        self.answer(**values)
        assert self.run(minutes=1).code == 0
        return self.home.rows()[-1]


@pytest.fixture
def outside(home: Home) -> Iterator[Outside]:
    with Simulator(tls=None) as simulator:
        yield Outside(home, simulator)


def test_it_is_off_unless_switched_on(outside: Outside) -> None:
    del outside.home.settings["collectors"]["weather"]["enabled"]
    outside.home.write_config()
    assert outside.run().code == 0 and outside.simulator.requests == []


def test_one_request_stores_the_house_s_outside_temperature(outside: Outside) -> None:
    outcome = outside.run("--json")
    assert (outcome.code, outcome.json["requests"], outcome.json["stored"]) == (0, 1, 1)
    truth, [row] = current(outside.simulator.house, START), outside.home.rows()
    assert (row["temperature_celsius"], row["temperature_raw"], row["humidity_percent"]) == (
        truth["temperature_2m"], truth["temperature_2m"], truth["relative_humidity_2m"])
    assert (row["device_id"], row["device_type"], row["location"], row["day_night"]) == (
        "weather:outside", "weather_api", "outside", "night")
    assert (row["measured_at"], row["is_anomalous"]) == (QUARTER.isoformat(), 0)


def test_open_meteo_and_its_licence_are_named_with_the_values(outside: Outside) -> None:
    outside.answer()
    assert outside.run("-v").out == "✅ Open-Meteo (CC BY 4.0): -2.40°C 81%\n"
    assert "Open-Meteo (CC BY 4.0)" in outside.home.desk("list").out


@pytest.mark.parametrize(("code", "wind", "words"), [
    (0, 0, "sunny"), (1, 38.9, "sunny"), (2, 39, "cloudy|windy"), (50, 0, "cloudy"), (51, 0, "cloudy|raining"),
    (67, 0, "cloudy|raining"), (68, 0, "cloudy"), (70, 0, "cloudy"), (71, 0, "cloudy|snowing"),
    (77, 0, "cloudy|snowing"), (78, 0, "cloudy"), (80, 0, "cloudy|raining"), (82, 0, "cloudy|raining"),
    (85, 40, "cloudy|snowing|windy"), (86, 0, "cloudy|snowing"), (87, 0, "cloudy"), (94, 0, "cloudy"),
    (95, 0, "cloudy|raining"), (99, 0, "cloudy|raining"), (100, 0, None), (-1, 39, "windy"), (None, None, None)])
def test_codes_and_wind_become_the_predecessors_words(
        outside: Outside, code: int | None, wind: float | None, words: str | None) -> None:
    assert outside.reading(weather_code=code, wind_speed_10m=wind)["weather_conditions"] == words


@pytest.mark.parametrize(("quantity", "unit", "value", "column", "stored"), [
    ("temperature_2m", "°F", 32, "temperature_celsius", 0.0), ("temperature_2m", "°F", 212, "temperature_celsius", 100.0),
    ("temperature_2m", "K", 273, "temperature_celsius", None), ("temperature_2m", "°C", "2", "temperature_celsius", None),
    ("relative_humidity_2m", "", 0.8, "humidity_percent", None),
    ("wind_speed_10m", "m/s", 10.8, "weather_conditions", "cloudy|snowing"),
    ("wind_speed_10m", "m/s", 10.9, "weather_conditions", "cloudy|snowing|windy"),
    ("wind_speed_10m", "kn", 21.1, "weather_conditions", "cloudy|snowing|windy"),
    ("wind_speed_10m", "mp/h", 24.2, "weather_conditions", "cloudy|snowing"),
    ("wind_speed_10m", "furlongs", 99, "weather_conditions", "cloudy|snowing"),
    ("is_day", "", 1, "day_night", "day"), ("is_day", "", None, "day_night", None)])
def test_units_are_read_and_not_assumed(
        outside: Outside, quantity: str, unit: str, value: object, column: str, stored: object) -> None:
    assert outside.reading(units={quantity: unit}, **{quantity: value})[column] == stored


@pytest.mark.parametrize(("changes", "trouble"), [
    ({"time": int(QUARTER.timestamp()) - 10_800}, "last updated 3 h ago"),
    ({"time": int(START.timestamp()) + 3601}, "does not say when its values hold"),
    ({"time": 1e20}, "does not say when its values hold"),
    ({"units": {"time": "iso8601"}}, "does not say when its values hold"),
    ({"temperature_2m": None, "relative_humidity_2m": None}, "reports no values")])
def test_without_fresh_values_nothing_is_stored(outside: Outside, changes: dict[str, Any], trouble: str) -> None:
    outside.answer(**changes)
    assert outside.run().code == 0
    assert outside.home.rows() == [] and trouble in outside.home.log()


@pytest.mark.parametrize(("degrees", "mark"), [(-60, 0), (-60.1, 1), (60, 0), (60.1, 1), (None, 0)])
def test_an_implausible_temperature_is_stored_and_marked(outside: Outside, degrees: float | None, mark: int) -> None:
    assert outside.reading(temperature_2m=degrees)["is_anomalous"] == mark


def test_a_person_may_choose_the_place_unless_the_configuration_does(outside: Outside) -> None:
    outside.run()
    assert outside.home.desk("set-location", "weather:outside", "Harbour").code == 0
    assert outside.reading()["location"] == "Harbour"
    outside.configure(location="garden")
    assert outside.reading()["location"] == "garden"


def test_a_commercial_customers_key_is_sent_and_never_shown(outside: Outside) -> None:
    outside.home.write_secrets({"weather": {"api_key": "customer-canary"}})
    outside.answer(400, reason="no customer-canary here")
    outcome = outside.run("-v")
    assert "customer-canary" not in outcome.out + outcome.err + outside.home.log()
    [fetch] = outside.simulator.requests
    assert fetch.path == "/v1/forecast" and "apikey=customer-canary" in fetch.query


@pytest.mark.parametrize(("reason", "minutes"), [
    ("Minutely API request limit exceeded. Please try again in one minute.", 1),
    ("Hourly API request limit exceeded. Please try again in the next hour.", 17),
    ("Daily API request limit exceeded. Please try again tomorrow.", 197)])
def test_an_exceeded_limit_pauses_until_its_window_is_over(outside: Outside, reason: str, minutes: int) -> None:
    """From 20:43:20 the minute, the hour and the day go on for 40 seconds, and 16 and 196 minutes more."""
    outside.moment += timedelta(seconds=-5)
    outside.answer(429, reason=reason)
    assert outside.run().code == 1 and reason in outside.home.log()
    outside.simulator.faults.clear()
    for seconds, code in ((-1, 1), (0, 0)):
        outside.moment = START.replace(second=0) + timedelta(minutes=minutes, seconds=seconds)
        assert outside.run().code == code
    assert [cycle["outcome"] for cycle in outside.home.cycles()] == ["throttled", "throttled", "ok"]
    assert len(outside.simulator.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_rejected_request_asks_for_a_human(outside: Outside, status: int) -> None:
    outside.answer(status, reason="Latitude must be in range")
    outcome = outside.run()
    assert outcome.code == 2 and "collectors.weather in config.yaml" in outcome.err
    assert (outside.home.data / "ALERT_WEATHER_NEEDS_YOU.txt").exists()
    outside.simulator.faults.clear()
    assert outside.run(minutes=5).code == 0
    assert not (outside.home.data / "ALERT_WEATHER_NEEDS_YOU.txt").exists()


@pytest.mark.parametrize(("kind", "options", "outcome"), [
    ("503", {}, "unreachable"), ("429", {}, "throttled"), ("body", {"content": "[]"}, "not_understood"),
    ("body", {"content": "", "status": 401}, "unreachable"), ("body", {"content": "<html>", "status": 403}, "unreachable"),
    ("body", {"content": '{"error": true, "reason": ""}', "status": 400}, "unreachable"),
    ("body", {"content": "{}", "status": 404}, "not_understood")])
def test_other_faults_are_the_next_cycles_business(
        outside: Outside, kind: str, options: dict[str, Any], outcome: str) -> None:
    outside.simulator.faults.add(kind, face="weather", **options)
    assert outside.run().code == 1
    assert outside.home.cycles()[0]["outcome"] == outcome


@pytest.mark.parametrize(("settings", "key"), [
    ({"latitude": None}, "latitude"), ({"longitude": None}, "longitude"), ({"latitude": 90.1}, "latitude"),
    ({"longitude": -180.1}, "longitude"), ({"base_url": "api.open-meteo.com"}, "base_url"),
    ({"temperature_min": 60}, "temperature_min"), ({"stale_after_seconds": 59}, "stale_after_seconds")])
def test_a_wrong_setting_is_named(outside: Outside, settings: dict[str, Any], key: str) -> None:
    outside.configure(**settings)
    outcome = outside.run()
    assert outcome.code == 2 and f"collectors.weather.{key}: " in outcome.err
    assert outside.simulator.requests == []


@pytest.mark.parametrize(("secrets", "host", "key"), [
    (weather.Secrets(), "api.open-meteo.com", {}), (weather.Secrets("k"), "customer-api.open-meteo.com", {"apikey": ["k"]})])
def test_the_request_is_the_documented_one(secrets: weather.Secrets, host: str, key: dict[str, list[str]]) -> None:
    """Private use asks the free host without a key, a customer's key goes to theirs."""
    settings = weather.Settings(latitude=-1.5, longitude=0.25)
    with responses.RequestsMock() as web, HttpClient(Deadline(5), retry_policy(config.Retry())) as http:
        web.get(f"https://{host}/v1/forecast", json={"current": CURRENT, "current_units": UNITS})
        assert weather.probe(settings, secrets, http, State(Path("nowhere"))).endswith("-2.4°C outside")
        [call] = web.calls
    assert parse_qs(urlsplit(call.request.url or "").query) == {
        "latitude": ["-1.5"], "longitude": ["0.25"], "timeformat": ["unixtime"], "timezone": ["GMT"],
        "current": ["temperature_2m,relative_humidity_2m,weather_code,is_day,wind_speed_10m"], **key}
