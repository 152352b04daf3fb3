"""What a person does who is told a remedy: to the letter, by a shell where it is a command.

Each is handed the patient and the remedy, and fails where the remedy does not say so.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from storage import lost_database
from tests.checked_home import Patient
from tests.checkout import CHECKOUT
from tests.home import unmeasured
from tests.storage.samples import a_cycle, a_reading, store

PAIR_HUE = "python devices.py pair hue"
PAIR_AMAZON = "python devices.py pair amazon_aqm"
COLLECT = "python -m collectors.hue"
ACCEPT = lost_database.ACCEPT


def command(text: str, *after: str) -> Callable[[Patient, str], None]:
    """Return what carries out a command, once it is seen in the remedy; then cycles come by, as cron has them."""
    def heal(patient: Patient, remedy: str) -> None:
        wanted = text.format(home=patient.folder, data=patient.data, config=patient.config, secrets=patient.secrets,
                             log=patient.log_file)
        assert wanted in remedy
        if wanted.startswith("python"):
            patient.hand_over(os.geteuid())
        done = patient.obey(wanted)
        assert done.code == 0, done
        patient.hand_over()
        patient.collect(*after) if after else None
        patient.hand_over()
    return heal


def key(name: str, change: Callable[[Patient], None]) -> Callable[[Patient, str], None]:
    """Return what changes a key of config.yaml, or the file, once the remedy names it."""
    def heal(patient: Patient, remedy: str) -> None:
        assert name.format(config=patient.config, secrets=patient.secrets) in remedy
        change(patient)
        patient.hand_over()
    return heal


def copy_config(patient: Patient, remedy: str) -> None:
    assert f"copy the config/config.yaml of the project to {patient.config}" in remedy
    shutil.copy(CHECKOUT / "config" / "config.yaml", patient.config)
    patient.hand_over()


def pair_with_hue(patient: Patient, remedy: str) -> None:
    """Run the command while the button is pressed."""
    patient.simulator.press_link_button()
    command(PAIR_HUE)(patient, remedy)


def pair_with_amazon(patient: Patient, remedy: str) -> None:
    """Run the command and sign in at the address that it shows."""
    assert PAIR_AMAZON in remedy
    patient.hand_over(os.geteuid())
    program = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(patient.config), "pair", "amazon_aqm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=unmeasured()) as process:
        assert process.stderr is not None
        told = ""
        while "/ap/signin" not in told:
            told = process.stderr.readline()
            assert told
        process.communicate(patient.simulator.alexa.sign_in(told.strip()) + "\n", timeout=60)
    assert process.returncode == 0
    patient.hand_over()


def pair_and_collect(patient: Patient, remedy: str) -> None:
    assert "the next cycle that succeeds removes the file" in remedy
    pair_with_hue(patient, remedy)
    patient.collect("hue")


def make_room(patient: Patient, remedy: str) -> None:
    assert "the next cycle that succeeds removes it" in remedy
    patient.collect("hue")


def wait_for_amazon(patient: Patient, remedy: str) -> None:
    """Time has passed, and the cloud answers again; the remedy says how to ask at once."""
    patient.simulator.faults.clear()
    assert "wait; to ask at once: python healthcheck.py --only amazon_aqm" in remedy


def speak(patient: Patient, remedy: str) -> None:
    """What the remedy shows is that its battery was empty, say; with a new one it tells something again."""
    done = patient.obey(f"{COLLECT} --discover")
    assert f"{COLLECT} --discover" in remedy and done.code == 0
    now = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    store(patient.database, a_cycle(a_reading("hue:cellar", at=now, name="Cellar"), at=now))
    patient.hand_over()


def end_reader(patient: Patient, remedy: str) -> None:
    assert f"fuser -v {patient.database}" in remedy and "the next cycle makes the -wal small again" in remedy
    patient.reader.close()  # type: ignore[attr-defined]  # opened when the patient was wounded
    patient.collect("hue")
    patient.hand_over()
