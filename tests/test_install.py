"""What `make install` leaves in site-packages."""

import importlib.util
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT, ROOMS


def test_every_start_of_python_is_spared_an_import_hook() -> None:
    """An editable install by setuptools' own default costs each start a finder module (seen with setuptools 84)."""
    editable = [path for folder in site.getsitepackages() for path in Path(folder).glob("__editable__*")]
    if not editable:
        pytest.skip("the program is not installed for this interpreter")
    assert [path.suffix for path in editable] == [".pth"]
    assert editable[0].read_text(encoding="utf-8").strip() == str(CHECKOUT)
    started = subprocess.run([sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True)
    assert "__editable__" not in started.stderr


def test_installing_takes_the_tested_versions() -> None:
    """Of `make install`, `make demo` and `make test`, which .ci/run calls."""
    for target in (".venv/installed", ".venv/installed-demo", ".venv/installed-dev"):
        made = subprocess.run(["make", "-n", "-B", target], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        assert "--constraint constraints.txt --config-settings editable_mode=compat --editable" in made.stdout


def test_every_room_is_installed() -> None:
    listed = (CHECKOUT / "setup.cfg").read_text(encoding="utf-8").partition("include =")[2].partition("\n\n")[0].split()
    assert {name.removesuffix("*") for name in listed} == set(ROOMS)
    assert all(importlib.util.find_spec(name) for name in ROOMS)
