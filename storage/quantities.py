"""The quantities of a reading, with names and units for every output, in the order in which they are shown."""

from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """`device_class` is Home Assistant's (https://developers.home-assistant.io/docs/core/entity/sensor, 2026-11)."""

    column: str
    name: str
    unit: str
    device_class: str | None
    form: str  # a value in a line of them; empty for what is about the device, not about the air


QUANTITIES = (
    Quantity("temperature_celsius", "temperature", "°C", "temperature", "{:.2f}°C"),
    Quantity("humidity_percent", "humidity", "%", "humidity", "{:.10g}%"),
    Quantity("pm25_ugm3", "PM2.5", "µg/m³", "pm25", "PM2.5 {:.10g} µg/m³"),
    Quantity("voc_index", "VOC index", "", None, "VOC {:.10g}"),
    Quantity("co_ppm", "CO", "ppm", "carbon_monoxide", "CO {:.10g} ppm"),
    Quantity("iaq_score", "air quality score", "", None, "IAQ {:.10g}"),
    Quantity("pm10_ugm3", "PM10", "µg/m³", "pm10", "PM10 {:.10g} µg/m³"),
    Quantity("voc_ppb", "VOC", "ppb", "volatile_organic_compounds_parts", "VOC {:.10g} ppb"),
    Quantity("co2_ppm", "CO2", "ppm", "carbon_dioxide", "CO2 {:.10g} ppm"),
    Quantity("light_lux", "light", "lx", "illuminance", ""),
    Quantity("battery_level", "battery", "%", "battery", ""),
)
BY_COLUMN: Mapping[str, Quantity] = {quantity.column: quantity for quantity in QUANTITIES}


def values_text(values: Mapping[str, object]) -> str:
    """Return the measured values of a row: `22.75°C 43% PM2.5 12 µg/m³`; a dash if there are none."""
    texts = (quantity.form.format(value) for quantity in QUANTITIES
             if quantity.form and isinstance(value := values.get(quantity.column), int | float))
    return " ".join(texts) or "-"
