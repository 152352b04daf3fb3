"""The weather outside, from Open-Meteo: https://open-meteo.com/en/docs. Its licence, CC BY 4.0, demands that it is named.

One request per cycle. The values are a weather model's for the coordinates, every 15 minutes. Forecasts are not stored.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from collectors import CollectorSettings, NoSecrets

if TYPE_CHECKING:
    from runtime.http_client import HttpClient, JsonResponse
    from storage.reading import Reading, Sighting
    from storage.state import State

DEVICE_ID = "weather:outside"
NAME = "Open-Meteo (CC BY 4.0)"  # people see it with every value
FREE, COMMERCIAL = "https://api.open-meteo.com", "https://customer-api.open-meteo.com"
WANTED = "temperature_2m,relative_humidity_2m,weather_code,is_day,wind_speed_10m"
FUTURE = timedelta(hours=1)
WINDY_KMH = 39  # 6 Beaufort, a strong breeze
CELSIUS = {"°C": (0.0, 1.0), "°F": (32.0, 5 / 9)}  # what to subtract, then the factor
KMH = {"km/h": 1.0, "m/s": 3.6, "mp/h": 1.609344, "kn": 1.852}
# WMO codes, as https://open-meteo.com/en/docs lists them (2026-11).
RAINING = {*range(51, 68), *range(80, 83), *range(95, 100)}
SNOWING = {*range(71, 78), 85, 86}
# A refusal begins with one of these words; no Retry-After comes with it (open-meteo/open-meteo#438 and #439).
WINDOWS = {"minutely": 60, "hourly": 3600, "daily": 86_400}


@dataclass(frozen=True, repr=False)
class Settings(CollectorSettings):
    """Coordinates are degrees, of WGS 84. `base_url` stands for https://api.open-meteo.com."""

    alert: ClassVar = ("ALERT_WEATHER_NEEDS_YOU.txt", "https://open-meteo.com/en/docs")
    enabled: bool = False
    latitude: float | None = field(default=None, metadata={"range": (-90, 90)})
    longitude: float | None = field(default=None, metadata={"range": (-180, 180)})
    location: str = "outside"
    base_url: str | None = None
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 300)})
    stale_after_seconds: int = field(default=10_800, metadata={"range": (60, 604_800)})
    temperature_min: float = -60.0
    temperature_max: float = 60.0

    @cached_property
    def places(self) -> dict[str, str]:
        return {} if self.location == Settings.location else {DEVICE_ID: self.location}

    def full_id(self, text: str) -> str | None:
        return DEVICE_ID if text.lower() == DEVICE_ID else None

    def problems(self) -> Iterator[tuple[str, str]]:
        for name, degrees in (("latitude", self.latitude), ("longitude", self.longitude)):
            if self.enabled and degrees is None:
                yield name, "is missing: the house's, in degrees such as 52.52 (two decimals are a kilometre)"
        if self.base_url is not None and not self.base_url.startswith(("https://", "http://")):
            yield "base_url", f"{self.base_url!r} must be an https:// or http:// URL"
        if self.temperature_min >= self.temperature_max:
            yield "temperature_min", f"{self.temperature_min} is not below temperature_max, {self.temperature_max}"


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """The key of a commercial customer; private use needs none."""

    api_key: str | None = None


def collect(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State",
            now: datetime) -> "Iterator[Reading | Sighting]":
    response = _fetch(settings, secrets, http)
    return parse(response.document, settings, now, response.date or now)


