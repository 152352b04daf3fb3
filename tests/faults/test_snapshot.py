"""A snapshot delays no collector, and killed at any system call it leaves the last good one and nothing of its own.

With FAULTS=whole in the environment (`make faults`) it is killed at every call, with HISTORY=whole it copies a million
readings.
"""

import random
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from time import sleep

from tests.faults import WHOLE
from tests.faults.household import require
from tests.home import Home
from tests.publishers.running import enable
from tests.publishers.test_snapshot import folder, temperatures
from tests.test_devices_history import LONGEST_WAIT_MS, collecting, longest_ms, old, undisturbed

__all__ = ["old"]  # a fixture

CALLS = "openat,pwrite64,fdatasync,fsync,ftruncate,unlink,rename"
SAMPLE = 4


def killed(home: Home, *options: str) -> str:
    """Run it under strace and return the trace."""
    trace = home.folder / "trace"
    subprocess.run(["strace", "-y", "-o", str(trace), "-e", f"trace={CALLS}", *options,
                    *home.command(module="publishers.snapshot")], capture_output=True)
    return trace.read_text()


def steps(trace: str) -> list[tuple[str, int]]:
    """Return the calls that change a file of the snapshots, by name and number."""
    numbers, found = Counter[str](), []
    for line in trace.splitlines():
        name = line.partition("(")[0]
        numbers[name] += 1
        if "/snapshots" in line and "O_RDONLY" not in line:
            found.append((name, numbers[name]))
    return found


def test_killed_at_any_step_it_leaves_the_last_good_one(home: Home) -> None:
    require("strace")
    enable(home, "snapshot", daily=1, weekly=0, monthly=0)
    made_up = "from tests.jobs.fake_source import *; from jobs.collect import run; run(source(degrees(20)), {!r})"
    subprocess.run([home.command()[0], "-c", made_up.format(["--config", str(home.config)])], check=True)
    assert home.process(module="publishers.snapshot").code == 0
    today, = folder(home).iterdir()
    day = datetime.fromisoformat(today.stem.removeprefix("readings-"))
    before = today.with_name(f"readings-{day - timedelta(days=1):%Y-%m-%d}.db")
    today.rename(before)
    content = before.read_bytes()
    every = steps(killed(home))
    assert {name for name, _ in every} >= {"openat", "pwrite64", "fdatasync", "rename", "unlink"}
    assert [entry.name for entry in folder(home).iterdir()] == [today.name], "the older one is removed last"
    for name, number in every if WHOLE else random.Random(1).sample(every, SAMPLE):
        for entry in folder(home).iterdir():
            entry.unlink()
        before.write_bytes(content)
        assert "killed by SIGKILL" in killed(home, "-e", f"inject={name}:signal=KILL:when={number}")
        good = [entry for entry in folder(home).glob("readings-*.db") if temperatures(entry) == [20]]
        assert good and {*folder(home).glob("readings-*")} == {*good}, f"{name} {number}"
        assert home.process(module="publishers.snapshot").code == 0
        assert [entry.name for entry in folder(home).iterdir()] == [today.name], f"{name} {number}"


def test_it_delays_no_collector_and_is_sound(old: Home) -> None:
    enable(old, "snapshot")
    with collecting(old):
        count, usual_ms = undisturbed(old)
        assert old.process(module="publishers.snapshot").code == 0
        sleep(1)
    found = longest_ms(old, count)
    made, = folder(old).iterdir()
    print(f"{len(temperatures(made))} readings copied; beside its requests a cycle took at most {usual_ms:.0f} ms before, "
          f"and then {found}")
    assert max(found.values()) <= usual_ms + LONGEST_WAIT_MS
    assert temperatures(made) == [row["temperature_celsius"] for row in old.rows()][:len(temperatures(made))]
