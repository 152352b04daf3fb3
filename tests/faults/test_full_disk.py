"""A disk that is full to the last byte for more than a day, and then has room again."""

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
    require("faketime")
    require_disks(tmp_path)
    mount: Callable[[Path], AbstractContextManager[None]] = request.param
    with mount(home.data), Simulator(tls=None) as simulator:
        yield Household(home, simulator)


def mistakes(run: Outcome, household: Household, waiting: int, is_printed: bool) -> Iterator[str]:
    """Yield what is wrong with a cycle on the full disk, after which that many readings should wait."""
    status = spool.status(household.home.data)
    if run.code != 1 or run.json["spooled"] != len(household.given()) or status.readings != waiting:
        yield f"it ends with {run.code}, {status.readings} readings wait instead of {waiting}"
    printed_lines = [line for line in run.err.splitlines() if not line.startswith("The log ")]
    if (len(printed_lines) != is_printed or printed_lines and not printed_lines[0].startswith("hue: ")
            or "fault in the program" in run.err):
        yield f"it prints {run.err}"
    at = household.moment - timedelta(minutes=5)
    is_due = status.used >= 0.5 or status.oldest is not None and at - status.oldest >= timedelta(hours=24)
    if (household.home.data / ALERT).exists() != is_due:
        yield f"the alert is {'missing' if is_due else 'there already'}"


def test_a_day_on_a_full_disk_costs_nothing(household: Household) -> None:
    """Every cycle exits 1; one a day prints it, one that the log loses lines; the alert is there after a day.

    One cycle with room stores all.
    """
    data, ballast = household.home.data, household.home.data / "ballast"
    assert [household.process().code, household.process().code] == [0, 0]
    fill(ballast)
    problems, log_lines = [], 0
    for number in range(1, CYCLES + 1):
        run = household.process()
        log_lines += run.err.count("The log ")
        is_printed = number % CYCLES_A_DAY == 1
        problems += [f"cycle {number}: {mistake}"
                     for mistake in mistakes(run, household, number * len(household.given()), is_printed)]
    assert not problems, "\n".join(problems)
    assert log_lines <= -(-CYCLES // CYCLES_A_DAY), "every cycle prints that the log loses lines"
    used = spool.status(data).used
    ballast.unlink()
    assert not list(household.problems(household.collected)) and not (data / ALERT).exists()
    print(f"\n{CYCLES} cycles at 0 bytes free: {len(household.collected)} readings collected, "
          f"{len(household.stored())} stored by the first cycle with room again; the spool was {used:.0%} full")


def test_a_first_cycle_on_a_full_disk_prints_its_readings(household: Household) -> None:
    """If not even the spool can be created, exit 2, and cron's mail has the readings."""
    fill(household.home.data / "ballast")
    given = household.given()
    run = household.process()
    assert run.code == 2 and len(run.err.splitlines()) == 1 and printed(run.err) == given
    assert (household.home.data / ALERT).exists()
    (household.home.data / "ballast").unlink()
    assert not list(household.problems(household.collected - given)) and not (household.home.data / ALERT).exists()
