"""Spares every process what it would import and never use: a quarter of a cold start (docs/performance.md).

Libraries import at once what they need at rare moments. They are handed a stand-in, which imports the real module once
one of its functions is called, or go without where they can. Everybody else who imports those modules has them.

    inspect                       for dataclasses: the docstring of a class that has none (Python 3.11 to 3.13)
    importlib.metadata            for urllib3: the version of its HTTP/2 package, should somebody switch that on
    charset_normalizer, chardet   for requests: guessing the alphabet of a text; ours come as bytes, and are UTF-8

To be imported before any dataclass is made, which `collectors` sees to.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """A module's stand-in, all of whose attributes are functions that import the real one."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*arguments, **named)
        return call


@contextmanager
def sparing(later: Collection[str], without: Collection[str] = ()) -> Iterator[None]:
    """Let what is imported in the block have some modules later, and go without others, but for those already there."""
    stand_ins = {name: _Later(name) for name in later} | dict.fromkeys(without)
    away = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(away)  # type: ignore[arg-type]  # None there: such an import fails
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests complains of what it does without
            yield
    finally:
        for name in away:
            sys.modules.pop(name, None)


if "dataclasses" not in sys.modules:
    with sparing(["inspect"]):
        import dataclasses  # noqa: F401  # which keeps the stand-in for good
