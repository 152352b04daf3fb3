"""Runs of the collectors that are forked from a process which has imported everything, so that many can be afforded.

Most of the time that a script of cron's takes goes by before its first line: Python starts, and imports. A forked run
begins at `collect.run`; all else of it is real: its process, its files, its locks, its exit code. It is not measured for
coverage, which would cost more than the run.
"""

import multiprocessing
import os
import pkgutil
import tempfile
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import cli
import collectors
import config
import health
import jobs
import notifiers
import runtime
import storage
from jobs import collect
from tests.home import Home, Outcome, unmeasured

FORKING = multiprocessing.get_context("forkserver")


class Forked:
    """One run of a collector, under way since this was made."""

    def __init__(self, home: Home, *arguments: str, collector: str = "hue") -> None:
        prepare()
        self._said = tempfile.TemporaryDirectory(prefix="said-")
        self._process = FORKING.Process(
            target=_run, args=(collector, ["--config", str(home.config), *arguments], self._said.name))
        self._process.start()

    def end(self) -> Outcome:
        """Wait for the end, a minute at most."""
        self._process.join(60)
        code = self._process.exitcode
        assert code is not None, "it still runs after a minute"
        self._process.close()
        with self._said as folder:
            out, err = ((Path(folder) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return Outcome(code, out, err)


@cache
def prepare() -> None:
    """Start the process that the runs are forked from, unmeasured, and with everything imported that they need."""
    modules = [module.name for package in (cli, collectors, config, health, jobs, notifiers, runtime, storage)
               for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    FORKING.set_forkserver_preload([
        __name__, "tests.faults.forked", "requests", "yaml", "encodings.idna",
        *(name for name in modules if not name.endswith("__main__"))])
    with mock.patch.dict(os.environ, unmeasured(), clear=True):
        forkserver.ensure_running()


def say_into(out: str, err: str) -> None:
    """Let this process print into these files from now on."""
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)


def _run(collector: str, arguments: list[str], said: str) -> None:
    say_into(f"{said}/out", f"{said}/err")
    raise SystemExit(collect.run(collectors.load(collector), arguments))
