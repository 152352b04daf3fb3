"""The program as a wheel, built from the checkout without network and installed into an empty virtual environment."""

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from tests.checkout import CHECKOUT, ROOMS, SETTINGS
from tests.home import Outcome, unmeasured

BUILT_FROM = ("devices.py", "healthcheck.py", "setup.cfg", "pyproject.toml", "README.md")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
SETUPTOOLS = (70, 1)  # the first that builds wheels alone


def why_not() -> str | None:
    """Return why no wheel can be built here."""
    found = version("setuptools")
    is_new = tuple(map(int, found.split(".")[:2])) >= SETUPTOOLS
    return None if is_new else f"setuptools {found} needs another package to build wheels"


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the checkout."""
    source = folder / "source"
    for name in ROOMS:
        shutil.copytree(CHECKOUT / name, source / name, ignore=SETTINGS)
    for name in BUILT_FROM:
        shutil.copy(CHECKOUT / name, source)
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder),
                    str(source)], check=True, env=unmeasured())
    wheel, = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> Path:
    """Install the wheel into a new environment that borrows only the packages of this one; return its home-monitor."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    lend_packages(environment)
    return environment / "bin" / "home-monitor"


def run(program: Path, *arguments: str, folder: Path) -> Outcome:
    """Run home-monitor as a user would, in a folder that is no checkout."""
    left_out = ("HOME_MONITOR_CONFIG", "PYTHONPATH")
    environment = {name: value for name, value in unmeasured().items() if name not in left_out}
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, cwd=folder, timeout=60,
                          env=environment)
    return Outcome(done.returncode, done.stdout, done.stderr)


def lend_packages(environment: Path, *further: Path) -> None:
    """Let a virtual environment use the packages of this one, and further folders."""
    packages, = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join([*map(str, further), *_borrowed()]), encoding="utf-8")


def _borrowed() -> list[str]:
    """Return the folders of this interpreter's packages, without the checkout, which may be installed here too."""
    own = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
    folders = dict.fromkeys(os.path.realpath(path) for path in own if path.endswith("site-packages"))
    return [path for path in folders if path != str(CHECKOUT)]
