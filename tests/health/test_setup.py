"""What the health check finds in a configuration, its secrets and its plug-ins, and which components there are."""

from pathlib import Path

import pytest

from health import COMPONENTS
from health.finding import Finding
from health.setup import Installation
from tests.checked_home import CheckedHome
from tests.health import checks
from tests.simulator.server import Simulator


@pytest.fixture
def home(tmp_path: Path, simulator: Simulator) -> CheckedHome:
    return CheckedHome(tmp_path / "home", simulator)


def check_all(checked: Installation) -> dict[str, Finding]:
    return {name: checks.worst(name, checked) for name in checked.components}


def test_a_new_home_has_only_warnings(home: CheckedHome) -> None:
    findings = check_all(checks.read(home))
    assert {finding.level for finding in findings.values()} <= {"pass", "warn"}
    assert list(findings) == [*COMPONENTS, "amazon_aqm", "hue"]


def test_a_disabled_source_is_left_out_unless_named(home: CheckedHome) -> None:
    home.configure("amazon_aqm", enabled=False)
    assert "amazon_aqm" not in checks.read(home).components
    assert check_all(checks.read(home, only=["amazon_aqm"]))["amazon_aqm"].level == "skipped"


def test_invalid_sections_are_reported_by_their_components(home: CheckedHome) -> None:
    home.configure("hue", timeout_seconds="long")
    home.write_config(storage={"database_path": 7}, logging={"backup_count": -1})
    findings = check_all(checks.read(home))
    assert findings["configuration"].level == "critical"
    assert "collectors.hue.timeout_seconds" in findings["hue"].sentence and findings["hue"].level == "fail"
    assert "logging.backup_count" in findings["log_rotation"].sentence and findings["log_rotation"].level == "fail"
    assert {findings[name].level for name in ("database_wal", "database_write", "freshness")} == {"skipped"}


def test_without_a_configuration_no_source_is_asked(home: CheckedHome) -> None:
    home.config.unlink()
    findings = check_all(checks.read(home))
    assert findings["hue"].level == findings["amazon_aqm"].level == "skipped" and home.simulator.requests == []


def test_a_missing_secrets_file_is_critical_even_if_nothing_needs_it(home: CheckedHome) -> None:
    for name in ("hue", "amazon_aqm"):
        home.configure(name, enabled=False)
    home.secrets.unlink()
    finding = checks.worst("secrets", checks.read(home))
    assert finding.level == "critical" and finding.remedy.startswith("cp ") and "secrets.yaml.example" in finding.remedy


@pytest.mark.parametrize(("secrets", "level"), [
    ({"hue": {}}, "critical"), ({"hue": {"api_key": "0123456789abcdef0123456789abcdef01234567"}}, "fail"),
    ({"hue": {"api_key": "0123456789abcdef0123456789abcdef01234567"},
      "amazon_aqm": {"cookies": {"session-id": "1-2-3"}}}, "pass")])
def test_a_missing_key_is_critical_if_every_source_lacks_one(
        secrets: dict[str, object], level: str, home: CheckedHome) -> None:
    """Cookies of the predecessor are a login, too. FR-022."""
    home.write_secrets(secrets)
    assert checks.worst("secrets", checks.read(home)).level == level
