"""Where the soak's readings and calls go: a PostgreSQL, an MQTT broker that can be stopped, and a webhook."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

from publishers.postgres import schema
from tests.home import Home
from tests.publishers import mosquitto, postgresql, recorder

HOUSE = "soak"


def missing() -> str:
    """Return which of Debian's packages are not installed; empty if all are."""
    return ", ".join(name for name, program in (
        ("mosquitto", mosquitto.PROGRAM), ("postgresql", postgresql.PROGRAMS)) if not program)


class Destinations:
    def __init__(self, folder: Path, server: postgresql.Server, calls: recorder.Recorder) -> None:
        self._folder, self._server, self._calls = folder, server, calls
        self._broker: subprocess.Popen[bytes] | None = None
        with create_server(("127.0.0.1", 0)) as unused:
            self._port = int(unused.getsockname()[1])
        (folder / "mosquitto.conf").write_text(
            f"user root\nlistener {self._port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\n", encoding="utf-8")
        for statement in schema.statements("home_monitor"):
            server.execute(statement)

    def settings(self) -> dict[str, Any]:
        return {"mqtt": {"enabled": True, "host": "127.0.0.1", "port": self._port, "tls": False, "house_id": HOUSE},
                "postgres": {"enabled": True, "house_id": HOUSE}}

    def secrets(self) -> dict[str, Any]:
        return {"postgres": {"dsn": f"host='{self._server.folder}' port={self._server.port} dbname=postgres user=owner"},
                "notify": {"webhook": {"url": f"{self._calls.url}/called", "format": "json"}}}

    def start_broker(self) -> None:
        self._broker = subprocess.Popen([str(mosquitto.PROGRAM), "-c", str(self._folder / "mosquitto.conf")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mosquitto.wait_for(lambda: mosquitto.answers(self._port))

    def stop_broker(self) -> None:
        if self._broker is not None:
            self._broker.terminate()
            self._broker.wait()
            self._broker = None

    def calls(self) -> list[str]:
        """Return the events that the webhook was called for."""
        return [json.loads(call.body)["event"] for call in self._calls.calls]

    def differences(self, home: Home, run: Callable[..., str]) -> Iterator[str]:
        """Publish once more; compare the record with PostgreSQL, by --verify, and with what the broker is sent."""
        with mosquitto.Subscriber(self._port) as subscriber:
            if said := run("publishers"):
                yield f"publishers at the end: {said}"
            states = {message.topic.split("/")[2]: json.loads(message.payload)
                      for message in subscriber.heard() if message.topic.endswith("/state")}
        for row in home.rows("SELECT device_id, timestamp, temperature_celsius FROM latest_readings"):
            state = states.get(row["device_id"], {})
            if any(state.get(name) != row[name] for name in ("timestamp", "temperature_celsius")):
                yield f"the broker was sent {state} for {row}"
        if "EQUAL" not in (said := run("publishers.postgres", "--verify", "--verbose")):
            yield f"PostgreSQL: {said}"


@contextmanager
def opened(folder: Path) -> Iterator[Destinations]:
    with postgresql.running() as server, recorder.recording() as calls:
        destinations = Destinations(folder, server, calls)
        destinations.start_broker()
        try:
            yield destinations
        finally:
            destinations.stop_broker()
