"""The commands of docs/commands.md and the crontab for the health check and for alerts work as they are written."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checked_home import CheckedHome
from tests.checkout import CHECKOUT, make_checkout

PAGE = (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(checked_home: CheckedHome) -> Path:
    """The home as a checkout with the program in .venv, as the crontab expects it."""
    make_checkout(checked_home.folder)
    return checked_home.folder


def shell(command: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    variables.pop("HOME_MONITOR_CONFIG", None)
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=folder, timeout=60, env=variables)


def test_the_daily_line_of_the_crontab_mails_only_what_has_failed(checked_home: CheckedHome, checkout: Path) -> None:
    line, = (line for line in (CHECKOUT / "crontab.example").read_text(encoding="utf-8").splitlines()
             if "healthcheck.py" in line)
    minute, hour, *rest, command = line.split(" ", 5)
    assert minute.isdecimal() and hour.isdecimal() and rest == ["*", "*", "*"]
    checked_home.secrets.chmod(0o644)  # a warning
    well = shell(command, Path("/"), HOME_MONITOR=str(checkout))
    assert (well.stdout, well.stderr) == ("", "")
    checked_home.simulator.bridge.keys.clear()
    broken = shell(command, Path("/"), HOME_MONITOR=str(checkout))
    assert f"Remedy: {sys.executable} {checkout}/devices.py pair hue\n" in broken.stdout


@pytest.mark.parametrize("good", [True, False])
def test_a_new_configuration_is_checked_before_it_is_used(good: bool, checked_home: CheckedHome, tmp_path: Path) -> None:
    """As the page does it for CI: nothing exists yet except the two files."""
    command, = re.findall(r"^    (python healthcheck\.py --offline .*)$", PAGE, re.MULTILINE)
    folder = tmp_path / "path" / "to" / "config"
    folder.mkdir(parents=True)
    shutil.copy(checked_home.config, folder)
    shutil.copy(checked_home.secrets, folder)
    (folder / "secrets.yaml").chmod(0o600)
    if not good:
        (folder / "config.yaml").write_text("storage: {busy_timeout_ms: -1}\nlogging: {level: 7}\n", encoding="utf-8")
    before = sorted(folder.parent.rglob("*"))
    done = shell(command.replace("healthcheck.py", f"{CHECKOUT}/healthcheck.py").replace(
        "path/to/config", str(folder)), tmp_path, PYTHONPATH=str(CHECKOUT))
    assert done.returncode == (0 if good else 1), done
    assert good or "storage.busy_timeout_ms: -1" in done.stdout and "logging.level: 7" in done.stdout
    assert sorted(folder.parent.rglob("*")) == before


def test_the_three_lines_that_watch_for_alerts_show_one_when_it_comes(checked_home: CheckedHome) -> None:
    script = "\n".join(re.findall(r"^    (while sleep 60; do\n(?:    .*\n)*?    done)$", PAGE, re.MULTILINE))
    assert len(script.splitlines()) == 3
    script = script.replace("sleep 60", "sleep 0.1")
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, cwd=checked_home.folder) as watch:
        try:
            time.sleep(0.3)
            checked_home.hand_over(os.geteuid())
            checked_home.simulator.bridge.keys.clear()
            assert [run.code for run in checked_home.collect("hue")] == [2]
            assert watch.stdout is not None
            assert watch.stdout.readline() == "The home monitor needs a human: the bridge refuses our key.\n"
        finally:
            watch.terminate()
