"""The files in contrib: systemd's and launchd's own readers take them, and they start what exists."""

import importlib.util
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import collectors
from tests.checkout import CHECKOUT

SYSTEMD, LAUNCHD = CHECKOUT / "contrib" / "systemd", sorted((CHECKOUT / "contrib" / "launchd").iterdir())
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE = 25  # tenths: systemd's own scale, on which an ordinary service has 96


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as their reader would edit them, with an instance for each collector."""
    (tmp_path / "folder" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "folder" / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for path in SYSTEMD.iterdir():
        text = path.read_text().replace("/srv/home-monitor", str(tmp_path / "folder")).replace("=monitor", "=daemon")
        for name in collectors.names() if "@" in path.name else [""]:
            (tmp_path / path.name.replace("@", f"@{name}")).write_text(text)
    return sorted(str(path) for path in tmp_path.iterdir() if path.suffix in (".service", ".timer"))


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd on this machine")
def test_systemd_takes_the_units(units: list[str]) -> None:
    done = subprocess.run([str(ANALYZE), "verify", "--man=no", *units], capture_output=True, text=True)
    assert len(units) == 4 + 2 * len(collectors.names())
    assert (done.returncode, [line for line in done.stderr.splitlines() if "home-monitor" in line]) == (0, []), done


@pytest.mark.skipif(ANALYZE is None or os.geteuid() != 0, reason="there is no systemd here, or no permission to ask it")
def test_systemd_calls_the_services_well_protected(units: list[str]) -> None:
    services = [unit for unit in units if unit.endswith(".service")]
    options = ("--offline=true", f"--threshold={EXPOSURE}", "--no-pager")
    done = subprocess.run([str(ANALYZE), "security", *options, *services], capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot judge files")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_a_cycle_that_may_succeed_next_time_is_no_failed_unit() -> None:
    for name in ("home-monitor-collect@", "home-monitor-publish"):
        assert "\nSuccessExitStatus=1\n" in (SYSTEMD / f"{name}.service").read_text()


@pytest.mark.parametrize("path", LAUNCHD, ids=lambda path: path.stem)
def test_launchds_lists_start_what_exists(path: Path) -> None:
    content = plistlib.loads(path.read_bytes())
    python, *words = content["ProgramArguments"]
    folder = content["WorkingDirectory"]
    assert content["Label"] == path.stem and python == f"{folder}/.venv/bin/python"
    assert content.get("StartInterval") == 300 or content["StartCalendarInterval"] == {"Hour": 7, "Minute": 30}
    assert importlib.util.find_spec(words[1]) if words[0] == "-m" else (CHECKOUT / Path(words[0]).name).exists()
    assert content["StandardErrorPath"].startswith(f"{folder}/data/")


def test_each_collector_has_its_list() -> None:
    assert {f"home-monitor.{name}" for name in collectors.names()} <= {path.stem for path in LAUNCHD}
