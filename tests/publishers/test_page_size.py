"""The page of ten devices and a year stays small, and so does what it costs to make.

With PAGE=whole in the environment the year has a reading every five minutes, and the processor time counts; otherwise only
its last days have.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.home import MEASURE, Home, unmeasured
from tests.publishers.running import enable
from tests.simulator import past
from tests.simulator.server import Simulator

IS_WHOLE = os.environ.get("PAGE") == "whole"
YEAR, DETAILED = timedelta(days=366), timedelta(days=366 if IS_WHOLE else 2)
KILOBYTES, MEGABYTES, SECONDS = 300, 150, 5


@pytest.mark.slow
def test_a_year_of_ten_devices_is_small_and_quickly_drawn(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    enable(home, "page")
    with Simulator(tls=None, sensors=8, monitors=2) as simulator:
        home.introduce(simulator)
        for module in ("collectors.hue", "collectors.amazon_aqm"):
            assert home.process(module=module).code == 0
        past.fill(home.database, simulator.house, DETAILED)
        if DETAILED < YEAR:
            past.fill(home.database, simulator.house, YEAR - DETAILED, (), timedelta(hours=12))
    done = subprocess.run([sys.executable, *MEASURE, *home.command(module="publishers.page")], cwd=CHECKOUT, env=unmeasured(),
                          capture_output=True, text=True)
    kilobytes, seconds, _ = map(float, done.stdout.splitlines()[-1].split())
    size, memory = (home.data / "page.html").stat().st_size / 1000, kilobytes * 1024 / 1e6
    print(f"{home.rows('SELECT COUNT(*) AS count FROM readings')[0]['count']} readings of 10 devices: {size:.0f} kB, "
          f"{seconds:.1f} s of processor time, {memory:.0f} MB")
    assert done.returncode == 0 and size <= KILOBYTES and memory <= MEGABYTES
    assert not IS_WHOLE or seconds <= SECONDS
