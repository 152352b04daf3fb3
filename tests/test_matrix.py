"""What `make matrix` counts and writes, and that it does not skip in silence."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import matrix
from tests.checkout import CHECKOUT

LOG = """
FAILED tests/test_a.py::test_b - assert 3 == 4 in 5.6s
2 failed, 30 passed, 4 skipped, 5 deselected, 6 xfailed, 1 error in 78.90s (0:01:18)
1 passed, 41 deselected in 0.53s
"""
PAGE = """# Where it runs

| system | Python | SQLite | passed | failed | skipped | date |
|---|---|---|---|---|---|---|
| this machine | 3.11.7 | 3.40.1 | 1 | 2 | 3 | 2026-11-01 |
| Debian sid | 3.14.10 | 3.53.4 | 1 | 2 | 3 | 2026-11-01 |

More.
"""


def test_both_runs_are_added_up() -> None:
    assert matrix.counted(LOG) == {"passed": 31, "failed": 3, "skipped": 4}


def test_a_run_that_broke_off_is_a_failure() -> None:
    assert matrix.counted("Segmentation fault\n1 passed in 0.53s\n") == {"passed": 1, "failed": 1, "skipped": 0}


def test_a_row_is_replaced_by_the_one_of_the_same_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "platforms.md"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(matrix, "PAGE", page)
    matrix.write_table([f"| this machine | {versions} | 9 | 0 | 0 | 2026-12-01 |"
                        for versions in ("3.12.1 | 3.40.1", "3.11.7 | 3.40.1")])
    rows = page.read_text(encoding="utf-8").splitlines()[4:7]
    assert [(row.split(" | ")[1], row.split(" | ")[-1]) for row in rows] == [
        ("3.11.7", "2026-12-01 |"), ("3.12.1", "2026-12-01 |"), ("3.14.10", "2026-11-01 |")]
    assert page.read_text(encoding="utf-8").endswith("|\n\nMore.\n")


def test_without_debootstrap_it_says_that_debian_is_left_out() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.matrix", "debian"], cwd=CHECKOUT, env={"PATH": "/nowhere"},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout.startswith("SKIPPED: Debian's newest needs root and debootstrap")) == (0, True)
