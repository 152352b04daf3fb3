"""A disk without room for another byte, for a day and longer; then there is room again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from storage import spool
from tests.faults import WHOLE
from tests.faults.disks import ext4, fill, memory_mounted, mounted, require_disks
from tests.faults.household import Household, printed, require
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

CYCLES_A_DAY = 288  # five minutes apart
CYCLES = 300 if WHOLE else 5
ALERT = "ALERT_STORAGE_FAILING.txt"


@contextmanager
def ext4_mounted(folder: Path) -> Iterator[None]:
    with mounted(ext4(folder.with_name("disk.img")), folder):
        yield


@pytest.fixture(params=[ext4_mounted, memory_mounted])
def household(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Household]:
    """A household whose data lies on a small disk of its own."""
    require("faketime")
    require_disks(tmp_path)
    mount: Callable[[Path], AbstractContextManager[None]] = request.param
    with mount(home.data), Simulator(tls=None) as simulator:
        yield Household(home, simulator)


def untrue(run: Outcome, household: Household, waiting: int, is_told: bool) -> Iterator[str]:
    """Yield what is wrong with how a cycle ended on the full disk, after which so many readings are to wait."""
    look = spool.status(household.home.data)
    if run.code != 1 or run.json["spooled"] != len(household.given()) or look.readings != waiting:
        yield f"it ends with {run.code}, {look.readings} readings wait instead of {waiting}"
    said = [line for line in run.err.splitlines() if not line.startswith("The log ")]
    if len(said) != is_told or said and not said[0].startswith("hue: ") or "fault in the program" in run.err:
        yield f"it says {run.err}"
    at = household.moment - timedelta(minutes=5)
    is_due = look.used >= 0.5 or look.oldest is not None and at - look.oldest >= timedelta(hours=24)
    if (household.home.data / ALERT).exists() != is_due:
        yield f"the alert is {'missing' if is_due else 'there already'}"


def test_a_day_on_a_full_disk_costs_nothing(household: Household) -> None:
    """Each cycle ends with 1, one a day says so, one that the log loses lines; the alert stands after a day.

    One cycle with room stores all.
    """
    data, ballast = household.home.data, household.home.data / "ballast"
    assert [household.process().code, household.process().code] == [0, 0]
    fill(ballast)
    found, of_the_log = [], 0
    for number in range(1, CYCLES + 1):
        run = household.process()
        of_the_log += run.err.count("The log ")
        is_told = number % CYCLES_A_DAY == 1
        found += [f"cycle {number}: {each}"
                  for each in untrue(run, household, number * len(household.given()), is_told)]
    assert not found, "\n".join(found)
    assert of_the_log <= -(-CYCLES // CYCLES_A_DAY), "each cycle tells what the log has lost"
    used = spool.status(data).used
    ballast.unlink()
    assert not list(household.problems(household.collected)) and not (data / ALERT).exists()
    print(f"\n{CYCLES} cycles at 0 bytes free: {len(household.collected)} readings collected, "
          f"{len(household.stored())} stored by the first cycle with room again; the spool was {used:.0%} full")


def test_a_first_cycle_on_a_full_disk_prints_its_readings(household: Household) -> None:
    """Where not even the spool can be made a human is needed, and cron's mail has the readings."""
    fill(household.home.data / "ballast")
    given = household.given()
    run = household.process()
    assert run.code == 2 and len(run.err.splitlines()) == 1 and printed(run.err) == given
    assert (household.home.data / ALERT).exists()
    (household.home.data / "ballast").unlink()
    assert not list(household.problems(household.collected - given)) and not (household.home.data / ALERT).exists()
