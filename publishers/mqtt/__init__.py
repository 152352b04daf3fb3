"""MQTT: the newest readings for a broker, and Home Assistant's discovery of them.

    home_monitor/<house>/<device>/state         one JSON object, while the reading is fresh
    home_monitor/<house>/<device>/availability  online or offline, retained
    homeassistant/sensor/<device>/<column>/config  retained

It listens to nothing, and past readings are not sent.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from publishers import NoSecrets, PublisherSettings, Run
from runtime.errors import CannotReach
from runtime.formats import pluralize

if TYPE_CHECKING:
    from publishers.mqtt.connection import Broker
    from publishers.mqtt.messages import Messages
    from storage.changes import Changes
    from storage.state import State

log = logging.getLogger(__name__)

# Home Assistant subscribes to a state only after it has read the announcement (2024.3.3, seen 2026-11-30).
READING_SECONDS = 2.0
ANNOUNCEMENT, RETAINED = "announcement", "retained"  # in the state


@dataclass(frozen=True, repr=False)
class Settings(PublisherSettings):
    """Without a `port` it is 8883 with TLS, else 1883; without a `ca_file` the public authorities count."""

    enabled: bool = False
    host: str | None = None
    port: int | None = field(default=None, metadata={"range": (1, 65_535)})
    tls: bool = True
    ca_file: Path | None = None
    house_id: str = "home"
    discovery_prefix: str | None = "homeassistant"

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.enabled and self.host is None:
            yield "host", "is missing: the broker's name or address"
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.house_id):
            yield "house_id", f"{self.house_id!r} may have only letters without accents, digits, - and _"
        if self.discovery_prefix is not None and not re.fullmatch(r"[^+#\s/]+(/[^+#\s/]+)*", self.discovery_prefix):
            yield "discovery_prefix", f"{self.discovery_prefix!r} is no beginning of a topic"


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """The broker's account."""

    username: str | None = None
    password: str | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.password and not self.username:
            yield "username", "is missing, though there is a password"


def publish(settings: Settings, secrets: Secrets, changes: "Changes", state: "State", run: Run) -> str:
    """Send all devices' availability and announcements, then the fresh states. Raise a RemoteError or Unusable."""
    from publishers.mqtt import messages
    broker = _broker(settings, secrets)
    remembered = _remembered(state, broker)
    outgoing = messages.compose(settings.house_id, settings.discovery_prefix, changes, run.now, remembered)
    is_news = outgoing.announcement != state.get(ANNOUNCEMENT)
    _remember(state, broker, {*remembered, *outgoing.retained})
    run.retry(on=CannotReach, operation="publish", endpoint=broker.address)(_send)(broker, outgoing, is_news, run)
    _remember(state, broker, {topic for topic, payload in outgoing.retained.items() if payload})
    state[ANNOUNCEMENT] = outgoing.announcement
    return f"sent {pluralize(len(outgoing.states), 'state')} to {broker.address}"


def probe(settings: Settings, secrets: Secrets, state: "State", run: Run) -> str:
    """Log in. Raise a RemoteError or Unusable."""
    from publishers.mqtt.connection import connect
    broker = _broker(settings, secrets)
    connect(broker, run.deadline).close()
    return f"{broker.address} accepts us"


def _send(broker: "Broker", outgoing: "Messages", is_news: bool, run: Run) -> None:
    from publishers.mqtt.connection import connect
    with closing(connect(broker, run.deadline)) as connection:
        connection.publish(outgoing.retained, retain=True)
        if is_news and outgoing.announcement and outgoing.states:
            log.info("waiting %g s for Home Assistant to read the announcement", READING_SECONDS)
            time.sleep(max(min(READING_SECONDS, run.deadline.remaining()), 0))
        connection.publish(outgoing.states, retain=False)


def _broker(settings: Settings, secrets: Secrets) -> "Broker":
    from publishers.mqtt.connection import Broker
    port = settings.port or (8883 if settings.tls else 1883)
    return Broker(settings.host or "", port, settings.tls, settings.ca_file, secrets.username, secrets.password)


def _remember(state: "State", broker: "Broker", topics: set[str]) -> None:
    """Keep which topics the broker may have, also if this run fails."""
    state[RETAINED] = {"broker": broker.address, "topics": sorted(topics)}


def _remembered(state: "State", broker: "Broker") -> set[str]:
    value = state.get(RETAINED)
    if not isinstance(value, dict) or value.get("broker") != broker.address or not isinstance(value.get("topics"), list):
        return set()
    return {topic for topic in value["topics"] if isinstance(topic, str)}
