"""A home with both collectors, run in this process by a clock that the test sets, and all the readings it was told.

The values of every cycle are its own, so that each reading can be told from all others. The monotonic clock runs on, as
it does in any real step of the other.
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
    """A home with both collectors, by a clock that steps, and the house by one that does not."""

    def __init__(self, home: Home, simulator: Simulator, clock: Any) -> None:
        self.home, self.simulator, self.clock = home, simulator, clock
        self.now = self.true = NOON
        self.cycles = 0
        self.told: set[tuple[str, float]] = set()
        home.introduce(simulator)
        simulator.clock = lambda: self.true

    def step(self, to: datetime | timedelta) -> None:
        """Set the program's clock to a moment, or by a span."""
        self.now = to if isinstance(to, datetime) else self.now + to

    def cycle(self, *collectors: Any, during: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Let five minutes pass and run the collectors, both if none is named; `during` is called as they are told."""
        self.now, self.true, self.cycles = self.now + EVERY, self.true + EVERY, self.cycles + 1
        degrees = self.cycles / 100
        self.simulator.faults.clear("state")
        self.simulator.faults.clear("value")
        self.simulator.faults.add("state", state={"temperature": self.cycles})
        self.simulator.faults.add("value", features=["temperatureSensor"], value=degrees)
        outcomes = []
        for each in collectors or (hue, amazon_aqm):
            self.clock.move_to(self.now)
            self.simulator.clock = lambda: during() or self.true  # type: ignore[func-returns-value]  # it is a hook
            outcomes.append(self.home.run(collector=each))
        house = self.simulator.house
        self.told |= {(f"hue:{each.uniqueid()}", degrees) for each in house.sensors if hue in (collectors or [hue])}
        self.told |= {(f"alexa:{each.serial}", degrees) for each in house.monitors if amazon_aqm in (
            collectors or [amazon_aqm])}
        return outcomes

    def assert_nothing_is_lost(self) -> None:
        """All that was told stands in the database, once and under a key of its own; no duration is negative."""
        rows = self.home.rows()
        assert {(row["device_id"], row["temperature_raw"]) for row in rows} == self.told
        assert len(rows) == len(self.told) == len({(row["device_id"], row["timestamp"]) for row in rows})
        assert all(0 <= row["duration_ms"] < 10_000 and row["fetch_ms"] >= 0 for row in self.home.cycles())
