"""readings.py import, from what export wrote and from another database."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, store
from tests.test_readings import run

START = datetime(2026, 10, 24, 22, 30, tzinfo=timezone.utc)


@pytest.fixture
def other(tmp_path: Path) -> Home:
    """A home with a night in which the clocks go back, and awkward names."""
    home = Home(tmp_path / "other")
    home.write_config()
    for number, name in enumerate(["Küche 部屋", "=Attic", "'quoted", "a,\"b\";\nc", "-1", "+x", "@y"] * 3):
        moment = START + timedelta(minutes=20 * number)
        store(home.database, a_cycle(a_reading(f"hue:{number % 2}", moment, name=name, location=name, battery_level=7,
                                               temperature_celsius=0.1 + 0.2 * number, raw_response="", measured_at=moment),
                                     at=moment))
    return home


def keys(home: Home) -> set[tuple[str, str]]:
    return {(row["device_id"], row["timestamp"]) for row in home.rows()}


@pytest.mark.parametrize("options", [(), ("--tz", "Europe/London"), ("--utc", "--excel")])
def test_what_was_exported_comes_back_equal(options: tuple[str, ...], written: Home, other: Home) -> None:
    store(written.database, a_cycle(outcome="unreachable"))  # an empty record
    for home, name in ((other, "first.csv"), (written, "second.csv")):
        assert run(home, "export", *options, "-o", str(other.folder / name)).code == 0
        if home is other:
            assert "21 of them new" in run(written, "import", "csv", str(other.folder / name)).out
    first, second = (other.folder / name for name in ("first.csv", "second.csv"))
    assert first.read_bytes() == second.read_bytes()
    assert "0 of them new" in run(written, "import", "csv", str(first)).out


def test_an_overlapping_database_gives_the_union(written: Home, other: Home) -> None:
    moment = START + timedelta(minutes=20)
    store(written.database, a_cycle(a_reading("hue:1", moment, temperature_celsius=9.0), at=moment))
    before = written.rows()
    both = keys(written) | keys(other)
    assert run(written, "import", "database", str(other.database), "--dry-run").code == 0
    assert written.rows() == before
    assert "20 of them new" in run(written, "import", "database", str(other.database)).out
    assert keys(written) == both and written.rows()[0] == before[0]
    rows = written.rows()
    assert "0 of them new" in run(written, "import", "database", str(other.database)).out
    assert written.rows() == rows


HEAD = b"timestamp,device_id,device_type,temperature_celsius\n"
GOOD = b"2026-11-01T00:00:00+00:00,hue:a,hue_sensor,20.5\n"


@pytest.mark.parametrize(("content", "named"), [
    (b"", "timestamp"), (b"SQLite format 3\0\xff\xfe", "UTF-8"), (HEAD.decode().encode("utf-16"), "UTF-8"),
    (HEAD + GOOD * 5 + b"soon,hue:a,hue_sensor,20\n", "line 7"), (HEAD + GOOD + b"2026-11-01T00:05", "line 3"),
    (HEAD + GOOD + GOOD.replace(b"20.5", b"nan"), "line 3"), (HEAD + GOOD.replace(b"hue:a", b""), "line 2"),
    (b"when,who\n1,2\n", "timestamp"), (HEAD.replace(b"celsius", b"kelvin"), "temperature_kelvin")])
def test_a_file_that_is_wrong_anywhere_changes_nothing(content: bytes, named: str, other: Home) -> None:
    path, before = other.folder / "wrong.csv", other.rows()
    path.write_bytes(content)
    outcome = run(other, "import", "csv", str(path))
    assert (outcome.code, outcome.out, outcome.err.count("\n"), named in outcome.err) == (2, "", 1, True)
    assert other.rows() == before


@pytest.mark.parametrize("name", ["data/readings.db", "config/config.yaml", "nowhere.db", "data"])
def test_what_is_not_another_database_is_refused(name: str, other: Home) -> None:
    before = other.rows()
    assert run(other, "import", "database", name).code == 2
    assert other.rows() == before
