"""What the health check reports of the packages: each message of docs/running.md, by a Python that has these packages."""

import os
import re
import sysconfig
from configparser import ConfigParser
from pathlib import Path

import pytest

from health.installation import REQUIRED
from tests.checked_home import CheckedHome
from tests.checkout import CHECKOUT
from tests.home import unmeasured
from tests.simulator.server import Simulator

PACKAGES = Path(sysconfig.get_path("purelib"))
ROWS = re.findall(r"^\| (warn|fail) \| (\d) \| (.+) \| (make -C … install) \|$",
                  (CHECKOUT / "docs" / "running.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path, simulator: Simulator) -> CheckedHome:
    return CheckedHome(tmp_path / "home", simulator)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """An empty folder for packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def installation(home: CheckedHome, *command: str, **environment: str) -> tuple[int, str, str, str]:
    """Return exit code, status, message and remedy of the component, as this Python reports it."""
    run = home.python(*command, str(CHECKOUT / "healthcheck.py"), "--config", str(home.config), "--json", "--offline",
                      "--only", "installation", environment={**unmeasured(), **environment})
    component, = run.json["components"]
    return run.code, component["status"], component["message"], component["remedy"]


def documented(code: int, status: str, message: str, remedy: str) -> bool:
    return remedy.startswith("make -C ") and any(
        (row[0], int(row[1])) == (status, code) and row[2] in message for row in ROWS)


def test_versions_are_reported_and_another_than_the_tested_one_is_no_fault(home: CheckedHome, packages: Path) -> None:
    assert installation(home)[:2] == (0, "pass")
    newer = packages / "click-99.1.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 99.1\n", encoding="utf-8")
    code, status, message, remedy = installation(home, PYTHONPATH=str(packages))
    assert (code, status, remedy) == (0, "pass", "")
    assert re.search(r"Python 3\.\d+\.\d+.*, requests 2\.[\d.]+, PyYAML 6[\d.]*, click 99\.1 \(tested: 8[\d.]+\)", message)


def test_an_old_package_is_a_warning(home: CheckedHome, packages: Path) -> None:
    older = packages / "click-7.0.dist-info"
    older.mkdir()
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 7.0\n", encoding="utf-8")
    result = installation(home, PYTHONPATH=str(packages))
    assert result[1] == "warn" and documented(*result), result
    shown = home.carry_out(result[3])
    assert shown.code == 0 and "Installed in .venv" in shown.out


def test_a_missing_package_is_a_failure(home: CheckedHome, packages: Path) -> None:
    """`-I -S`: Python without its own packages."""
    for entry in PACKAGES.iterdir():
        if not entry.name.startswith("requests-"):
            (packages / entry.name).symlink_to(entry)
    start = f"import sys; sys.path[:0] = [{str(CHECKOUT)!r}, {str(packages)!r}]; sys.argv[0] = 'healthcheck.py'; " \
            "sys.argv.pop(1); import os, healthcheck; os._exit(healthcheck.main())"
    result = installation(home, "-I", "-S", "-c", start)
    assert result[1] == "fail" and documented(*result), result


def test_every_required_package_is_looked_for() -> None:
    """The list is that of setup.cfg."""
    setup = ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    assert [f"{name}>={version}" for name, version in REQUIRED.items()] == (
        setup["options"]["install_requires"].split())
    assert os.path.isfile(CHECKOUT / "constraints.txt")
