"""Cheap runs of collectors: forked from a process that has imported everything.

Most of a run's time is spent on the start of Python and imports. A forked run starts at `collect.run`; its process,
files, locks and exit code are real. Coverage does not measure it: that would cost more than the run.
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
import publishers
import runtime
import storage
from jobs import collect
from tests.home import Home, Outcome, unmeasured

FORKING = multiprocessing.get_context("forkserver")


class Forked:
    """One run of a collector, started on construction."""

    def __init__(self, home: Home, *arguments: str, collector: str = "hue") -> None:
        prepare()
        self._output = tempfile.TemporaryDirectory(prefix="output-")
        self._process = FORKING.Process(
            target=_run, args=(collector, ["--config", str(home.config), *arguments], self._output.name))
        self._process.start()

    def end(self) -> Outcome:
        """Wait for the end, at most a minute."""
        self._process.join(60)
        code = self._process.exitcode
        assert code is not None, "still running after a minute"
        self._process.close()
        with self._output as folder:
            out, err = ((Path(folder) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return Outcome(code, out, err)


@cache
def prepare() -> None:
    """Start the process that the runs are forked from, with all their imports, and without coverage."""
    packages = (cli, collectors, config, health, jobs, notifiers, publishers, runtime, storage)
    modules = [module.name for package in packages
               for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    FORKING.set_forkserver_preload([
        __name__, "tests.faults.forked", "requests", "yaml", "encodings.idna",
        *(name for name in modules if not name.endswith("__main__"))])
    with mock.patch.dict(os.environ, unmeasured(), clear=True):
        forkserver.ensure_running()


def redirect_output(out: str, err: str) -> None:
    """Redirect this process's stdout and stderr to files."""
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)


def _run(collector: str, arguments: list[str], output: str) -> None:
    redirect_output(f"{output}/out", f"{output}/err")
    raise SystemExit(collect.run(collectors.load(collector), arguments))
