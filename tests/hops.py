"""Trace a run: how many of the program's files it enters, how often it calls from one into another, how deep.

    python -m tests.hops MODULE [ARGUMENT...]

A file is entered when a function or the body of a class in it runs. Prints JSON.
"""

import json
import os
import runpy
import sys
from types import FrameType
from typing import Any, NoReturn

from tests.checkout import CHECKOUT, ROOMS

PLACES = (*(f"{CHECKOUT / name}/" for name in ROOMS), *map(str, CHECKOUT.glob("*.py")))


class Walk:
    """A profile function that counts."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.stack: list[str] = []
        self.hops = self.depth = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event not in ("call", "return") or frame.f_code.co_name == "<module>" or not file.startswith(PLACES):
            return
        if event == "return":
            if self.stack:
                self.stack.pop()
            return
        self.hops += bool(self.stack) and self.stack[-1] != file
        self.stack.append(file)
        self.files.add(file)
        self.depth = max(self.depth, len(self.stack))


def leave(code: int) -> NoReturn:
    """End as os._exit does, but let the tracer print."""
    raise SystemExit(code)


def main() -> int:
    sys.argv.pop(0)
    walk, code = Walk(), 0
    vars(os)["_exit"] = leave
    sys.setprofile(walk)
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.setprofile(None)
    print(json.dumps({"exit": code, "files": len(walk.files), "hops": walk.hops, "depth": walk.depth}))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
