"""The plan of all that is asked, worked through in this process: what a house is like, and what is found in it."""

import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

import collectors
import config
from health import plan as checkup
from health import storing
from health.finding import Finding, Findings
from health.plan import House
from runtime.deadline import Deadline
from tests.checked_home import CheckedHome
from tests.simulator.server import Simulator

LEVELS = ("skipped", "pass", "warn", "fail", "critical")


def look_at(path: Path, faults: dict[str, str] | None = None) -> House:
    """Read a house as the health check does."""
    modules = {name: collectors.load(name) for name in collectors.names()}
    read, error = config.survey(path, {name: module.Settings for name, module in modules.items()})
    told, secrets_error = config.survey_secrets(
        read.secrets_path, {name: getattr(module, "Secrets", None) for name, module in modules.items()})
    return House(modules, read, error, told, secrets_error, faults or {})


def worst(check: Findings) -> Finding:
    return max((each for each in check if isinstance(each, Finding)), key=lambda each: LEVELS.index(each.level))


def examine(house: House, *asked_for: str) -> dict[str, Finding]:
    """Return the worst that each component has to tell."""
    now = datetime.now(timezone.utc)
    checks = checkup.plan(house, now, Deadline(10), asked_for, lambda _values: None)
    return {"configuration": worst(checkup.configuration(house))} | {
        name: worst(check) for name, check in checks.items()} | {
        name: worst(check) for name, check in storing.plan({
            "database": str(house.read.storage.database_path), "data": str(house.read.data), "now": now.isoformat(),
            "is_placeless": bool(house.problems("storage.database_path")), "enabled": list(house.enabled),
            "interval_seconds": house.read.collection.interval_seconds, "end": Deadline(10).moment}).items()}


@pytest.fixture
def checked_home(tmp_path: Path, simulator: Simulator) -> CheckedHome:
    """A home that has not collected anything yet."""
    return CheckedHome(tmp_path / "home", simulator)


def test_a_new_home_has_warnings_at_most(checked_home: CheckedHome) -> None:
    found = examine(look_at(checked_home.config))
    assert {each.level for each in found.values()} <= {"pass", "warn"}
    assert sorted(found) == ["alerts", "amazon_aqm", "configuration", "database_wal", "database_write", "disk_space",
                             "freshness", "hue", "log_rotation", "secrets", "spool"]


def test_a_disabled_source_is_left_out_unless_asked_for(checked_home: CheckedHome) -> None:
    checked_home.configure("amazon_aqm", enabled=False)
    house = look_at(checked_home.config)
    assert "amazon_aqm" not in examine(house)
    assert "enabled is false" in examine(house, "amazon_aqm")["amazon_aqm"].sentence


def test_sections_that_are_wrong_are_told_by_those_they_concern(checked_home: CheckedHome) -> None:
    checked_home.configure("hue", timeout_seconds="long")
    checked_home.write_config(storage={"database_path": 7}, logging={"backup_count": -1})
    found = examine(look_at(checked_home.config))
    assert found["configuration"].level == "critical"
    assert "collectors.hue.timeout_seconds: 'long' is not a number" in found["hue"].sentence
    assert "logging.backup_count: -1 is out of range" in found["log_rotation"].sentence
    assert {found[name].level for name in ("database_wal", "database_write", "freshness")} == {"skipped"}


def test_without_a_configuration_no_source_is_asked(checked_home: CheckedHome) -> None:
    checked_home.config.unlink()
    found = examine(look_at(checked_home.config))
    assert found["hue"].level == found["amazon_aqm"].level == "skipped" and checked_home.simulator.requests == []


def test_a_source_that_cannot_be_imported_is_told(checked_home: CheckedHome) -> None:
    found = examine(look_at(checked_home.config, {"toaster": "a fault in the program: no toast"}))
    assert (found["toaster"].level, found["toaster"].sentence) == ("fail", "a fault in the program: no toast")


def test_secrets_for_nobody_need_only_be_there(checked_home: CheckedHome) -> None:
    for name in ("hue", "amazon_aqm"):
        checked_home.configure(name, enabled=False)
    checked_home.secrets.unlink()
    told = examine(look_at(checked_home.config))["secrets"]
    assert told.level == "critical" and told.remedy.startswith("cp ") and "secrets.yaml.example" in told.remedy


def test_when_every_source_lacks_its_key_that_is_critical(checked_home: CheckedHome) -> None:
    checked_home.write_secrets({"hue": {}})
    assert examine(look_at(checked_home.config))["secrets"].level == "critical"
    checked_home.write_secrets({"hue": {"api_key": checked_home.simulator.key}})
    assert examine(look_at(checked_home.config))["secrets"].level == "fail"


def test_cookies_are_a_login_too(checked_home: CheckedHome) -> None:
    checked_home.keep_secrets(amazon_aqm={"cookies": {"session-id": "1-2-3"}})
    assert examine(look_at(checked_home.config))["secrets"].level == "pass"


def test_what_a_source_refuses_is_told_with_its_remedy(checked_home: CheckedHome) -> None:
    checked_home.simulator.faults.add("throttled")
    checked_home.simulator.bridge.keys.clear()
    found = examine(look_at(checked_home.config))
    assert (found["hue"].level, found["hue"].remedy) == ("fail", "python devices.py pair hue")
    assert found["amazon_aqm"].level == "warn"


def test_a_log_that_rotates_tells_when(checked_home: CheckedHome) -> None:
    checked_home.log_file.parent.mkdir()
    checked_home.log_file.write_text("one line\n", encoding="utf-8")
    shutil.copy(checked_home.log_file, f"{checked_home.log_file}.1")
    told = examine(look_at(checked_home.config))["log_rotation"]
    assert told.level == "pass" and "1 of 5 backups, 18 bytes in all, last rotated 20" in told.sentence


def test_a_log_in_the_place_of_a_folder_fails(checked_home: CheckedHome) -> None:
    (checked_home.data / "logs").touch()
    assert examine(look_at(checked_home.config))["log_rotation"].level == "fail"
    (checked_home.data / "logs").unlink()
    checked_home.log_file.mkdir(parents=True)
    assert "set logging.log_file_path" in examine(look_at(checked_home.config))["log_rotation"].remedy
