"""The commands in messages run as printed: quoted, with this Python, and with the configuration in use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import VERSION, commands
from runtime.commands import command
from tests.checkout import CHECKOUT
from tests.home import Home


def test_a_command_names_this_python_the_script_and_the_configuration_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_MONITOR_CONFIG", "/second flat/config/config.yaml")
    assert command("devices.py", "set-name", "hue:1", "it's") == (
        f"{sys.executable} {CHECKOUT}/devices.py --config '/second flat/config/config.yaml' "
        """set-name hue:1 'it'"'"'s'""")


@pytest.mark.parametrize("path", ["", f"{CHECKOUT}/config/config.yaml", f"{CHECKOUT}/data/../config/config.yaml"])
def test_the_default_configuration_is_not_named(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("HOME_MONITOR_CONFIG", path)
    assert command("collectors.hue", "--discover") == (
        f"cd {CHECKOUT} && {sys.executable} -m collectors.hue --discover")


@pytest.mark.parametrize(("script", "expected"), [
    ("devices.py", "devices"), ("healthcheck.py", "check"), ("collectors.hue", "collect hue"),
    ("publishers.mqtt", "publish mqtt")])
def test_an_installed_wheel_has_one_command(monkeypatch: pytest.MonkeyPatch, script: str, expected: str) -> None:
    monkeypatch.setattr(commands, "IN_WHEEL", True)
    monkeypatch.delenv("HOME_MONITOR_CONFIG")
    assert command(script, "-h") == f"{sys.prefix}/bin/home-monitor {expected} -h"


def test_a_collectors_remedy_names_the_configuration_of_its_run_relative_paths_too(home: Home) -> None:
    home.write_config()
    done = subprocess.run([sys.executable, "-m", "collectors.hue", "--config", os.path.relpath(home.config, CHECKOUT)],
                          cwd=CHECKOUT, capture_output=True, text=True)
    assert done.stderr.endswith(f"Remedy: {home.as_printed('python devices.py pair hue')}\n")
    log, alert = home.log(), (home.data / "ALERT_HUE_PAIRING_NEEDED.txt").read_text(encoding="utf-8")
    assert all(home.as_printed("python devices.py pair hue") in text for text in (log, alert))


@pytest.mark.parametrize("arguments", [["devices.py"], ["healthcheck.py"], ["-m", "collectors.hue"],
                                       ["-m", "collectors.amazon_aqm"], ["-m", "publishers"], ["-m", "jobs.baseline"]])
def test_every_script_prints_the_version(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, *arguments, "--version"], cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}\n", "")
