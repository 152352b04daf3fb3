"""Stand-ins for what the collectors hand to the loader: their sections' types, here with one field of every kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import config
from collectors import CollectorSettings, NoSecrets


@dataclass(frozen=True)
class Hue(CollectorSettings):
    enabled: bool = True
    bridge_ip: str | None = None
    bridge_id: str | None = None
    certificate_fingerprint: str | None = None
    ca_file: Path = Path("config/hue-bridge-ca.pem")
    discovery_url: str | None = "https://discovery.meethue.com"
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 300)})
    sensor_locations: dict[str, str] = field(default_factory=dict)
    temperature_min: float = 0.0
    temperature_max: float = 40.0
    stale_after_seconds: int = field(default=3600, metadata={"range": (60, 604_800)})
    collect_battery_level: bool = True
    collect_light_level: bool = True
    collect_raw_response: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.temperature_min >= self.temperature_max:
            yield "temperature_min", "is not below temperature_max"


@dataclass(frozen=True)
class Monitor(CollectorSettings):
    domain: str = field(default="alexa.amazon.com", metadata={"choices": ("alexa.amazon.com", "alexa.amazon.de")})
    iaq_min: int | None = None
    offset: float | None = field(default=None, metadata={"range": (-5, 5)})
    session: Path | None = None


@dataclass(frozen=True)
class HueSecrets(NoSecrets):
    api_key: str | None = None
    bridge_id: str | None = None


@dataclass(frozen=True)
class MonitorSecrets(NoSecrets):
    refresh_token: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)


COLLECTORS: config.Sections = {"hue": Hue, "amazon_aqm": Monitor}
SECTIONS: config.Sections = {"hue": HueSecrets, "amazon_aqm": MonitorSecrets}
