"""`make demo`: watch the monitor work in a simulated house, with the commands that cron uses in a real one.

A Hue bridge is simulated by a process of its own; the collector comes by twice, as cron would start it; then the rows
that it stored are shown. All of it happens in data/demo, which is made anew each time, and on this machine alone.
"""

import argparse
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep

FOLDER = Path("data/demo")
CHECKOUT = Path(__file__).resolve().parent.parent

ROWS = """
    SELECT
        substr(timestamp, 1, 19) AS "time (UTC)",
        location AS "room",
        coalesce(round(temperature_celsius, 2) || ' °C', '') AS "temperature",
        coalesce(battery_level || ' %', '') AS "battery",
        coalesce(CAST(light_lux AS INTEGER) || ' lx', '') AS "light",
        device_id AS "device"
    FROM readings
    ORDER BY timestamp, location
"""

NEXT = """
And now with your own Hue bridge:

  source .venv/bin/activate
  cp config/secrets.yaml.example config/secrets.yaml
  python devices.py pair hue               # it asks you to press the button on the bridge
  python -m collectors.hue --dry-run       # what your sensors tell, without storing it
  crontab crontab.example                  # every five minutes from now on; edit its one line first
"""


class Failed(Exception):
    """A step did not work; the message says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", metavar="KIND", help="how the bridge is to misbehave; listed by tests.simulator -h")
    fault = parser.parse_args(arguments).fault
    try:
        if FOLDER.exists():
            shutil.rmtree(FOLDER)
        demonstrate(FOLDER, *(["--fault", fault] if fault else []))
    except (Failed, OSError, sqlite3.Error) as error:
        print(f"\nThe demo ends here: {error}", file=sys.stderr)
        return 1
    return 0


def demonstrate(folder: Path, *options: str) -> None:
    """Show it all. Raise Failed at the first step that does not work."""
    say("First a simulated house: five motion sensors, and the Hue bridge that knows them.\n")
    say(_typed(_house(folder, *options)))
    with simulated_house(folder, *options) as address:
        say(f"The bridge answers at {address}\n")
        say("Now the collector, twice. It prints what it reads on a terminal; under cron, only what is wrong.\n")
        collector = ["-m", "collectors.hue", "--config", str(folder / "config" / "config.yaml")]
        run(collector)
        sleep(1)  # times are stored in whole seconds, and the second cycle's is to differ
        run(collector)
    database = folder / "data" / "readings.db"
    say("\nThe house is closed again. What it left in the database:\n")
    say(table(database))
    say(f"\nThe database is {database}. It is SQLite: any program that knows SQLite can look at it.")
    say(NEXT.rstrip())


@contextmanager
def simulated_house(folder: Path, *options: str) -> Iterator[str]:
    """Run the simulator, with the configuration it writes to `folder`, and yield its bridge's address.

    It is a process of its own, ended by its id. Raise Failed if it does not start.
    """
    command = [sys.executable, *_house(folder, *options)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}  # for `tests` is not installed
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()


def run(arguments: Sequence[str]) -> None:
    """Run a Python program to its end, in plain sight. Raise Failed if it comes to another exit code than 0."""
    say(_typed(arguments))
    done = subprocess.run([sys.executable, *arguments], check=False)
    if done.returncode != 0:
        raise Failed(f"python {shlex.join(arguments[:2])} ended with exit code {done.returncode}.")


def table(database: Path) -> str:
    """Return the stored readings as aligned text. Raise Failed if there are none."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(ROWS)
        rows = [tuple(column[0] for column in cursor.description), *cursor]
    if len(rows) == 1:
        raise Failed(f"there are no readings in {database}.")
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def say(text: str) -> None:
    print(text, flush=True)


def _house(folder: Path, *options: str) -> list[str]:
    return ["-m", "tests.simulator", "--write-config", str(folder), *options]


def _typed(arguments: Sequence[str]) -> str:
    return f"$ python {shlex.join(arguments)}"


def _address(process: "subprocess.Popen[str]") -> str:
    """Given the simulator, wait until it tells where its bridge is. By then the configuration is written."""
    assert process.stdout is not None
    for line in process.stdout:
        name, _, value = line.strip().partition(": ")
        if name == "https_url":
            return value
    raise Failed("the simulated house could not be opened.")


if __name__ == "__main__":
    raise SystemExit(main())
