"""Starts and ends a short process cheaply: two imports that requests does without, and an exit without clean-up.

docs/performance.md says what each saves. Nothing else of the standard library or of a package is replaced.
"""

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
    """Stands in for importlib.metadata, which it imports once `version` is called, or at once for any other name."""

    def version(self, package: str) -> str:
        """Return the version of an installed package."""
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
    """Import requests in the block without what it would never use here; modules imported before it stay.

    urllib3 imports importlib.metadata for the version of its HTTP/2 package, which is never switched on; requests
    imports charset_normalizer or chardet to guess the encoding of a text, and ours arrive as bytes, in UTF-8.
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
    """End the process with an exit code once its output is flushed. Its files must be closed; no exit handler runs.

    Taking the interpreter apart costs as much time as SQLite does in a cycle.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # a closed pipe, a closed stream, no stream
            stream.flush()
    os._exit(code)
