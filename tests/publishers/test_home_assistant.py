"""A real Home Assistant finds the rooms by itself. `make home-assistant` installs one, and sets HOME_ASSISTANT to it.

What it has made of our messages is read from its recorder and its registries.
"""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import create_server
from typing import Any
from unicodedata import normalize

import pytest
from freezegun import freeze_time

from storage.quantities import QUANTITIES
from storage.reading import Reading, Sighting
from tests.home import Home
from tests.jobs.fake_source import source
from tests.publishers.mosquitto import (
    LISTENER,
    LISTENERS_PASSWORD,
    Message,
    Subscriber,
    broker,
    needs_mosquitto,
    sign_up,
    wait_for,
)
from tests.publishers.test_mqtt import PASSWORD, configure, publish

PROGRAM = os.environ.get("HOME_ASSISTANT")
pytestmark = [needs_mosquitto, pytest.mark.alone,
              pytest.mark.skipif(PROGRAM is None, reason="make home-assistant runs this with a real Home Assistant")]


class HomeAssistant:
    """One with nothing but the broker. Its registries are on the disk once it has ended."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self._folder = folder
        with create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        (folder / ".storage").mkdir(parents=True)
        (folder / "configuration.yaml").write_text(
            f"http: {{server_host: 127.0.0.1, server_port: {port}}}\nrecorder: {{commit_interval: 1}}\n")
        entry = {"entry_id": "ours", "version": 1, "domain": "mqtt", "title": "broker", "source": "user", "options": {},
                 "unique_id": None, "disabled_by": None, "pref_disable_new_entities": False,
                 "pref_disable_polling": False, "data": {
                     "broker": "127.0.0.1", "port": broker_port, "username": LISTENER, "password": LISTENERS_PASSWORD}}
        (folder / ".storage" / "core.config_entries").write_text(json.dumps(
            {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}))

    @contextmanager
    def running(self) -> Iterator[None]:
        with subprocess.Popen([str(PROGRAM), "--config", str(self._folder), "--log-file", str(self._folder / "log")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.terminate()

    def states(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return the newest state and the attributes of our sensors, by the end of the entity's id."""
        path = self._folder / "home-assistant_v2.db"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            rows = connection.execute("""
                SELECT
                    states_meta.entity_id,
                    state,
                    shared_attrs
                FROM states
                JOIN states_meta USING (metadata_id)
                LEFT JOIN state_attributes USING (attributes_id)
                WHERE states_meta.entity_id LIKE 'sensor.kuche_%'
                ORDER BY state_id
            """).fetchall()
        return {entity.removeprefix("sensor.kuche_"): (state, json.loads(attributes or "{}"))
                for entity, state, attributes in rows}

    def complaints(self) -> list[str]:
        """Return what it has logged about messages and entities."""
        lines = (self._folder / "log").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if re.search(r" (WARNING|ERROR) .*(mqtt|kuche|hall)", line, re.IGNORECASE)]

    def registry(self, name: str) -> dict[str, list[dict[str, Any]]]:
        document = json.loads((self._folder / ".storage" / f"core.{name}_registry").read_text())
        return dict(document["data"])


def unit_class(attributes: dict[str, Any]) -> tuple[Any, ...]:
    """Home Assistant 2026.11 writes the micro sign as the Greek letter."""
    unit = attributes.get("unit_of_measurement")
    return unit and normalize("NFKC", unit), attributes.get("device_class"), attributes.get("state_class")


def every_quantity(device: str, room: str) -> list[Any]:
    """Return what yields a device and a reading of it."""
    values: dict[str, Any] = {quantity.column: 20 + number for number, quantity in enumerate(QUANTITIES)}
    return [Sighting(device, "thing", room, room, model_info="T-1000"),
            lambda now: Reading(now, device, "thing", **values)]


def test_it_shows_every_quantity_keeps_a_renamed_device_and_drops_a_forgotten_one(home: Home, tmp_path: Path) -> None:
    with broker(tmp_path, *sign_up(tmp_path, PASSWORD)) as port, Subscriber(port) as subscriber:
        configure(home, port)
        assistant = HomeAssistant(tmp_path / "assistant", port)
        with assistant.running():
            wait_for(lambda: Message("homeassistant/status", "online", False) in subscriber.heard())
            home.run(collector=source(*every_quantity("made_up:1", "K\u00fcche"), *every_quantity("made_up:2", "Hall")))
            assert publish(home).code == 0
            wait_for(lambda: len(assistant.states()) == len(QUANTITIES) and all(
                state != "unavailable" for state, _ in assistant.states().values()))
            shown = {(float(state), *unit_class(attributes)) for state, attributes in assistant.states().values()}
            assert shown == {
                (20 + number, normalize("NFKC", quantity.unit) or None, quantity.device_class, "measurement")
                for number, quantity in enumerate(QUANTITIES)}
            assert home.devices("amend-name", "made_up:1", "Attic").code == 0
            assert home.devices("forget", "made_up:2").code == 0
            with freeze_time(datetime.now(timezone.utc) + timedelta(hours=1)):
                assert publish(home).code == 0
            wait_for(lambda: {state for state, _ in assistant.states().values()} == {"unavailable"})
        device, = (device for device in assistant.registry("device")["devices"] if device["identifiers"][0][0] == "mqtt")
        assert (device["name"], device["model"], device["area_id"]) == ("Attic", "T-1000", "kuche")
        names = {entity["entity_id"] for entity in assistant.registry("entity")["entities"] if entity["platform"] == "mqtt"}
        assert assistant.complaints() == []
        assert names == {f"sensor.kuche_{name}" for name in assistant.states()}
