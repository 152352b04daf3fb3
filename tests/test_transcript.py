"""The first session in README.md is what a new user sees today."""

import re
from pathlib import Path

from tests.transcript import likened, record, told


def test_the_first_session_in_the_readme_is_what_happens(tmp_path: Path) -> None:
    """From a fresh checkout: pair, collect, list, rename, collect, list, gaps."""
    assert likened(told()) == likened(record(tmp_path / "monitor"))


def test_how_long_a_session_takes_makes_no_other_one_of_it() -> None:
    slow = re.sub(r"  \d s  ", "  7 s  ", told())
    assert slow != told() and likened(slow) == likened(told())
