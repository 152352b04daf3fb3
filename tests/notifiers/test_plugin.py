"""A further notifier is one new file: dropped into a checkout it is configured, and an alert reaches it."""

from pathlib import Path
from typing import Any

import pytest

from tests.checkout import make_checkout
from tests.home import Home
from tests.simulator.server import Simulator

ALERT = "ALERT_HUE_PAIRING_NEEDED.txt"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program into which the one file has been dropped."""
    folder = tmp_path / "checkout"
    make_checkout(folder, "notifiers/blackboard")
    return folder


@pytest.fixture
def refused(home: Home, simulator: Simulator) -> Home:
    """A home whose bridge refuses the key."""
    home.point_at(simulator)
    simulator.faults.add("key-refused")
    return home


def configure(home: Home, simulator: Simulator, *sections: dict[str, Any]) -> None:
    """Write one section of notify.blackboard, or a list of several."""
    home.write_secrets({"hue": {"api_key": simulator.key},
                        "notify": {"blackboard": list(sections) if len(sections) > 1 else sections[0]}})


def test_an_alert_reaches_it_when_raised_and_when_cleared(refused: Home, simulator: Simulator,
                                                         checkout: Path) -> None:
    path = refused.folder / "blackboard.txt"
    configure(refused, simulator, {"path": str(path)})
    assert [refused.process(folder=checkout).code for _ in range(2)] == [2, 2]
    simulator.faults.clear()
    assert refused.process(folder=checkout).code == 0
    assert [line.split(" ", 2)[:2] for line in path.read_text().splitlines()] == [["raised", ALERT], ["cleared", ALERT]]


def test_a_wrong_section_costs_neither_readings_nor_the_other_sections(refused: Home, simulator: Simulator,
                                                                       checkout: Path) -> None:
    path = refused.folder / "blackboard.txt"
    configure(refused, simulator, {"path": 5}, {"path": str(path)})
    assert refused.process(folder=checkout).code == 2 and path.read_text().startswith(f"raised {ALERT}")
    simulator.faults.clear()
    assert refused.process(folder=checkout).code == 0 and len(refused.rows()) == 5
    assert path.read_text().count("\n") == 2


def test_a_wrong_section_is_printed_once_a_day_and_logged_every_time(home: Home, simulator: Simulator,
                                                                     checkout: Path) -> None:
    home.point_at(simulator)
    configure(home, simulator, {"path": 5})
    runs = [home.process(folder=checkout) for _ in range(2)]
    assert [(run.code, run.out, "notify.blackboard.path" in run.err) for run in runs] == [(0, "", True), (0, "", False)]
    assert home.log().count("ERROR hue job") == 2


@pytest.mark.alone
@pytest.mark.parametrize("how", ["refuse", "bug", "hang"])
def test_one_that_fails_or_hangs_costs_the_others_nothing(refused: Home, simulator: Simulator, checkout: Path,
                                                          how: str) -> None:
    path = refused.folder / "blackboard.txt"
    configure(refused, simulator, {"path": str(path), "how": how}, {"path": str(path)})
    assert refused.process(folder=checkout).code == 2
    assert path.read_text().startswith(f"raised {ALERT}") and path.read_text().count("\n") == 1
    assert refused.log().count("could not notify by blackboard") == 1 and (refused.data / ALERT).exists()
