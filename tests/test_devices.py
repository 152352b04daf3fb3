"""The command where human and devices meet: what it says to those who use it wrongly. Pairing itself is tested with
each source, in tests/collectors/.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.home import Home, Outcome
from tests.simulator.server import Simulator


def test_help_lists_the_commands(home: Home) -> None:
    run = home.devices("--help")
    assert run.code == 0 and "pair" in run.out


def test_a_source_that_cannot_be_paired_is_told_with_those_that_can(home: Home) -> None:
    run = home.devices("pair", "toaster")
    assert run.code == 2 and "'toaster' cannot be paired; these can: " in run.err and "hue" in run.err


def test_pairing_without_a_configuration_needs_a_human(home: Home) -> None:
    run = home.devices("pair", "hue")
    assert run.code == 2 and str(home.config) in run.err and "Remedy: " in run.err and "Traceback" not in run.err


def test_a_bridge_that_is_away_is_told_with_exit_code_1(home: Home) -> None:
    """The same exit codes as the collectors': the next attempt may succeed."""
    home.write_config()
    run = home.devices("pair", "hue", "--bridge", "https://127.0.0.1:9")
    assert run.code == 1 and "https://127.0.0.1:9 cannot be reached: connection refused" in run.err.lower()
    assert not home.secrets.exists()


def test_nobody_at_the_terminal_is_asked_in_vain(home: Home) -> None:
    """Without a bridge to be found and without an answer it ends, with the remedy, instead of waiting for ever."""
    home.configure_hue(discovery_url=None)
    run = home.devices("pair", "hue")
    assert run.code == 1 and "no bridge was found. Remedy: python devices.py pair hue --bridge ADDRESS" in run.err


def test_a_person_who_ends_the_input_at_the_terminal_gets_a_sentence(home: Home) -> None:
    """Control-D at the question is an empty answer, no traceback."""
    home.configure_hue(discovery_url=None)
    ours, theirs = os.openpty()
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "pair", "hue"]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"\x04")
    _, err = process.communicate(timeout=30)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 1 and "no bridge was found" in err and "Traceback" not in err


def test_secrets_that_cannot_be_read_are_told_before_the_button_is_asked_for(home: Home, simulator: Simulator) -> None:
    """A key that could not be kept is not asked for."""
    home.configure_hue(timeout_seconds=2)
    home.secrets.mkdir()
    run = home.devices("pair", "hue", "--bridge", simulator.https_url)
    assert run.code == 2 and "Kept in" not in run.err and list(Path(home.secrets).iterdir()) == []
    assert simulator.requests == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_run_as_root_it_becomes_the_owner_of_the_data() -> None:
    """A key and a memory of root's would lock out the account that cron uses."""
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    try:
        home = Home(folder / "home")
        home.configure_hue(discovery_url=None, timeout_seconds=2)
        folder.chmod(0o755)
        for each in (folder, home.folder, home.config.parent, home.config, home.data):
            os.chown(each, 54321, 54321)
        with Simulator() as simulator:
            simulator.press_link_button()
            run = home.devices("pair", "hue", "--bridge", simulator.https_url)
        assert run.code == 0, run.err
        assert home.secrets.stat().st_uid == 54321 and home.secrets.stat().st_mode & 0o777 == 0o600
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_cannot_be_written_is_told_before_the_button_is_asked_for() -> None:
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    try:
        home = Home(folder / "home")
        home.configure_hue(discovery_url=None, timeout_seconds=2)
        folder.chmod(0o755)
        os.chown(home.data, 54321, 54321)
        with Simulator() as simulator:
            run = home.devices("pair", "hue", "--bridge", simulator.https_url)
            assert run.code == 2 and "secrets.yaml cannot be written. Remedy: sudo chown " in run.err
            assert simulator.requests == []
    finally:
        shutil.rmtree(folder)


def test_what_amazon_gives_us_is_kept_before_anything_else_is_tried(home: Home) -> None:
    """A registration cannot be had twice: whatever fails afterwards, the token is in secrets.yaml."""
    with Simulator() as simulator:
        home.settings["collectors"] = {"amazon_aqm": {
            "enabled": True, "base_url": simulator.cloud_url, "auth_url": simulator.cloud_url, "timeout_seconds": 2}}
        home.write_config()
        simulator.faults.add("reset", face="alexa", paths=["/nexus"])
        run = pair_with_amazon(home, simulator)
        assert run.code == 1 and f"Kept in {home.secrets}." in run.err
        assert "refresh_token: \"Atnr|" in home.secrets.read_text()


def test_a_monitor_without_a_temperature_is_shown_all_the_same(home: Home) -> None:
    with Simulator() as simulator:
        home.settings["collectors"] = {"amazon_aqm": {
            "base_url": simulator.cloud_url, "auth_url": simulator.cloud_url, "timeout_seconds": 2}}
        home.write_config()
        simulator.faults.add("value-null", features=["temperatureSensor"])
        run = pair_with_amazon(home, simulator)
    assert run.code == 0 and run.out.rstrip().endswith("  -") and "enabled is false" in run.err


def pair_with_amazon(home: Home, simulator: Simulator) -> Outcome:
    """Sign in as the person would, with the address that the command shows."""
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "pair", "amazon_aqm"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin and process.stderr
    told = ""
    while "/ap/signin" not in told:
        told = process.stderr.readline()
        assert told, "it ended before it showed an address"
    out, err = process.communicate(simulator.alexa.sign_in(told.strip()) + "\n", timeout=60)
    return Outcome(process.returncode, out, err)
