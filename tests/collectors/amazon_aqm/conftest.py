"""A home with air quality monitors in the simulated Alexa cloud."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from freezegun import freeze_time

from collectors import amazon_aqm
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

START = datetime(2026, 11, 22, 8, 0, tzinfo=timezone.utc)


class Household:
    """A home, the account it is introduced to, and a clock that both of them go by."""

    def __init__(self, home: Home, simulator: Simulator) -> None:
        self.home, self.simulator, self.alexa, self.faults = home, simulator, simulator.alexa, simulator.faults
        self.moment = START
        simulator.clock = lambda: self.moment
        self.configure(enabled=True, domain="alexa.amazon.co.uk", base_url=simulator.cloud_url,
                       auth_url=simulator.cloud_url)
        self.login(refresh_token=self.alexa.refresh_token)

    def configure(self, **settings: Any) -> None:
        self.home.settings["collectors"].setdefault("amazon_aqm", {}).update(settings)
        self.home.write_config()

    def login(self, **secrets: Any) -> None:
        self.home.write_secrets({"amazon_aqm": secrets})

    def run(self, *arguments: str, hours: float = 0) -> Outcome:
        self.moment += timedelta(hours=hours, minutes=5)
        with freeze_time(self.moment):
            return self.home.run(*arguments, collector=amazon_aqm)

    def asked(self) -> list[str]:
        """Return what the cloud was asked since the last call of this, in order, and how often."""
        counts = [name for name in ("exchange", "discovery", "groups", "state") for _ in range(self.alexa.counts[name])]
        self.alexa.counts.clear()
        return counts

    @property
    def memory(self) -> dict[str, Any]:
        path = self.home.data / "amazon_aqm.session.json"
        remembered = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(remembered, dict)
        return remembered

    def secrets(self) -> dict[str, Any]:
        section = yaml.safe_load(self.home.secrets.read_text(encoding="utf-8"))["amazon_aqm"]
        assert isinstance(section, dict)
        return section

    def cookies(self) -> list[str]:
        """Return the Cookie headers of the requests so far, one for each that had one."""
        return [request.headers["Cookie"] for request in self.alexa.requests if "Cookie" in request.headers]


@pytest.fixture
def household(home: Home) -> Iterator[Household]:
    """One monitor, a refresh token, and nothing remembered."""
    with Simulator(tls=None) as simulator:
        yield Household(home, simulator)


@pytest.fixture
def settled(household: Household) -> Household:
    """The same after a cycle, with the cookies and the monitor known."""
    assert household.run().code == 0
    household.asked()
    return household


@pytest.fixture
def two(home: Home) -> Iterator[Household]:
    with Simulator(tls=None, monitors=2) as simulator:
        both = Household(home, simulator)
        assert both.run().code == 0
        both.asked()
        yield both
