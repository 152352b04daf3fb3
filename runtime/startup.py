"""Spares every process what it would import and never use: a quarter of a cold start (docs/performance.md).

Libraries import at once what they need at rare moments. They are handed a stand-in, which imports the real module once
it is used, or go without where they can. Everybody else who imports those modules has them.

    inspect                       for dataclasses: the docstring of a class that has none (Python 3.11)
    ipaddress                     for urllib.parse, and so for pathlib: hosts in brackets
    traceback                     for logging: exceptions in the log
    importlib.metadata            for urllib3: the version of its HTTP/2 package, should somebody switch that on
    charset_normalizer, chardet   for requests: guessing the alphabet of a text; ours come as bytes, and are UTF-8

They also compile a hundred regular expressions at once, most of which a run never uses: those wait for their first use.

To be imported before any dataclass is made, which `collectors` sees to.
"""

import importlib
import os
import re
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from types import ModuleType
from typing import Any, NoReturn

COMPILE = re.compile


class _Later(ModuleType):
    """A module's stand-in, which imports the real one for its attributes, but only once the block is over.

    What is imported from it by name before that must be a function, and waits until it is called.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(importlib.import_module(self.__name__), name)
        return lambda *arguments, **named: getattr(self, name)(*arguments, **named)


class _Pattern:
    """A regular expression that is compiled once it is used."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._compiled = cache(partial(COMPILE, *arguments, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled(), name)


@contextmanager
def sparing(later: Collection[str] = (), without: Collection[str] = ()) -> Iterator[None]:
    """Let what is imported in the block have its regular expressions and some modules later, and no others at all.

    Modules that are imported already stay.
    """
    stand_ins = {name: _Later(name) for name in later} | dict.fromkeys(without)
    away = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(away)  # type: ignore[arg-type]  # None means there that it cannot be imported
    try:
        re.compile = _Pattern  # type: ignore[assignment]  # which has all that a pattern has
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests complains of what it does without
            yield
    finally:
        re.compile = COMPILE
        for name in away:
            sys.modules.pop(name, None)


def leave(code: int) -> NoReturn:
    """End this process with that exit code, all of whose files are closed: dismantling Python takes as long as SQLite.

    Not for a process with something left to do at its exit.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it, it is closed, there is none
            stream.flush()
    os._exit(code)


with sparing(["inspect", "ipaddress"]):
    import dataclasses  # noqa: F401  # which keeps its stand-in for good
    import pathlib  # noqa: F401  # which keeps its stand-in for good
