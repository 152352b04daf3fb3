"""Ways to carry out a remedy as a person would: to the letter, by a shell where it is a command.

Each takes the home and the remedy.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from storage import lost_database
from tests.checked_home import CheckedHome
from tests.checkout import CHECKOUT
from tests.home import unmeasured
from tests.storage.samples import a_cycle, a_reading, store

PAIR_HUE = "python devices.py pair hue"
COLLECT = "python -m collectors.amazon_aqm"
ACCEPT = lost_database.ACCEPT


def command(text: str, *after: str) -> Callable[[CheckedHome, str], None]:
    """Return a function that runs a command of the remedy, then a cycle of each of the collectors."""
    def repair(home: CheckedHome, remedy: str) -> None:
        wanted = text.format(home=home.folder, data=home.data, config=home.config, secrets=home.secrets,
                             log=home.log_file)
        assert wanted in remedy
        if wanted.startswith("python"):
            home.hand_over(os.geteuid())
        done = home.carry_out(wanted)
        assert done.code == 0, done
        home.hand_over()
        home.collect(*after) if after else None
        home.hand_over()
    return repair


def by_hand(change: Callable[[CheckedHome], None]) -> Callable[[CheckedHome, str], None]:
    """Return a function that makes a change which the remedy describes in words."""
    def repair(home: CheckedHome, _remedy: str) -> None:
        change(home)
        home.hand_over()
    return repair


def collect_hue(home: CheckedHome) -> None:
    home.collect("hue")


def pair_with_hue(home: CheckedHome, remedy: str) -> None:
    """Run the command while the button is pressed."""
    home.simulator.press_link_button()
    command(PAIR_HUE)(home, remedy)


def pair_with_amazon(home: CheckedHome, _remedy: str) -> None:
    """Run the command, and sign in at the address that it prints."""
    home.hand_over(os.geteuid())
    program = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), "pair", "amazon_aqm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=unmeasured()) as process:
        assert process.stderr is not None
        line = ""
        while "/ap/signin" not in line:
            line = process.stderr.readline()
            assert line
        process.communicate(home.simulator.alexa.sign_in(line.strip()) + "\n", timeout=60)
    assert process.returncode == 0
    home.hand_over()


def pair_and_collect(home: CheckedHome, remedy: str) -> None:
    pair_with_hue(home, remedy)
    home.collect("hue")


def wait_for_amazon(home: CheckedHome, _remedy: str) -> None:
    """Let time pass until the cloud answers again."""
    home.simulator.faults.clear()


def report_again(home: CheckedHome, _remedy: str) -> None:
    """Run the command; it shows, for example, an empty battery, and with a new one the device reports again."""
    assert home.carry_out("python -m collectors.hue --discover").code == 0
    now = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    store(home.database, a_cycle(a_reading("hue:cellar", at=now, name="Cellar"), at=now))
    home.hand_over()


def end_reader(home: CheckedHome, remedy: str) -> None:
    assert f"fuser -v {home.database}" in remedy
    home.reader.close()  # type: ignore[attr-defined]  # opened when the home was damaged
    home.collect("hue")
    home.hand_over()
