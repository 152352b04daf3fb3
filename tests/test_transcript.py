"""The first session in docs/commands.md is up to date."""

import re
from pathlib import Path

from tests.transcript import documented, normalised, record


def test_a_new_user_sees_the_first_session_of_the_readme(tmp_path: Path) -> None:
    """From a fresh checkout: pair, collect, list, rename, collect, list, gaps."""
    assert normalised(documented()) == normalised(record(tmp_path / "monitor"))


def test_how_long_a_session_takes_makes_no_other_one_of_it() -> None:
    slow = re.sub(r"  \d s  ", "  7 s  ", documented())
    assert slow != documented() and normalised(slow) == normalised(documented())
