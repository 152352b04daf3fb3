"""What can be wrong, each produced for real: the component that finds it, the exit code, and a remedy that works.

A scenario wounds a healthy home; the remedy is then carried out to the letter, by a shell where it is a command, and
the component must be well again.
"""

import os
import re
from dataclasses import dataclass
from functools import cache

import pytest

from tests.checked_home import IS_ROOT, Patient
from tests.checkout import CHECKOUT
from tests.home import unmeasured
from tests.scenarios import SCENARIOS


@dataclass(frozen=True)
class Row:
    """A line of docs/running.md, under the heading of its component."""

    component: str
    status: str
    code: str
    said: str
    remedy: str

    def tells(self, told: dict[str, str], code: int) -> bool:
        """Tell whether this is what the program really says."""
        return ((self.component, self.status, self.code) == (told["name"], told["status"], str(code))
                and bool(pattern(self.said).search(told["message"]) and pattern(self.remedy).search(told["remedy"])))


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace("…", ".+"))


@cache
def runbook() -> dict[str, Row]:
    """Return the lines of the page by what is wrong."""
    rows, components = {}, [""]
    for line in (CHECKOUT / "docs" / "running.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            components = re.findall(r"`(\w+)`", line) or components
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 5 and cells[1] in ("warn", "fail"):
            component = SCENARIOS[cells[0]].component
            assert component in components, f"{cells[0]} stands under {components}"
            rows[cells[0]] = Row(component, *cells[1:])
    return rows


def test_the_runbook_has_a_line_for_each_scenario_and_no_other() -> None:
    assert sorted(runbook()) == sorted(SCENARIOS)
    assert len(SCENARIOS) >= 25


@pytest.mark.alone
def test_a_healthy_home_is_found_healthy(patient: Patient) -> None:
    """SC-004: well below the time limit, whatever SQLite this Python links."""
    run = patient.check("--json")
    assert (run.code, run.json["status"] in ("pass", "warn"), run.err) == (0, True, "")
    assert run.json["duration_ms"] < 2000
    well = {each["name"]: each["status"] for each in run.json["components"]}
    assert list(well) == ["configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space",
                          "spool", "alerts", "freshness", "amazon_aqm", "hue"]
    assert {status for name, status in well.items() if name not in ("database_wal", "configuration")} == {"pass"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_wrong_is_found_and_its_remedy_works(name: str, patient: Patient) -> None:
    """FR-020 to FR-030: right component, right status, right exit code; obeyed, the remedy makes it well."""
    scenario = SCENARIOS[name]
    if scenario.as_root_only and not IS_ROOT:
        pytest.skip("only root can take things away from the user")
    owner = os.stat(patient.folder).st_uid
    scenario.wound(patient)
    if not scenario.as_root_only and owner:
        patient.hand_over()
    code, found = patient.components()
    wounded = found[scenario.component]
    assert (wounded["status"], code) == (scenario.status, scenario.code), found
    assert scenario.said in wounded["message"]
    assert runbook()[name].tells(wounded, code), wounded
    scenario.heal(patient, wounded["remedy"])
    is_source = scenario.component in ("hue", "amazon_aqm")
    _, found = patient.components(*[] if is_source else ["--offline"], environment=unmeasured())
    assert scenario.said not in found[scenario.component]["message"]
    well = ("pass", "warn") if scenario.component == "database_wal" else ("pass",)
    assert found[scenario.component]["status"] in well, found[scenario.component]
