"""Saves a short process two imports and the clean-up at its exit (docs/performance.md)."""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NoReturn

METADATA = "importlib.metadata"
DETECTORS = ("charset_normalizer", "chardet")


class _LazyMetadata(ModuleType):
    """Stands in for importlib.metadata until `version` is called, or another name is used."""

    def version(self, package: str) -> str:
        return str(_metadata().version(package))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_metadata(), name)


def _metadata() -> Any:
    if isinstance(sys.modules.get(METADATA), _LazyMetadata):
        del sys.modules[METADATA]
    return importlib.import_module(METADATA)


@contextmanager
def skip_imports() -> Iterator[None]:
    """Import requests in the block without two imports that it makes and never uses here.

    urllib3 imports importlib.metadata for the version of its HTTP/2 package, which is never switched on; requests
    imports charset_normalizer or chardet to guess the encoding of a text, and ours is UTF-8.
    """
    stand_ins: dict[str, Any] = {METADATA: _LazyMetadata(METADATA), **dict.fromkeys(DETECTORS)}
    added = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(added)  # None makes an import fail, and requests goes on without
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests warns that it has no detector
            yield
    finally:
        for name, module in added.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def exit_fast(code: int) -> NoReturn:
    """Flush the output and end the process without exit handlers; its files must be closed.

    Taking the interpreter apart costs as much time as SQLite does in a cycle.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # a closed pipe, a closed stream, no stream
            stream.flush()
    os._exit(code)