def probe(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State") -> str:
    current = Current(_fetch(settings, secrets, http).document)
    return f"{NAME} answers" + ("" if current.celsius is None else f": {current.celsius:g}°C {settings.location}")


def parse(document: object, settings: Settings, now: datetime, clock: datetime) -> "Iterator[Reading | Sighting]":
    """Yield the sighting, and the reading unless it is stale by Open-Meteo's own clock."""
    from storage.reading import Reading, Sighting
    current = Current(document)
    celsius, lowest, highest = current.celsius, settings.temperature_min, settings.temperature_max
    trouble = current.trouble(clock, timedelta(seconds=settings.stale_after_seconds))
    is_anomalous = celsius is not None and not lowest <= celsius <= highest
    yield Sighting(
        device_id=DEVICE_ID, device_type="weather_api", name=NAME, location=settings.location,
        location_source="config" if settings.places else "discovered", model_info="open-meteo.com", trouble=trouble,
        doubt=f"outside {lowest:g} to {highest:g}" if is_anomalous and trouble is None else None)
    if trouble is None:
        yield Reading(
            timestamp=now, device_id=DEVICE_ID, device_type="weather_api", name=NAME, location=settings.location,
            temperature_celsius=celsius, temperature_raw=celsius, humidity_percent=current.humidity,
            is_anomalous=is_anomalous, measured_at=current.time, day_night=current.day_night,
            weather_conditions=current.conditions)


class Current:
    """The part `current` of an answer, by its units; None where a value or its unit is not known."""

    def __init__(self, document: object) -> None:
        match document:
            case {"current": dict(values), "current_units": dict(units)}:
                self._values: dict[str, Any] = values
                self._units: dict[str, Any] = units
            case _:
                from runtime.errors import NotUnderstood
                raise NotUnderstood("Open-Meteo's answer has no current weather")
        self.time = self._time()
        offset, factor = CELSIUS.get(self._unit("temperature_2m"), (0.0, None))
        degrees = self._number("temperature_2m")
        self.celsius = None if degrees is None or factor is None else round((degrees - offset) * factor, 2)
        humidity = self._number("relative_humidity_2m") if self._unit("relative_humidity_2m") == "%" else None
        self.humidity = humidity if humidity is not None and 0 <= humidity <= 100 else None
        self.day_night = {"0": "night", "1": "day"}.get(f"{values.get('is_day')}")
        self.conditions = self._conditions()

    def trouble(self, clock: datetime, longest: timedelta) -> str | None:
        """Return why no value is fresh, if so."""
        if self.celsius is None and self.humidity is None:
            return "reports no values"
        if self.time is None or self.time - clock > FUTURE:
            return "does not say when its values hold"
        age = clock - self.time
        return f"last updated {age // timedelta(hours=1)} h ago" if age > longest else None

    def _conditions(self) -> str | None:
        """Return the predecessor's words: `cloudy|raining|windy`."""
        code, wind = self._number("weather_code"), self._number("wind_speed_10m")
        factor = KMH.get(self._unit("wind_speed_10m"))
        is_windy = wind is not None and factor is not None and wind * factor >= WINDY_KMH
        words = {"sunny": code in (0, 1), "cloudy": code is not None and 2 <= code <= 99, "raining": code in RAINING,
                 "snowing": code in SNOWING, "windy": is_windy}
        return "|".join(word for word, holds in words.items() if holds) or None

    def _time(self) -> datetime | None:
        seconds = self._number("time") if self._unit("time") == "unixtime" else None
        try:
            return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None

    def _number(self, name: str) -> float | None:
        from runtime.formats import finite_number
        return finite_number(self._values.get(name))

    def _unit(self, name: str) -> str:
        return str(self._units.get(name))


def _fetch(settings: Settings, secrets: Secrets, http: "HttpClient") -> "JsonResponse":
    from urllib.parse import urlencode

    from runtime.http_client import Request
    origin = settings.base_url or (COMMERCIAL if secrets.api_key else FREE)
    query = {"latitude": settings.latitude, "longitude": settings.longitude, "current": WANTED, "timeformat": "unixtime",
             "timezone": "GMT", **({"apikey": secrets.api_key} if secrets.api_key else {})}
    return http.fetch_json(Request(f"{origin.rstrip('/')}/v1/forecast?{urlencode(query, safe=',')}",
                                   settings.timeout_seconds, endpoint="/v1/forecast", check_refusal=_check_refusal))


def _check_refusal(status: int, answer: "JsonResponse") -> None:
    """Raise the error that `{"error": true, "reason": "..."}` means, BadAnswer for a refusal without a reason."""
    from runtime.errors import BadAnswer, NotAuthorised, Throttled
    from runtime.formats import one_line
    given = answer.document.get("reason") if isinstance(answer.document, dict) else None
    reason = one_line(given)
    if status == 429:
        raise Throttled(f"Open-Meteo is rate-limiting us: {reason or 'HTTP 429'}",
                        retry_after=_seconds_left(reason or "", answer.date))
    if status in (400, 401, 403) and not reason:
        raise BadAnswer(f"a refusal without a reason came in Open-Meteo's place (HTTP {status})")
    if status in (400, 401, 403):
        raise NotAuthorised(f"Open-Meteo rejects our request: {reason}",
                            "correct latitude, longitude or base_url of collectors.weather in config.yaml, or "
                            "weather.api_key in secrets.yaml")


def _seconds_left(reason: str, date: datetime | None) -> float | None:
    """Return how long the window of the exceeded limit lasts; it begins with a minute, an hour or a day of UTC."""
    window = WINDOWS.get(reason.partition(" ")[0].lower())
    if window is None or date is None:
        return window
    return window - date.timestamp() % window


if __name__ == "__main__":
    import jobs.collect
    jobs.collect.main(sys.modules[__name__])
