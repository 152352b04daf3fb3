"""A home whose collectors run in this process by a clock that the test sets, and all the readings it was given.

Every cycle has distinct values. The monotonic clock runs on, as it does when a real clock is set.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from collectors import amazon_aqm, hue
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
EVERY, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
STEADY = ["runtime.deadline", "runtime.retry", "threading"]  # modules that see the true monotonic clock


class Life:
    """A home with both collectors, whose clock can be set, and a simulated house whose clock is right."""

    def __init__(self, home: Home, simulator: Simulator, clock: Any) -> None:
        self.home, self.simulator, self.clock = home, simulator, clock
        self.now = self.true = NOON
        self.cycles = 0
        self.given: set[tuple[str, float]] = set()
        home.introduce(simulator)
        simulator.clock = lambda: self.true

    def step(self, to: datetime | timedelta) -> None:
        """Set the program's clock to a moment, or by a duration."""
        self.now = to if isinstance(to, datetime) else self.now + to

    def cycle(self, *collectors: Any, during: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Move on five minutes and run the collectors, by default both; `during` is called at their requests."""
        self.now, self.true, self.cycles = self.now + EVERY, self.true + EVERY, self.cycles + 1
        degrees = self.cycles / 100
        self.simulator.faults.clear("state")
        self.simulator.faults.clear("value")
        self.simulator.faults.add("state", state={"temperature": self.cycles})
        self.simulator.faults.add("value", features=["temperatureSensor"], value=degrees)
        outcomes = []
        for collector in collectors or (hue, amazon_aqm):
            self.clock.move_to(self.now)
            self.simulator.clock = lambda: during() or self.true  # type: ignore[func-returns-value]  # it is a hook
            outcomes.append(self.home.run(collector=collector))
        house = self.simulator.house
        self.given |= {(f"hue:{sensor.uniqueid()}", degrees) for sensor in house.sensors if hue in (collectors or [hue])}
        self.given |= {(f"alexa:{monitor.serial}", degrees) for monitor in house.monitors if amazon_aqm in (
            collectors or [amazon_aqm])}
        return outcomes

    def assert_nothing_is_lost(self) -> None:
        """Every reading given is stored once, under a distinct key; no duration is negative."""
        rows = self.home.rows()
        assert {(row["device_id"], row["temperature_raw"]) for row in rows} == self.given
        assert len(rows) == len(self.given) == len({(row["device_id"], row["timestamp"]) for row in rows})
        assert all(0 <= row["duration_ms"] < 10_000 and row["fetch_ms"] >= 0 for row in self.home.cycles())
