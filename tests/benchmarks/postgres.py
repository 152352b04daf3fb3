"""What sending a whole record to PostgreSQL costs, beside a bare script: `python -m tests.benchmarks.postgres [ROWS]`.

A PostgreSQL is started on the loopback. The script sends the same columns by psycopg's COPY, which is the fastest way there
is, or as the publisher does, by INSERT of arrays; it converts nothing but times. Exits with 1 if a limit is exceeded.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from publishers.postgres import schema
from tests.benchmarks import years
from tests.checkout import CHECKOUT
from tests.home import MEASURE, Home, unmeasured
from tests.publishers.postgresql import Server, running
from tests.publishers.running import enable
from tests.storage.samples import NOW, a_cycle, a_reading, store

LIMIT = 1.5  # of the bare script's processor time
DEVICES = 10
COPY = """
import sqlite3, sys
from datetime import datetime
import psycopg
columns = sys.argv[3]
record = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
with psycopg.connect(sys.argv[2]) as connection, connection.cursor() as cursor:
    with cursor.copy(f"COPY home_monitor.readings (house_id, {columns}) FROM STDIN") as copy:
        for row in record.execute(f"SELECT 'bare', {columns} FROM readings"):
            copy.write_row(row)
"""
INSERT = """
import sqlite3, sys
from datetime import datetime
import psycopg
columns, kinds = sys.argv[3], sys.argv[4].split(",")
times = [number for number, kind in enumerate(kinds) if kind == "timestamptz"]
flags = [number for number, kind in enumerate(kinds) if kind == "boolean"]
record = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
statement = (f"INSERT INTO home_monitor.readings (house_id, {columns}) SELECT 'bare', * FROM unnest("
             + ", ".join(f"%s::{kind}[]" for kind in kinds) + ") ON CONFLICT DO NOTHING")
rows = record.execute(f"SELECT {columns} FROM readings")
with psycopg.connect(sys.argv[2], prepare_threshold=None) as connection:
    while batch := rows.fetchmany(5000):
        arrays = [list(column) for column in zip(*batch)]
        for number in times:
            arrays[number] = [text and datetime.fromisoformat(text) for text in arrays[number]]
        for number in flags:
            arrays[number] = [bool(value) for value in arrays[number]]
        connection.execute(statement, arrays)
        connection.commit()
"""


def spent(command: list[str]) -> tuple[float, float]:
    """Run a command; return its processor seconds and MB of memory."""
    done = subprocess.run([sys.executable, *MEASURE, *command], cwd=CHECKOUT, env=unmeasured(), check=True,
                          capture_output=True, text=True)
    kilobytes, seconds, _ = map(float, done.stdout.splitlines()[-1].split())
    return seconds, kilobytes * 1024 / 1e6


def measure(server: Server, home: Home) -> dict[str, tuple[float, float]]:
    from publishers.postgres.tables import READINGS
    dsn = f"host='{server.folder}' port={server.port} dbname=postgres user=owner"
    home.write_secrets({"postgres": {"dsn": dsn}})
    enable(home, "postgres", house_id="measured", deadline_seconds=3600)
    script = [str(home.database), dsn, ", ".join(READINGS.columns), ",".join(READINGS.columns.values())]
    found = {}
    for name, command in (("publisher", home.command(module="publishers.postgres")),
                          ("script with INSERT", [sys.executable, "-c", INSERT, *script]),
                          ("script with COPY", [sys.executable, "-c", COPY, *script])):
        found[name] = spent(command)
        server.execute("DELETE FROM home_monitor.readings WHERE house_id = 'bare'")
    assert server.execute("SELECT COUNT(*) FROM home_monitor.readings WHERE house_id = 'measured'") == [
        (home.rows("SELECT COUNT(*) AS count FROM readings")[0]["count"],)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder, running() as server:
        for statement in schema.statements("home_monitor"):
            server.execute(statement)
        home = Home(Path(folder))
        store(home.database, a_cycle(*(a_reading(f"hue:{number}") for number in range(DEVICES)), at=NOW))
        years.fill(home.database, wanted)
        found = measure(server, home)
    whole = found["publisher"][0]
    for name, (seconds, megabytes) in found.items():
        print(f"{name:20} {seconds:7.1f} s of processor time {megabytes:7.0f} MB {whole / seconds:6.2f}")
    return int(whole > LIMIT * found["script with INSERT"][0])


if __name__ == "__main__":
    os.environ.setdefault("HOME_MONITOR_CONFIG", os.devnull)
    raise SystemExit(main())
