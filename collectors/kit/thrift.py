"""Spares every process the import of `inspect`, and of the compiler's tools that come with it: a fifth of a cold start.

The standard library's `dataclasses` imports it for the docstring of classes that have none of their own (Python 3.11 to
3.13), and ours have one. So it is handed a stand-in, which imports the real one once somebody does ask. Everybody else
who imports `inspect` has the real one. To be imported before any dataclass is made, which `collectors` sees to.
"""

import sys
from types import ModuleType


class _Inspect(ModuleType):
    def __getattr__(self, name: str) -> object:
        import inspect
        return getattr(inspect, name)


if sys.modules.keys().isdisjoint(("dataclasses", "inspect")):
    sys.modules["inspect"] = _Inspect("inspect")
    try:
        import dataclasses  # noqa: F401  # which keeps the stand-in for good
    finally:
        del sys.modules["inspect"]
