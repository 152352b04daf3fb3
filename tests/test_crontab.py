"""The shipped crontab: its lines, and what the real cron daemon makes of them."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

import collectors
from tests.checkout import CHECKOUT
from tests.cron_house import HOUSE, MINUTES, CronHouse, Unavailable

CRONTAB = CHECKOUT / "crontab.example"
LINE = re.compile(r'\*/5 \* \* \* \* (?:sleep 40; )?cd "\$HOME_MONITOR" && \.venv/bin/python -m (?P<module>[\w.]+)')
SENSORS = 5


@pytest.fixture(scope="session")
def cron_house(pytestconfig: pytest.Config) -> Iterator[CronHouse]:
    """The house that was started early, or a new one, after three minutes of cron."""
    house = pytestconfig.stash.get(HOUSE, CronHouse())
    try:
        if not house.running:
            house.start()
        house.wait()
        yield house
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        house.stop()


def active_lines() -> list[str]:
    return [line for line in CRONTAB.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def modules() -> list[str]:
    return [match["module"] for match in map(LINE.fullmatch, active_lines()) if match]


def test_one_line_has_to_be_edited_and_all_others_start_a_module() -> None:
    first, *others = active_lines()
    assert first == "HOME_MONITOR=/path/to/home-temperature-monitoring"
    assert len(modules()) == len(others) - 1 and "healthcheck.py" in others[-1]


def test_every_line_names_a_module_that_can_be_run() -> None:
    assert [name for name in modules() if importlib.util.find_spec(name) is None] == []


def test_every_collector_has_its_line_and_all_publishers_have_one() -> None:
    assert {"publishers", *(f"collectors.{name}" for name in collectors.names())} <= set(modules())


@pytest.mark.skipif(shutil.which("crontab") is None, reason="there is no crontab command on this machine")
def test_the_crontab_command_takes_its_syntax() -> None:
    done = subprocess.run(["crontab", "-n", str(CRONTAB)], capture_output=True, text=True, check=False)
    if "invalid option" in done.stderr:
        pytest.skip("this machine's crontab command cannot check without installing")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_under_cron_every_minute_leaves_one_row_per_sensor(cron_house: CronHouse) -> None:
    """One of each Hue sensor, and one of the air quality monitor; a fourth minute may have started."""
    counted = cron_house.minutes()[:MINUTES]
    minutes = [datetime.fromisoformat(minute) for minute, *_ in counted]
    assert [tuple(counts) for _, *counts in counted] == [(SENSORS, 1)] * MINUTES
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(minutes)} == {60}


@pytest.mark.slow
def test_under_cron_a_collector_that_is_well_sends_no_mail(cron_house: CronHouse) -> None:
    """The canary's mails prove that a mail would arrive."""
    assert len(cron_house.canaries()) >= MINUTES
    assert [mail for mail in cron_house.mails() if mail not in cron_house.canaries()] == []
