"""What readings.py costs beside hand-written scripts: `python -m tests.benchmarks.readings [ROWS]`.

It makes a home with ten million readings of ten sensors, or so many, below the temporary folder. Exits with 1 if a limit is
exceeded.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import years
from tests.checkout import CHECKOUT
from tests.home import MEASURE, Home, unmeasured
from tests.storage.samples import NOW, a_cycle, a_reading, store

RUNS, DEVICES = 3, 10
OPEN = """
import click, csv, sqlite3, sys, yaml, zoneinfo  # what readings.py needs, too
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
device, = connection.execute("SELECT MIN(device_id) FROM readings").fetchone()
"""
LATEST = """
for device, in connection.execute("SELECT device_id FROM device_registry").fetchall():
    print(connection.execute("SELECT * FROM readings WHERE device_id = ? ORDER BY timestamp DESC LIMIT 1",
                             (device,)).fetchone())
"""
HISTORY = """
last, = connection.execute("SELECT MAX(timestamp) FROM readings").fetchone()
for row in connection.execute("SELECT * FROM readings WHERE device_id = ? AND timestamp > datetime(?, '-1 day')",
                              (device, last)):
    print(row)
"""
STATS = """
for row in connection.execute('''SELECT substr(timestamp, 1, 7), MIN(temperature_celsius), AVG(temperature_celsius),
        MAX(temperature_celsius), COUNT(*) FROM readings WHERE device_id = ? GROUP BY 1''', (device,)):
    print(row)
"""
EXPORT = """
csv.writer(sys.stdout).writerows(connection.execute("SELECT * FROM readings ORDER BY timestamp"))
"""


class Limit(NamedTuple):
    """In seconds and MiB, None for none."""

    arguments: str
    by_hand: str
    wall: float | None = None
    processor: float | None = None
    mebibytes: float | None = None


LIMITS = (
    Limit("latest", LATEST, wall=0.3),
    Limit("history {device} --since 24h", HISTORY, wall=0.5),
    Limit("stats {device} --by month", STATS, processor=3.0),
    Limit("export", EXPORT, mebibytes=60),
)
ROWS_PER_SECOND = 100_000


def spent(command: list[str]) -> tuple[float, float, float]:
    """Run a process; return its wall and processor seconds, and its MiB."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        subprocess.run([sys.executable, *MEASURE, *command], cwd=CHECKOUT, env=unmeasured(), check=True, stdout=output,
                       stderr=subprocess.DEVNULL)
        output.seek(max(0, output.seek(0, os.SEEK_END) - 200))
        kilobytes, processor, wall = map(float, output.read().splitlines()[-1].split())
    return wall, processor, kilobytes / 1024


def median(command: list[str], runs: int) -> tuple[float, ...]:
    return tuple(map(statistics.median, zip(*(spent(command) for _ in range(runs)))))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=10_000_000)
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.write_config()
        store(home.database, a_cycle(*(a_reading(f"hue:{number}") for number in range(DEVICES)), at=NOW))
        years.fill(home.database, wanted)
        return compare(home)


def compare(home: Home) -> int:
    database, is_missed = home.database, False
    ask = f"{OPEN}print(device, *connection.execute('SELECT COUNT(*) FROM readings').fetchone())"
    asked = subprocess.run([sys.executable, "-c", ask, str(database)], capture_output=True, text=True, check=True)
    device, rows = asked.stdout.split()
    for limit in LIMITS:
        arguments = limit.arguments.format(device=device).split()
        runs = 1 if limit.arguments == "export" else RUNS
        ours = median([sys.executable, "readings.py", "--config", str(home.config), *arguments], runs)
        hand = median([sys.executable, "-c", f"{OPEN}{limit.by_hand}", str(database)], runs)
        missed = any(most is not None and taken > most for taken, most in zip(ours, limit[2:]))
        missed |= limit.arguments == "export" and int(rows) / ours[1] < ROWS_PER_SECOND
        is_missed |= missed
        print(f"{limit.arguments:<28} {ours[0]:.2f} s, {ours[1]:.2f} s of processor time ({ours[1] / hand[1]:.1f} times a "
              f"script), {ours[2]:.0f} MiB{', missed' if missed else ''}", flush=True)
    print(f"{rows} readings, of which export wrote {int(rows) / ours[1]:,.0f} in a second of processor time")
    return int(is_missed)


if __name__ == "__main__":
    raise SystemExit(main())
