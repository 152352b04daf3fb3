"""Open-Meteo for the simulated house: its outdoor temperature, in the form of https://open-meteo.com/en/docs (2026-11)."""

from datetime import datetime, timezone
from urllib.parse import parse_qs

from tests.simulator.house import DAY_SECONDS, House, drift
from tests.simulator.messages import Answer, Request, json_answer

INTERVAL = 900
ROOM = "Außen"
UNITS = {"time": "unixtime", "interval": "seconds", "temperature_2m": "°C", "relative_humidity_2m": "%",
         "weather_code": "wmo code", "is_day": "", "wind_speed_10m": "km/h"}
CODES = (0, 1, 2, 3, 45, 61, 73, 80, 95)


def answer(house: House, request: Request, now: datetime) -> Answer:
    query = {name: values[0] for name, values in parse_qs(request.query).items()}
    values = current(house, now)
    wanted = {"time", "interval", *query["current"].split(",")}
    return json_answer({
        "latitude": float(query["latitude"]), "longitude": float(query["longitude"]),
        "current_units": {name: unit for name, unit in UNITS.items() if name in wanted},
        "current": {name: value for name, value in values.items() if name in wanted}})


def current(house: House, now: datetime) -> dict[str, float]:
    """Return the values that it reports at that moment: those of the present quarter of an hour."""
    seconds = int(now.timestamp()) // INTERVAL * INTERVAL
    when = datetime.fromtimestamp(seconds, timezone.utc)
    clouds = drift(seconds, 7200, house.seed, "sky")
    return {"time": seconds, "interval": INTERVAL, "temperature_2m": round(house.temperature(ROOM, when), 1),
            "relative_humidity_2m": house.air("humidity", ROOM, when),
            "weather_code": CODES[int((clouds + 1) / 2 * len(CODES)) % len(CODES)],
            "is_day": int(0.25 <= seconds % DAY_SECONDS / DAY_SECONDS < 0.75),
            "wind_speed_10m": round(22 + 20 * drift(seconds, 10_800, house.seed, "wind"), 1)}
