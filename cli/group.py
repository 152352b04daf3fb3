"""What devices.py and readings.py have in common: errors as one sentence and an exit code, and late imports."""

import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from runtime import log as log_file
from runtime.errors import HomeMonitorError, Unavailable
from runtime.startup import interruptible


class Commands(click.Group):
    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a terminal need not have every character
                stream.reconfigure(errors="replace")
        try:
            with interruptible():
                return super().invoke(context)
        except HomeMonitorError as error:
            context.obj.problems.report(error)
            raise SystemExit(error.exit_code) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has closed the pipe; click ends silently
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again when it exits, and complains
            what = error.filename or "the answer cannot be written"
            context.obj.problems.report(Unavailable(f"{what}: {error.strerror}"))
            raise SystemExit(1) from None
        finally:
            log_file.shut_down()


class LateCommands(Commands):
    """Commands by name; each is `main` of its module, which is imported when it is asked for."""

    modules: Mapping[str, str] = {}

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        command: click.Command | None = import_module(self.modules[name]).main if name in self.modules else None
        return command
