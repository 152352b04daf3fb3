"""`make demo`: the monitor at work in a simulated house, with the commands that cron uses in a real one.

Another process simulates a Hue bridge and the Alexa cloud; both collectors run twice, as cron would start them; the
week before is filled in. Then the devices, their readings, a day with a gap, and the page are shown. All of it happens in
data/demo, which is recreated each time, and on the loopback.
"""

import argparse
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from urllib.parse import quote

from tests.simulator import past
from tests.simulator.house import House

FOLDER = Path("data/demo")
GAP_ROOM = "Büro"
PAGE = FOLDER / "page.html"
SETTINGS = f"""publishers:
  page:
    enabled: true
    path: {PAGE.name}
    title: Simulated house
"""
CHECKOUT = Path(__file__).resolve().parent.parent

NEXT = """
And now with your own devices:

  make install                                   # makes config/config.yaml and config/secrets.yaml, too
  source .venv/bin/activate
  python devices.py pair hue                     # press the button on the bridge when asked
  python devices.py pair amazon_aqm              # sign in with your own browser
  python -m collectors.hue --dry-run             # show your sensors, store nothing
  python -m collectors.amazon_aqm --dry-run
  python devices.py set-name utility Larder      # rename a device
  python devices.py crontab --install            # every five minutes from now on

Without an air quality monitor, leave those two lines out. With one, first set "enabled: true" below "amazon_aqm:" in
config/config.yaml.
"""


class Failed(Exception):
    """A step did not work; the message says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", metavar="KIND", action="append", default=[],
                        help="a fault of the house; tests.simulator -h lists them")
    faults = parser.parse_args(arguments).fault
    try:
        if FOLDER.exists():
            shutil.rmtree(FOLDER)
        demonstrate(FOLDER, *(word for fault in faults for word in ("--fault", fault)))
    except (Failed, OSError, sqlite3.Error) as error:
        print(f"\nThe demo ends here: {error}", file=sys.stderr)
        return 1
    return 0


def demonstrate(folder: Path, *options: str) -> None:
    """Show everything. Raise Failed at the first step that does not work."""
    say("First a simulated house: five motion sensors on a Hue bridge, and an Amazon air quality monitor in the Alexa\n"
        "cloud.\n")
    say(_typed(_house(folder, *options)))
    database, with_config = folder / "data" / "readings.db", ("--config", str(folder / "config" / "config.yaml"))
    with simulated_house(folder, *options) as addresses:
        say(f"The bridge answers at {addresses['https_url']} and the cloud at {addresses['cloud_url']}\n")
        say("Now both collectors, twice. On a terminal they print their readings; under cron, only problems.\n")
        collect(folder)
        past.fill(database, House())
        sleep(1)  # times are stored in whole seconds
        collect(folder)
        say("\nIs all well? The health check looks at everything, and asks the bridge and the cloud.\n")
        run("healthcheck.py", *with_config)
    say("\nThe simulated house is closed again. Its devices, and their newest readings:\n")
    run("devices.py", *with_config, "list")
    run("readings.py", *with_config, "latest")
    say("\nA made-up week lies before them. The last day in the office, and why readings are missing:\n")
    run("readings.py", *with_config, "history", GAP_ROOM, "--every", "1h", "--quantity", "temperature_celsius")
    run("devices.py", *with_config, "gaps", "--since", "1d")
    say(f"\nThe database is {database}. Any SQLite tool can read it.")
    say("\nAt last the page, with the week and its gaps:\n")
    with open(with_config[-1], "a", encoding="utf-8") as config:
        config.write(SETTINGS)
    run("-m", "publishers.page", *with_config)
    say(f"\nOpen {PAGE} in a browser: file://{quote(str((folder / PAGE.name).resolve()))}")
    say(NEXT.rstrip())


def collect(folder: Path) -> None:
    """Run one cycle of each collector, each as a process."""
    for name in ("hue", "amazon_aqm"):
        run("-m", f"collectors.{name}", "--config", str(folder / "config" / "config.yaml"))


@contextmanager
def simulated_house(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Run the simulator as a process that writes its configuration to `folder`; yield its addresses.

    Raise Failed if it does not start.
    """
    command = [sys.executable, *_house(folder, *options)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}  # for `tests` is not installed
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _addresses(process)
        finally:
            process.terminate()


def run(*words: str) -> None:
    """Show and run a Python command, whose script is in the checkout. Raise Failed if its exit code is not 0."""
    arguments = [os.path.relpath(CHECKOUT / words[0]) if words[0].endswith(".py") else words[0], *words[1:]]
    say(_typed(arguments))
    done = subprocess.run([sys.executable, *arguments], check=False)
    if done.returncode != 0:
        raise Failed(f"python {shlex.join(arguments[:2])} ended with exit code {done.returncode}.")


def say(text: str) -> None:
    print(text, flush=True)


def _house(folder: Path, *options: str) -> list[str]:
    return ["-m", "tests.simulator", "--with-alexa", "--write-config", str(folder), *options]


def _typed(arguments: Sequence[str]) -> str:
    return f"$ python {shlex.join(arguments)}"


def _addresses(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait until the simulator has printed its addresses, which it does after writing the configuration."""
    assert process.stdout is not None
    facts: dict[str, str] = {}
    for line in process.stdout:
        name, _, facts[name] = line.strip().partition(": ")
        if name == "https_url":
            return facts
    raise Failed("the simulated house could not be opened.")


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
