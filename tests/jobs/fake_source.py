"""A made-up source, which yields and raises whatever a test wants, and a frozen clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any

from freezegun import freeze_time

from collectors import CollectorSettings, NoSecrets
from storage.reading import Reading


@dataclass(frozen=True)
class Settings(CollectorSettings):
    """The settings of a made-up source."""

    enabled: bool = True


def source(*items: Any) -> Any:
    """Return a collector's module that yields these items and raises the errors among them."""

    def collect(settings: Any, secrets: Any, http: Any, state: Any, now: datetime) -> Iterator[Any]:
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item(now) if callable(item) else item

    return SimpleNamespace(__spec__=ModuleSpec("collectors.made_up", None), Settings=Settings, Secrets=NoSecrets,
                           collect=collect)


def degrees(celsius: float, device: str = "made_up:1") -> Any:
    """Return what makes a reading of so many degrees at a given time."""
    return lambda now: Reading(timestamp=now, device_id=device, device_type="thing", temperature_celsius=celsius)


def at(hours: float) -> Any:
    """Freeze the clock so many hours after a moment."""
    return freeze_time(datetime(2026, 11, 22, tzinfo=timezone.utc) + timedelta(hours=hours))
