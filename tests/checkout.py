"""A checkout as somebody would have it, to be harmed by tests: the program, a Python in .venv, and the crontab."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SETTINGS = shutil.ignore_patterns("__pycache__", "config.yaml", "secrets.yaml")  # what a copy leaves out
ROOMS = ("cli", "collectors", "config", "health", "jobs", "notifiers", "publishers", "runtime",
         "storage")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY = Path("lib") / f"python{VERSION}" / "site-packages"
# Python as all accounts may run it: the one that runs the tests may lie in root's own folder.
PUBLIC_PYTHON = shutil.which(f"python{VERSION}", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
needs_public_python = pytest.mark.skipif(PUBLIC_PYTHON is None, reason=f"there is no Python {VERSION} for all accounts")
needs_public_checkout = pytest.mark.skipif(
    any(folder.stat().st_mode & 0o005 != 0o005 for folder in (CHECKOUT, *CHECKOUT.parents)),
    reason="other accounts may not read this checkout")


TRIAL = CHECKOUT / "tests" / "trial"


def make_checkout(home: Path, plugin: str | None = None) -> None:
    """Put the program into a folder, with a .venv/bin/python, and no settings.

    `plugin` is one of tests/trial to drop in, with its package: `collectors/thermometer`.
    """
    for name in ROOMS:
        shutil.copytree(CHECKOUT / name, home / name, ignore=SETTINGS, dirs_exist_ok=True)
    for name in ("healthcheck.py", "devices.py"):
        shutil.copy(CHECKOUT / name, home)
    (home / ".venv" / "bin").mkdir(parents=True)
    write_script(home / ".venv" / "bin" / "python", f'exec {shlex.quote(sys.executable)} "$@"')
    if plugin is not None:
        package, name = plugin.split("/")
        shutil.copy(TRIAL / f"{name}.py", home / package)


def make_environment(folder: Path, *packages: str) -> Path:
    """Make a virtual environment that has the packages of these folders; return its Python."""
    subprocess.run([PUBLIC_PYTHON or sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (folder / LIBRARY / "packages.pth").write_text("".join(f"{path}\n" for path in packages), encoding="utf-8")
    return folder / "bin" / "python"


def edited_crontab(home: Path, minutes: int) -> str:
    """Return crontab.example as its reader would edit it, the collectors being started every so many minutes."""
    text = (CHECKOUT / "crontab.example").read_text(encoding="utf-8")
    text = re.sub(r"^HOME_MONITOR=.*$", f"HOME_MONITOR={home}", text, flags=re.MULTILINE)
    return re.sub(r"^\*/\d+ ", "* " if minutes == 1 else f"*/{minutes} ", text, flags=re.MULTILINE)


def write_script(path: Path, line: str) -> None:
    """Write a shell script of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
