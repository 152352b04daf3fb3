"""Moving to another machine and removing everything, by the commands in docs/running.md."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import wheel
from tests.checkout import CHECKOUT, write_script
from tests.cli.test_crontab import OWN, STAND_IN
from tests.cli.test_environment import LEND
from tests.cli.test_update import Clone
from tests.simulator.server import Simulator

pytestmark = pytest.mark.slow
PAGE = (CHECKOUT / "docs" / "running.md").read_text(encoding="utf-8")


def blocks(section: str) -> list[str]:
    """Return the blocks of commands in a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [re.sub(r"(?m)^    ", "", block) for block in re.findall(r"(?m)(?:^    .*\n)+", text)]


@pytest.fixture
def clone(tmp_path: Path, simulator: Simulator) -> Clone:
    """A home in use, with a crontab."""
    made = Clone(tmp_path, simulator)
    write_script(tmp_path / "bin" / "crontab", STAND_IN.format(tmp_path / "crontab"))
    write_script(tmp_path / "pip", f"PYTHONPATH={CHECKOUT} exec {sys.executable} -c \"{LEND}\"")
    (tmp_path / "crontab").write_bytes(OWN)
    run(made, ".venv/bin/python devices.py crontab --install", made.folder)
    assert made.collects()
    return made


def run(clone: Clone, block: str, folder: Path) -> None:
    environment = clone.environment(MAKEFLAGS=f"PIP={clone.bin.parent / 'pip'} PYTHON={sys.executable}")
    done = subprocess.run(["sh", "-ec", block], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done


def test_a_move_takes_all_settings_readings_and_the_crontab_along(clone: Clone, tmp_path: Path) -> None:
    old, new = blocks("Move")
    run(clone, old, clone.folder)
    assert (tmp_path / "crontab").read_bytes() == OWN
    target = tmp_path / "new machine"
    clone.git("clone", "--quiet", str(clone.origin), str(target), folder=tmp_path)
    shutil.move(clone.folder / "home.tar.gz", target)
    rows = clone.home.rows()
    shutil.rmtree(clone.folder)
    run(clone, new, target)
    lines = (tmp_path / "crontab").read_text(errors="replace").splitlines()
    clone.home.wait_for_the_next_second()
    run(clone, next(line for line in lines if "collectors" in line).split(" ", 5)[5], Path("/"))
    moved = wheel.run(target / ".venv" / "bin" / "python", "devices.py", "list", "--json", folder=target)
    assert moved.code == 0 and len(rows) == 5
    clone.home.database = target / "data" / "readings.db"
    assert clone.home.rows()[:5] == rows and len(clone.home.rows()) == 10
    assert clone.git("status", "--short", folder=target) == ""


def test_removing_leaves_no_line_and_no_key(clone: Clone, tmp_path: Path, simulator: Simulator) -> None:
    block, = blocks("Remove")
    run(clone, block, clone.folder)
    assert (tmp_path / "crontab").read_bytes() == OWN
    assert simulator.key not in clone.home.secrets.read_text()
