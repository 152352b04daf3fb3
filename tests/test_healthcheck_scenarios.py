"""Every row of docs/running.md: the component, its status, the exit code, the message, and a remedy that works.

A healthy home is damaged; the remedy is then carried out to the letter, by a shell where it is a command, and the
component must be well again. This is the one place where the messages of the health check are asserted.
"""

import os
import re
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import pytest

from tests.checked_home import IS_ROOT, CheckedHome
from tests.checkout import CHECKOUT
from tests.home import as_printed, unmeasured
from tests.scenarios import SCENARIOS

ONLY_SHOWS = ("fuser", "lsof", "crontab -l", "timedatectl", "sntp", "make")


class Row(NamedTuple):
    """A row of docs/running.md, with the components that its heading names."""

    components: list[str]
    status: str
    code: str
    message: str
    remedy: str

    def describes(self, result: dict[str, Any], code: int, config: Path) -> bool:
        remedy = as_printed(self.remedy, config)
        return ((self.status, self.code) == (result["status"], str(code)) and result["name"] in self.components
                and bool(pattern(self.message).search(result["message"]) and pattern(remedy).search(result["remedy"])))


def commands(remedy: str) -> list[str]:
    """Return the commands in a remedy: they end it, or a word of English follows."""
    programs = r"/\S+/python\S* |cd /|sudo |chmod |mv |rm |make |fuser |lsof |crontab |timedatectl |sntp "
    return re.findall(rf"(?:^|: |; |with )((?:{programs}).*?)(?=;| if | shows | whether |$)", remedy)


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace("…", ".+"))


@cache
def runbook() -> dict[str, Row]:
    rows, components = {}, [""]
    for line in (CHECKOUT / "docs" / "running.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            components = re.findall(r"`(\w+)`", line)
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 5 and cells[1] in ("warn", "fail"):
            rows[cells[0]] = Row(components, *cells[1:])
    return rows


def test_the_page_has_a_row_for_each_scenario_and_no_other() -> None:
    assert sorted(runbook()) == sorted(SCENARIOS)


def test_a_healthy_home_passes(checked_home: CheckedHome) -> None:
    """SC-004: nothing timed out, whatever SQLite this Python links: what needs nothing is no warning. US4-1."""
    run = checked_home.check("--json")
    assert (run.code, run.json["status"] in ("pass", "warn"), run.err) == (0, True, "")
    statuses = {component["name"]: component["status"] for component in run.json["components"]}
    assert {status for name, status in statuses.items() if name != "installation"} == {"pass"}


@pytest.mark.parametrize("problem", SCENARIOS)
def test_a_problem_is_reported_and_its_remedy_works(problem: str, checked_home: CheckedHome) -> None:
    """The right component, status and exit code; once the remedy is carried out, it passes.

    FR-020, FR-022, FR-024, FR-025, FR-026, FR-027, FR-029, US4-2, US4-3, EDGE-8.
    """
    scenario, row = SCENARIOS[problem], runbook()[problem]
    if scenario.as_root_only and not IS_ROOT:
        pytest.skip("only root can take permissions from the user")
    owner = os.stat(checked_home.folder).st_uid
    scenario.damage(checked_home)
    if not scenario.as_root_only and owner:
        checked_home.hand_over()
    code, components = checked_home.components()
    result = components[scenario.component]
    assert row.describes(result, code, checked_home.config), result
    for command in commands(result["remedy"]):
        if command.startswith(ONLY_SHOWS):
            shown, program = checked_home.carry_out(command), command.split()[0]
            assert shown.code == 0 or program != "make" and (shown.code != 127 or which(program) is None), shown
    scenario.repair(checked_home, result["remedy"])
    carried_out = {command.replace(str(checked_home.backup), "FILE") for command in checked_home.carried_out}
    assert set(commands(result["remedy"])) <= carried_out
    is_source = scenario.component in ("hue", "amazon_aqm", "weather")
    _, components = checked_home.components(*[] if is_source else ["--offline"], environment=unmeasured())
    result = components[scenario.component]
    assert not pattern(row.message).search(result["message"])
    assert result["status"] == "pass", result
