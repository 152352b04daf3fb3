"""The health check's database_wal: the version of SQLite. Its other findings are in docs/running.md."""

import pytest

from health import database_wal

SOUND = [(3, 44, 6), (3, 44, 7), (3, 50, 7), (3, 51, 3), (3, 53, 0), (3, 54, 1), (4, 0, 0), (3, 6, 23)]
FAULTY = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 46, 1), (3, 50, 6), (3, 51, 2), (3, 52, 0)]


@pytest.mark.parametrize(("version", "level"), [*((version, "pass") for version in SOUND),
                                                *((version, "warn") for version in FAULTY)])
def test_a_library_with_the_wal_reset_bug_is_a_warning(version: tuple[int, int, int], level: str) -> None:
    """https://www.sqlite.org/wal.html#walresetbug: fixed in 3.51.3 and 3.53.0, and in 3.44.6 and 3.50.7."""
    finding = database_wal.library(version)
    assert finding.level == level and ".".join(map(str, version)) in finding.sentence
