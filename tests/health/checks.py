"""Runs the check of one component in this process, on a home of the test's."""

from collections.abc import Collection
from datetime import datetime, timezone

from health import examination, setup
from health.finding import LEVELS, Finding
from health.setup import Installation, Request
from runtime.deadline import Deadline
from tests.home import Home


def read(home: Home, only: Collection[str] = (), now: datetime | None = None, seconds: float = 10.0) -> Installation:
    return setup.read(Request(home.config, only, (), False, now or datetime.now(timezone.utc), Deadline(seconds)))


def findings(name: str, checked: Installation) -> list[Finding]:
    return [item for item in examination.check(name, checked) if isinstance(item, Finding)]


def worst(name: str, checked: Installation) -> Finding:
    return max(findings(name, checked), key=lambda item: LEVELS.index(item.level))
