"""`make demo`: watch the monitor work in a simulated house, with the commands that cron uses in a real one.

A Hue bridge and the Alexa cloud are simulated by a process of their own; both collectors come by twice, as cron would
start them; then the devices and the rows that they stored are shown. All of it happens in data/demo, which is made anew
each time, and on this machine alone.
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
        substr(timestamp, 12, 8) AS "UTC",
        location AS "room",
        coalesce(printf('%.2f', temperature_celsius), '') AS "°C",
        coalesce(CAST(humidity_percent AS INTEGER), '') AS "% RH",
        coalesce(CAST(pm25_ugm3 AS INTEGER), '') AS "PM2.5",
        coalesce(CAST(voc_index AS INTEGER), '') AS "VOC",
        coalesce(CAST(light_lux AS INTEGER), '') AS "lux",
        coalesce(battery_level, '') AS "battery",
        device_id AS "device"
    FROM readings
    ORDER BY timestamp, device_type DESC, location
"""

NEXT = """
And now with your own devices:

  source .venv/bin/activate
  cp config/secrets.yaml.example config/secrets.yaml && chmod 600 config/secrets.yaml
  python devices.py pair hue                     # it asks you to press the button on the bridge
  python devices.py pair amazon_aqm              # it asks you to sign in with your own browser
  python -m collectors.hue --dry-run             # what your sensors tell, without storing it
  python -m collectors.amazon_aqm --dry-run
  python devices.py set-name utility Larder      # devices are called what you call them
  crontab crontab.example                        # every five minutes from now on; read its first lines before

Without an air quality monitor, leave those two lines out. With one, first set "enabled: true" and your country's
"domain" below "amazon_aqm:" in config/config.yaml.
"""


class Failed(Exception):
    """A step did not work; the message says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", metavar="KIND", action="append", default=[],
                        help="how the house is to misbehave; listed by tests.simulator -h")
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
    """Show it all. Raise Failed at the first step that does not work."""
    say("First a simulated house: five motion sensors with the Hue bridge that knows them, and an Amazon air quality\n"
        "monitor with the Alexa cloud that knows it.\n")
    say(_typed(_house(folder, *options)))
    with simulated_house(folder, *options) as addresses:
        say(f"The bridge answers at {addresses['https_url']} and the cloud at {addresses['cloud_url']}\n")
        say("Now both collectors, twice. They print what they read on a terminal; under cron, only what is wrong.\n")
        visit(folder)
        sleep(1)  # times are stored in whole seconds, and the second cycle's is to differ
        visit(folder)
        say("\nIs all well? The health check looks at everything, and asks the bridge and the cloud.\n")
        run([os.path.relpath(CHECKOUT / "healthcheck.py"), "--config", str(folder / "config" / "config.yaml")])
    database = folder / "data" / "readings.db"
    say("\nThe house is closed again. The devices that it told of:\n")
    run([os.path.relpath(CHECKOUT / "devices.py"), "--config", str(folder / "config" / "config.yaml"), "list"])
    say("\nWhat it left in the database:\n")
    say(table(database))
    say(f"\nThe database is {database}. It is SQLite: any program that knows SQLite can look at it.")
    say(NEXT.rstrip())


def visit(folder: Path) -> None:
    """Run one cycle of each collector, each as a process of its own."""
    for name in ("hue", "amazon_aqm"):
        run(["-m", f"collectors.{name}", "--config", str(folder / "config" / "config.yaml")])


@contextmanager
def simulated_house(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Run the simulator, with the configuration it writes to `folder`, and yield where its faces are.

    It is a process of its own, ended by its id. Raise Failed if it does not start.
    """
    command = [sys.executable, *_house(folder, *options)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}  # for `tests` is not installed
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _addresses(process)
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
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in texts)


def say(text: str) -> None:
    print(text, flush=True)


def _house(folder: Path, *options: str) -> list[str]:
    return ["-m", "tests.simulator", "--with-alexa", "--write-config", str(folder), *options]


def _typed(arguments: Sequence[str]) -> str:
    return f"$ python {shlex.join(arguments)}"


def _addresses(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Given the simulator, wait until it tells where its bridge is. By then the configuration is written."""
    assert process.stdout is not None
    told: dict[str, str] = {}
    for line in process.stdout:
        name, _, told[name] = line.strip().partition(": ")
        if name == "https_url":
            return told
    raise Failed("the simulated house could not be opened.")


if __name__ == "__main__":
    raise SystemExit(main())
