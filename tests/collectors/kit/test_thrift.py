"""What a cold start does without, and that nobody misses it."""

import subprocess
import sys

import pytest

from tests.home import CHECKOUT


def output(code: str) -> str:
    """Return what a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("program", ["healthcheck", "collectors.kit.cycle"])
def test_no_program_starts_by_importing_inspect(program: str) -> None:
    assert output(f"import collectors, sys, {program}; print('inspect' in sys.modules)") == "False\n"


def test_dataclasses_find_inspect_where_they_need_it() -> None:
    assert output("import collectors, dataclasses\n@dataclasses.dataclass\nclass Room:\n    celsius: float = 20.5\n"
                  "print(Room.__doc__)") == "Room(celsius: float = 20.5)\n"


def test_everybody_else_has_the_real_inspect() -> None:
    assert output("import collectors, inspect, dataclasses\n"
                  "print(inspect.getfile(inspect) == inspect.__file__, inspect.getmodule(dataclasses.field).__name__)"
                  ) == "True dataclasses\n"
