"""The quantities of a reading that people read, in the order in which they are shown, with their units."""

from collections.abc import Mapping

# By column of `readings`; battery and light are about the device, not about the air.
FORMATS: Mapping[str, str] = {
    "temperature_celsius": "{:.2f}°C",
    "humidity_percent": "{:.10g}%",
    "pm25_ugm3": "PM2.5 {:.10g} µg/m³",
    "voc_index": "VOC {:.10g}",
    "co_ppm": "CO {:.10g} ppm",
    "iaq_score": "IAQ {:.10g}",
    "pm10_ugm3": "PM10 {:.10g} µg/m³",
    "voc_ppb": "VOC {:.10g} ppb",
    "co2_ppm": "CO2 {:.10g} ppm",
}


def values_text(values: Mapping[str, object]) -> str:
    """Return the measured values of a row: `22.75°C 43% PM2.5 12 µg/m³`; a dash if there are none."""
    texts = (form.format(value) for column, form in FORMATS.items()
             if isinstance(value := values.get(column), int | float))
    return " ".join(texts) or "-"
