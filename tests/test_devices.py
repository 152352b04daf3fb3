"""The command where human and devices meet: what it says to those who use it wrongly. Pairing itself is tested with
each source, in tests/collectors/.
"""

from pathlib import Path

from tests.home import Home
from tests.simulator.server import Simulator


def test_help_lists_the_commands(home: Home) -> None:
    run = home.devices("--help")
    assert run.code == 0 and "pair" in run.out


def test_a_source_that_cannot_be_paired_is_told_with_those_that_can(home: Home) -> None:
    run = home.devices("pair", "toaster")
    assert run.code == 2 and "'toaster' cannot be paired; what can is: hue" in run.err


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


def test_a_folder_that_cannot_be_written_leaves_no_key_behind(home: Home, simulator: Simulator) -> None:
    """The key is lost then, but nothing pretends that it was kept."""
    home.configure_hue(timeout_seconds=2)
    home.secrets.mkdir()
    run = home.devices("pair", "hue", "--bridge", simulator.https_url)
    assert run.code == 2 and "Kept in" not in run.err and list(Path(home.secrets).iterdir()) == []
