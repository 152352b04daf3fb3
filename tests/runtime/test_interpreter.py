"""A script that is started by the wrong Python runs with the one in .venv, or says in one line what helps."""

import ast
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.checked_home import USER, needs_root, public_folder
from tests.checkout import CHECKOUT, LIBRARY, make_checkout, make_environment, needs_public_python
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

OLD = "import sys\nif not sys.prefix.endswith('/.venv'):\n    sys.version_info = (3, 9, 6, 'final', 0)\n"
# What another Python runs before it is recognised.
FIRST = ["devices.py", "readings.py", "healthcheck.py", "collectors/__init__.py", "publishers/__init__.py",
         "runtime/__init__.py", "runtime/interpreter.py"]
SCRIPTS = {
    "collector": ["-m", "collectors.hue", "--dry-run", "-q"],
    "publishers": ["-m", "publishers"],
    "devices": ["devices.py", "list", "--type", "a b"],
    "health check": ["healthcheck.py", "--offline", "--only", "spool"],
}


class Bare(Home):
    """A checkout with a home in it, a Python without packages, and one with them in .venv."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        make_checkout(folder)
        (folder / ".venv" / "bin" / "python").unlink()
        self.bare = make_environment(folder / "other")
        self.python = make_environment(folder / ".venv", sysconfig.get_path("purelib"))
        self.write_config()

    def start(self, python: Path, *arguments: str, user: int | None = None, **environment: str) -> tuple[int, str]:
        """Run a script as cron does, in the checkout; return the exit code and what it printed on stderr."""
        variables = {**unmeasured(), **environment}
        variables.pop("HOME_MONITOR_CONFIG", None)
        done = subprocess.run([str(python), *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              env=variables, user=user)
        return done.returncode, done.stderr

    def break_environment(self) -> None:
        """Do what an update of Python does: another one looks for the packages elsewhere."""
        library = self.folder / ".venv" / LIBRARY.parent
        library.rename(library.with_name("python3.1"))

    @property
    def remedy(self) -> str:
        return f"Remedy: make -C {self.folder} install\n"


@pytest.fixture
def checkout() -> Iterator[Bare]:
    with public_folder() as folder:
        yield Bare(folder / "the monitor's")


@pytest.mark.parametrize("arguments", SCRIPTS.values(), ids=SCRIPTS)
def test_a_python_without_packages_runs_the_script_with_the_one_in_venv(checkout: Bare, arguments: list[str]) -> None:
    assert checkout.start(checkout.bare, *arguments) == checkout.start(checkout.python, *arguments)


def test_a_cycle_that_is_started_so_stores_its_readings(checkout: Bare, simulator: Simulator) -> None:
    checkout.point_at(simulator)
    assert checkout.start(checkout.bare, "-m", "collectors.hue") == (0, "")
    assert len(checkout.rows()) == 5


def test_a_python_with_some_of_the_packages_does_too(checkout: Bare, simulator: Simulator) -> None:
    checkout.point_at(simulator)
    some = checkout.folder / "some"
    some.mkdir()
    for name in ("yaml", "click"):
        (some / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    python = make_environment(checkout.folder / "third", str(some))
    assert checkout.start(python, "-m", "collectors.hue") == (0, "") and len(checkout.rows()) == 5


@pytest.mark.parametrize("arguments", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("is_other", [True, False])
def test_if_venv_lacks_them_too_one_line_says_what_helps(checkout: Bare, arguments: list[str], is_other: bool) -> None:
    checkout.break_environment()
    code, err = checkout.start(checkout.bare if is_other else checkout.python, *arguments)
    assert code == 2 and err.count("\n") == 1
    assert err.endswith(f"(was Python updated?). Remedy: make -C '{str(checkout.folder)[:-2]}'\"'\"'s' install\n")


def test_the_packages_that_are_missing_are_named(checkout: Bare) -> None:
    checkout.break_environment()
    assert "the packages yaml, requests, urllib3, click are missing in " in checkout.start(
        checkout.python, "devices.py", "list")[1]


@pytest.mark.parametrize("target", ["nowhere/python3.11", None])
def test_a_python_in_venv_that_is_gone_is_no_loop(checkout: Bare, target: str | None) -> None:
    checkout.python.unlink()
    if target is not None:
        checkout.python.symlink_to(target)
    code, err = checkout.start(checkout.bare, "-m", "collectors.hue")
    assert code == 2 and err.count("\n") == 1 and err.startswith("hue: the packages ")


def test_a_collector_prints_it_once_in_24_hours_the_others_each_time(checkout: Bare) -> None:
    checkout.break_environment()
    collector, script = ["-m", "collectors.hue"], ["healthcheck.py"]
    printed = [checkout.start(checkout.python, *arguments)[1].count("\n")
               for arguments in (collector, collector, script, script, [*collector, "-v"])]
    assert printed == [1, 0, 1, 1, 1]
    stamp = checkout.data / "hue.interpreter"
    os.utime(stamp, (stamp.stat().st_mtime - 86_401,) * 2)
    assert [checkout.start(checkout.python, *collector)[1].count("\n") for _ in range(2)] == [1, 0]


def test_another_problem_of_the_interpreter_is_printed_at_once(checkout: Bare) -> None:
    checkout.break_environment()
    assert [checkout.start(checkout.python, "-m", "collectors.hue")[1].count("\n") for _ in range(2)] == [1, 0]
    checkout.python.unlink()
    assert checkout.start(checkout.bare, "-m", "collectors.hue")[1].count("\n") == 1


@needs_root
@needs_public_python
def test_where_nothing_can_be_written_it_is_printed_each_time(checkout: Bare) -> None:
    checkout.break_environment()
    printed = [checkout.start(checkout.python, "-m", "collectors.hue", user=USER) for _ in range(2)]
    assert [(code, err.count("\n")) for code, err in printed] == [(2, 1), (2, 1)]


@needs_root
@needs_public_python
def test_what_root_writes_for_it_belongs_to_the_owner_of_the_data(checkout: Bare) -> None:
    checkout.break_environment()
    os.chown(checkout.data, USER, USER)
    assert checkout.start(checkout.python, "-m", "collectors.hue")[1] != ""
    assert (checkout.data / "hue.interpreter").stat().st_uid == USER
    assert checkout.start(checkout.python, "-m", "collectors.hue", user=USER) == (2, "")


def test_the_configuration_in_use_decides_where_the_time_is_kept(checkout: Bare, tmp_path: Path) -> None:
    checkout.break_environment()
    for name, form in {"first": ["--config"], "second": []}.items():
        data = tmp_path / name / "data"
        data.mkdir(parents=True)
        path = str(tmp_path / name / "config" / "config.yaml")
        assert checkout.start(checkout.python, "-m", "collectors.hue", *(
            [*form, path] if form else [f"--config={path}"]))[1] != ""
        assert os.listdir(data) == ["hue.interpreter"]


@pytest.mark.parametrize(("arguments", "is_restarted"), [
    (["devices.py", "list"], True), (["-m", "collectors.hue", "-q", "--dry-run"], False)])
def test_an_old_python_is_replaced_or_the_right_one_is_named(checkout: Bare, arguments: list[str], is_restarted: bool,
                                                             tmp_path: Path) -> None:
    """Python before 3.10 does not record how it was started: the name of a module is unknown."""
    (tmp_path / "sitecustomize.py").write_text(OLD, encoding="utf-8")
    old = checkout.start(checkout.bare, *arguments, PYTHONPATH=str(tmp_path))
    if is_restarted:
        assert old == checkout.start(checkout.python, *arguments)
    else:
        assert old[0] == 2 and old[1].count("\n") == 1 and "Python 3.9 is too old: 3.11 or newer is needed" in old[1]
        assert "Remedy: run it with '" in old[1] and ".venv/bin/python'" in old[1]


@pytest.mark.parametrize("path", FIRST)
def test_what_an_old_python_reads_first_has_no_newer_syntax(path: str) -> None:
    ast.parse((CHECKOUT / path).read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("script", ["devices.py", "readings.py", "healthcheck.py", "-m collectors.hue"])
def test_an_interruption_during_the_imports_prints_nothing(script: str, tmp_path: Path) -> None:
    """By a package that sends the signal when it is imported."""
    (tmp_path / "yaml.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n")
    done = subprocess.run([sys.executable, *script.split()], cwd=CHECKOUT, capture_output=True, text=True, timeout=60,
                          preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # also in the background
                          env={**unmeasured(), "PYTHONPATH": str(tmp_path)})
    assert done.returncode in (-signal.SIGINT, 128 + signal.SIGINT) and (done.stdout, done.stderr) == ("", "")
