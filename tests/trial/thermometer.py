"""A thermometer with a web page, to show what a further source takes: this one file, dropped into `collectors/`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import jobs.collect
from collectors import CollectorSettings
from collectors import NoSecrets as Secrets
from runtime.errors import NotUnderstood
from runtime.formats import finite_number
from runtime.http_client import HttpClient, Request
from storage.reading import Reading
from storage.state import State


@dataclass(frozen=True)
class Settings(CollectorSettings):
    """Its section of config.yaml."""

    enabled: bool = True
    url: str = "http://127.0.0.1/"
    timeout_seconds: float = field(default=2.0, metadata={"range": (0.1, 300)})


def collect(settings: Settings, secrets: Secrets, http: HttpClient, state: State, now: datetime) -> Iterator[Reading]:
    """Yield the temperature on the page."""
    match http.fetch_json(Request(settings.url, settings.timeout_seconds, endpoint="/")).document:
        case {"degrees": degrees, "where": str(where)}:
            yield Reading(timestamp=now, device_id="thermometer:1", device_type="thermometer", name=where,
                          temperature_celsius=finite_number(degrees))
        case _:
            raise NotUnderstood("the page tells no degrees")


def probe(settings: Settings, secrets: Secrets, http: HttpClient, state: State) -> str:
    """Ask the page once."""
    http.fetch_json(Request(settings.url, settings.timeout_seconds, endpoint="/"))
    return "the page answers"


if __name__ == "__main__":
    jobs.collect.main(sys.modules[__name__])
