"""make install proves what it did, and repairs a virtual environment that cannot work.

pip is a stand-in that needs no network: it lends the new environment the packages of this one.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT, make_checkout, write_script
from tests.home import Outcome, unmeasured

pytestmark = pytest.mark.slow
SHIPPED = ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt", "config/config.example.yaml",
           "config/secrets.yaml.example")
LEND = "from pathlib import Path; from tests.wheel import lend_packages; lend_packages(Path('.venv').absolute(), Path.cwd())"


class Checkout:
    """A fresh clone, and `make install` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.python = folder, folder / ".venv" / "bin" / "python"
        make_checkout(folder)
        shutil.rmtree(folder / ".venv")
        for name in SHIPPED:
            shutil.copy(CHECKOUT / name, folder / name)
        write_script(folder.parent / "pip", f"PYTHONPATH={CHECKOUT} exec {sys.executable} -c \"{LEND}\"")

    def install(self, pip: str = "") -> Outcome:
        done = subprocess.run(["make", "install", f"PYTHON={sys.executable}", f"PIP={pip or self.folder.parent / 'pip'}"],
                              cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env={**unmeasured(), "HOME_MONITOR_CONFIG": ""})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def works(self) -> bool:
        """Return whether the interpreter of the crontab's lines runs the program."""
        done = subprocess.run([str(self.python), "-m", "collectors.hue", "--help"], cwd=self.folder, capture_output=True)
        return done.returncode == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("install") / "monitor")
    done = checkout.install()
    assert done.code == 0 and "Installed in .venv, with Python 3." in done.out, done
    return checkout


@pytest.fixture
def checkout(installed: Checkout, tmp_path: Path) -> Checkout:
    """A checkout of its own, with a .venv of its own, made by a healthy one's."""
    copied = Checkout(tmp_path / "monitor")
    shutil.copytree(installed.folder / ".venv", copied.folder / ".venv", symlinks=True)
    settings = copied.folder / ".venv" / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace(str(installed.folder), str(copied.folder)))
    for lent in copied.folder.glob(".venv/lib/*/site-packages/borrowed.pth"):
        lent.write_text(lent.read_text().replace(str(installed.folder), str(copied.folder)))
    return copied


def test_a_first_install_makes_the_users_own_files(installed: Checkout) -> None:
    assert installed.works()
    assert (installed.folder / "config" / "secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert (installed.folder / "config" / "config.yaml").exists()


def test_a_second_install_changes_nothing(checkout: Checkout) -> None:
    before = checkout.python.lstat().st_mtime_ns
    (checkout.folder / "config" / "config.yaml").write_text("# mine\n")
    done = checkout.install()
    assert done.code == 0 and "again" not in done.out, done
    assert checkout.python.lstat().st_mtime_ns == before
    assert (checkout.folder / "config" / "config.yaml").read_text() == "# mine\n"


def rename_packages(checkout: Checkout) -> None:
    """What a new Debian does: its Python looks in another folder."""
    folder, = checkout.folder.glob(".venv/lib/python3.*")
    folder.rename(folder.with_name("python3.1"))


def remove_interpreter(checkout: Checkout) -> None:
    """What a new Homebrew does: the link of .venv leads nowhere."""
    for name in checkout.python.parent.glob("python*"):
        name.unlink()
        name.symlink_to("/opt/homebrew/opt/python@3.1/bin/python3.1")


def change_version(checkout: Checkout) -> None:
    settings = checkout.folder / ".venv" / "pyvenv.cfg"
    settings.write_text(re.sub(r"(?m)^version = .*$", "version = 3.1.4", settings.read_text()))


def copy_from_elsewhere(checkout: Checkout) -> None:
    """What a move to another machine leaves: the commands of .venv/bin name the old folder."""
    settings = checkout.folder / ".venv" / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace(str(checkout.folder), "/home/old/monitor"))


DAMAGE = [rename_packages, remove_interpreter, change_version, copy_from_elsewhere]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_an_environment_that_cannot_work_is_made_again(damage: Callable[[Checkout], None], checkout: Checkout) -> None:
    damage(checkout)
    done = checkout.install()
    assert done.code == 0 and ".venv is made again: " in done.out, done
    assert checkout.works()


def test_packages_that_are_gone_are_installed_again(checkout: Checkout) -> None:
    """The stamps of make would show that they are there."""
    lent, = checkout.folder.glob(".venv/lib/*/site-packages/borrowed.pth")
    lent.unlink()
    done = checkout.install()
    assert done.code == 0 and "The packages are installed again: ModuleNotFoundError" in done.out, done
    assert checkout.works()


def test_an_install_that_did_not_work_is_reported_as_one(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / ".venv")
    done = checkout.install(pip="true")
    assert done.code != 0 and "No module named 'click'" in done.err and "Installed in" not in done.out, done
