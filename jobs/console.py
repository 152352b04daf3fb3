"""Prints results on stdout: lines or a table for people, one JSON object for programs."""

import sys
from collections.abc import Mapping
from typing import Any

from jobs.problems import redacted_json
from runtime.formats import format_time
from runtime.redaction import Redactor, escape_unprintable
from runtime.streams import write_line
from runtime.tables import aligned
from storage.quantities import values_text
from storage.reading import Cycle, Reading


class Console:
    """stdout of one run; everything is redacted."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact

    def print_line(self, text: str) -> None:
        write_line(sys.stdout, escape_unprintable(self._redact(text)))

    def print_json(self, document: Mapping[str, Any]) -> None:
        write_line(sys.stdout, redacted_json(document, self._redact))

    def print_cycle(self, cycle: Cycle, as_table: bool) -> None:
        """Print a line per reading and per device without a fresh value, or a table of all devices."""
        if cycle.outcome == "ok" and not cycle.seen():
            self.print_line(f"{cycle.collector}: the source answered, but has no devices")
        else:
            for line in _table(cycle) if as_table else _lines(cycle):
                self.print_line(line)


def summarize(cycle: Cycle, stored: int, spooled: int, duration_ms: float) -> dict[str, Any]:
    """Return the document for `--json`."""
    return {
        "collector": cycle.collector, "started_at": format_time(cycle.started_at), "outcome": cycle.outcome,
        "readings": [reading.row() for reading in cycle.readings], "stored": stored, "spooled": spooled,
        "duration_ms": round(duration_ms, 1), "payload_bytes": cycle.payload_bytes, "requests": cycle.requests,
        "retries": cycle.tried_again(), "error": cycle.error}


def reading_text(reading: Reading | None, doubt: str | None = None) -> str:
    """Return all that a reading measured, and why it is doubtful, for people; a dash without a value."""
    if reading is None:
        return "-"
    reason = f" ({doubt})" if doubt else ""
    battery = "" if reading.battery_level is None else f" [Battery: {reading.battery_level}%]"
    return f"{values_text(reading._asdict())}{reason}{battery}"


def _lines(cycle: Cycle) -> list[str]:
    devices = {device.device_id: device for device in cycle.seen()}
    names = [reading.name or reading.device_id for reading in cycle.readings]
    lines = []
    for reading, label in zip(cycle.readings, names):
        if names.count(label) > 1:
            label = f"{label} ({reading.device_id})"
        text = reading_text(reading, devices[reading.device_id].doubt)
        lines.append(f"{'⚠️' if reading.is_anomalous else '✅'} {label}: {text}")
    return lines + [f"⚠️ {device.name or device.device_id}: {device.trouble}"
                    for device in devices.values() if device.trouble]


def _table(cycle: Cycle) -> list[str]:
    readings = {reading.device_id: reading for reading in cycle.readings}
    rows = [("id", "name", "location", "model", "value")]
    for device in cycle.seen():
        value = device.trouble or reading_text(readings.get(device.device_id), device.doubt)
        rows.append((device.device_id, device.name or "-", device.location or "-", device.model_info or "-", value))
    return aligned(rows)
