"""devices.py pair, used wrongly or in trouble. Pairing itself is tested with each source, in tests/collectors/."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT, needs_public_checkout
from tests.home import Home, Outcome
from tests.simulator.server import Simulator


def test_help_lists_the_commands(home: Home) -> None:
    run = home.devices("--help")
    assert run.code == 0 and "pair" in run.out


def test_an_unknown_source_is_refused_with_a_list_of_known_ones(home: Home) -> None:
    run = home.devices("pair", "toaster")
    assert run.code == 2 and "'toaster' cannot be paired; these can: " in run.err and "hue" in run.err


def test_pairing_without_a_configuration_needs_a_human(home: Home) -> None:
    run = home.devices("pair", "hue")
    assert run.code == 2 and str(home.config) in run.err and "Remedy: " in run.err and "Traceback" not in run.err


def test_an_unreachable_bridge_is_exit_code_1(home: Home) -> None:
    home.write_config()
    run = home.devices("pair", "hue", "--bridge", "https://127.0.0.1:9")
    assert run.code == 1 and "https://127.0.0.1:9 cannot be reached: connection refused" in run.err.lower()
    assert not home.secrets.exists()


def test_without_an_answer_it_ends_with_the_remedy(home: Home) -> None:
    home.configure_hue(discovery_url=None)
    run = home.devices("pair", "hue")
    assert run.code == 1
    assert home.as_printed("no bridge was found. Remedy: python devices.py pair hue --bridge ADDRESS") in run.err


def test_control_d_at_the_question_is_an_empty_answer(home: Home) -> None:
    home.configure_hue(discovery_url=None)
    ours, theirs = os.openpty()
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "pair", "hue"]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"\x04")
    _, err = process.communicate(timeout=30)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 1 and "no bridge was found" in err and "Traceback" not in err


def test_unreadable_secrets_are_reported_before_the_button_is_asked_for(home: Home, simulator: Simulator) -> None:
    home.configure_hue(timeout_seconds=2)
    home.secrets.mkdir()
    run = home.devices("pair", "hue", "--bridge", simulator.https_url)
    assert run.code == 2 and "Kept in" not in run.err and list(Path(home.secrets).iterdir()) == []
    assert simulator.requests == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@needs_public_checkout
@pytest.mark.parametrize("is_writable", [True, False])
def test_run_as_root_it_becomes_the_owner_of_the_data(is_writable: bool) -> None:
    """A key or a state file that root owns would lock out the account that cron uses.

    If that account cannot write config/, this is reported before the button is asked for.
    """
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    try:
        home = Home(folder / "home")
        home.configure_hue(discovery_url=None, timeout_seconds=2)
        folder.chmod(0o755)
        for path in (home.data, *((folder, home.folder, home.config.parent, home.config) if is_writable else ())):
            os.chown(path, 54321, 54321)
        with Simulator() as simulator:
            simulator.press_link_button()
            run = home.devices("pair", "hue", "--bridge", simulator.https_url)
        if is_writable:
            assert run.code == 0, run.err
            assert home.secrets.stat().st_uid == 54321 and home.secrets.stat().st_mode & 0o777 == 0o600
        else:
            assert run.code == 2 and "secrets.yaml cannot be written. Remedy: sudo chown " in run.err
            assert simulator.requests == []
    finally:
        shutil.rmtree(folder)


def test_amazons_token_is_kept_before_anything_else_is_tried(home: Home) -> None:
    """A registration cannot be had twice: whatever fails afterwards, the token is in secrets.yaml."""
    with Simulator() as simulator:
        home.settings["collectors"] = {"amazon_aqm": {
            "enabled": True, "base_url": simulator.cloud_url, "auth_url": simulator.cloud_url, "timeout_seconds": 2}}
        home.write_config()
        simulator.faults.add("reset", face="alexa", paths=["/nexus"])
        run = pair_with_amazon(home, simulator)
        assert run.code == 1 and f"Kept in {home.secrets}." in run.err
        assert "refresh_token: \"Atnr|" in home.secrets.read_text()


def test_a_monitor_without_a_temperature_is_shown(home: Home) -> None:
    with Simulator() as simulator:
        home.settings["collectors"] = {"amazon_aqm": {
            "base_url": simulator.cloud_url, "auth_url": simulator.cloud_url, "timeout_seconds": 2}}
        home.write_config()
        simulator.faults.add("value-null", features=["temperatureSensor"])
        run = pair_with_amazon(home, simulator)
    assert run.code == 0 and "  43% PM2.5 " in re.sub(r"  \d+%", "  43%", run.out) and "enabled is false" in run.err


def pair_with_amazon(home: Home, simulator: Simulator) -> Outcome:
    """Sign in as the person would, with the address that the command shows."""
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "pair", "amazon_aqm"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin and process.stderr
    line = ""
    while "/ap/signin" not in line:
        line = process.stderr.readline()
        assert line, "it ended before it showed an address"
    out, err = process.communicate(simulator.alexa.sign_in(line.strip()) + "\n", timeout=60)
    return Outcome(process.returncode, out, err)
