"""A record of two days, with a gap of each kind, for the queries of contrib."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.storage.history_builder import History

START, END = datetime(2026, 11, 20, tzinfo=timezone.utc), datetime(2026, 11, 22, tzinfo=timezone.utc)
KITCHEN, GARDEN, MONITOR = "hue:a", "hue:b", "alexa:1"


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def build(path: Path) -> Path:
    """The kitchen's sensor is silent for an hour, the bridge for another; for two hours nothing runs at all."""
    history = History(path, START, END)
    history.run(ids=(KITCHEN, GARDEN))
    history.run("amazon_aqm", ids=(MONITOR,))
    history.change("UPDATE readings SET temperature_celsius = -4.5, is_anomalous = 1, battery_level = 15 "
                   "WHERE device_id = ?", GARDEN)
    history.change("UPDATE readings SET humidity_percent = 43, pm25_ugm3 = 7, iaq_score = 90, voc_index = 3 "
                   "WHERE device_id = ?", MONITOR)
    for device_id, place in ((KITCHEN, "O'Brien's kitchen"), (GARDEN, "Garten"), (MONITOR, "Garten")):
        history.change("UPDATE device_registry SET location = ? WHERE device_id = ?", place, device_id)
    history.silent(KITCHEN, hour(5), hour(6))
    history.fail("unreachable", hour(10), hour(11))
    history.off(hour(20), hour(22))
    return path
