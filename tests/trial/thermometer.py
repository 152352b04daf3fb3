"""A thermometer with a web page, to show what a further source takes: this one file, dropped into `collectors/`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from collectors.kit import cycle
from collectors.kit.errors import NotUnderstood
from collectors.kit.session import Session
from storage.memory import Memory
from storage.reading import Reading, number


@dataclass(frozen=True)
class Settings:
    """Its section of config.yaml."""

    enabled: bool = True
    url: str = "http://127.0.0.1/"
    timeout_seconds: float = field(default=2.0, metadata={"range": (0.1, 300)})


def collect(settings: Settings, secrets: None, http: Session, memory: Memory, now: datetime) -> Iterator[Reading]:
    """Yield what the page says now."""
    match http.fetch_json(settings.url, timeout_seconds=settings.timeout_seconds, endpoint="/").document:
        case {"degrees": degrees, "where": str(where)}:
            yield Reading(timestamp=now, device_id="thermometer:1", device_type="thermometer", name=where,
                          temperature_celsius=number(degrees))
        case _:
            raise NotUnderstood("the page tells no degrees")


def probe(settings: Settings, secrets: None, http: Session, memory: Memory) -> str:
    """Ask the page once."""
    http.fetch_json(settings.url, timeout_seconds=settings.timeout_seconds, endpoint="/")
    return "the page answers"


if __name__ == "__main__":
    cycle.main(sys.modules[__name__])
