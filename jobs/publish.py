"""One run of one publisher: what was stored since its last run goes to its destination.

A publisher's module ends with `jobs.publish.main(sys.modules[__name__])`. `python -m publishers` runs all enabled ones,
each in a process of its own, so that one which fails or hangs does not stop the others.
"""

import gc
import logging
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import config
import publishers
from jobs.job import Job, catch_all, option_parser, prints_text
from runtime import plugins, startup
from runtime.errors import CannotReach, ConfigurationError, NotAuthorised, Unusable, describe
from runtime.formats import format_time
from runtime.signals import interruptible
from runtime.streams import write_line
from storage import lost_database
from storage.changes import Changes

log = logging.getLogger(__name__)

PUBLISHED_AT = "published_at"  # the key in the publisher's state of the start of its last successful run


def main(module: Any) -> NoReturn:
    """Run one publisher as everything that this process does."""
    gc.disable()
    startup.leave(run(module))


def main_all() -> NoReturn:
    """Run all enabled publishers as everything that this process does."""
    startup.leave(run_all(sys.argv[1:]))


@interruptible()
def run(module: Any, arguments: Sequence[str] | None = None) -> int:
    """Given a publisher's module, run it once as the command line says. Return the exit code."""
    job = _PublisherRun(module, arguments)
    with job:
        if job.configure(module):
            with job.limit_time(), job.lock() as is_locked:
                if is_locked:
                    job.report_result(job.publish())
        return job.exit_code


@interruptible()
def run_all(arguments: Sequence[str]) -> int:
    """Run every enabled publisher with these arguments. Return 2 if one of them did, else 1 if one failed."""
    job = _AllPublishers(arguments)
    with job:
        codes = {job.exit_code, *(_run_process(name, arguments) for name in job.enabled())}
    return 2 if 2 in codes | {job.exit_code} else int(any(codes))


class _PublisherRun(Job):
    """One publisher's run; `message` is what it did, as a sentence."""

    kind = "publishers"

    def __init__(self, module: Any, arguments: Sequence[str] | None) -> None:
        name = module.__spec__.name.rpartition(".")[2]
        super().__init__(name, option_parser(
            f"python -m publishers.{name}", f"Send to {name} what was stored since the last run.",
            "A dry run asks the destination whether it answers, and sends nothing.").parse_args(arguments))
        self.message = ""
        self._module = module

    def publish(self) -> Exception | None:
        """Publish what is new, or only ask the destination in a dry run; return what went wrong, if anything."""
        storage, secrets = self.configuration.storage, self.secrets.sections.get(self.name)
        changes = Changes(storage.database_path, busy_timeout_ms=storage.busy_timeout_ms,
                          marker=self.data / lost_database.MARKER)
        with catch_all() as caught:
            try:
                if self.is_dry_run:
                    self.message = self._module.probe(self.settings, secrets, self.state)
                else:
                    self.message = self._module.publish(self.settings, secrets, changes, self.state, self.now)
                    self.state[PUBLISHED_AT] = format_time(self.now)
            except OSError as error:
                raise CannotReach(f"{type(error).__name__}: {error}") from error
        return caught.error

    def report_result(self, error: Exception | None) -> None:
        """Say in the log, on stdout and stderr, and in the alert how it went."""
        if error is None:
            log.info("%s in %.0f ms", self.message, self.stopwatch.elapsed_ms())
        else:
            log.error("%s", describe(error))
        if self.options.json:
            self._print_json("ok" if error is None else "failed", None if error is None else describe(error))
        elif error is None and prints_text(self.options):
            write_line(sys.stdout, f"{self.name}: {self.redact(self.message)}")
        self.report(error)
        if not self.is_dry_run:
            self.update_alert(self.alert, self.name, error, (NotAuthorised, Unusable, ConfigurationError))

    def print_skipped(self, reason: str) -> None:
        """Print the object that programs expect of every run."""
        self._print_json("skipped", reason)

    def _print_json(self, outcome: str, error: str | None) -> None:
        from jobs.console import Console
        Console(self.redact).print_json({
            "publisher": self.name, "started_at": format_time(self.now), "outcome": outcome, "message": self.message,
            "duration_ms": round(self.stopwatch.elapsed_ms(), 1), "error": error})


class _AllPublishers(Job):
    """The run that starts the others."""

    kind = "publishers"

    def __init__(self, arguments: Sequence[str]) -> None:
        names = ", ".join(publishers.names()) or "none yet"
        super().__init__("publishers", option_parser(
            "python -m publishers", "Run all enabled publishers, one after the other.",
            f"Publishers: {names}. Each also runs by itself: python -m publishers.NAME").parse_args(arguments))

    def enabled(self) -> list[str]:
        """Return the names of the enabled publishers; report a configuration in which there are none to be found."""
        configuration, error = config.survey(
            self.path, dict.fromkeys(plugins.names("collectors")),
            {name: publishers.load(name).Settings for name in publishers.names()})
        names = [name for name, settings in configuration.publishers.items() if settings.enabled]
        if isinstance(error, ConfigurationError) and not names:
            self._report_configuration(error, configuration.logging)
        return names


def _run_process(name: str, arguments: Sequence[str]) -> int:
    with subprocess.Popen([sys.executable, "-m", f"publishers.{name}", *arguments]) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
