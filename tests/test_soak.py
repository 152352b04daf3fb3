"""An hour and a half of all collectors and two publishers under mishaps, as in `make soak`, which lasts for weeks."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from tests import fake_clock
from tests.soak import __main__ as soak
from tests.soak import report
from tests.soak.account import Account
from tests.soak.destinations import missing
from tests.soak.plan import HOUR, PHASES, Phase, draw

DEVICES = 7


@pytest.fixture(scope="module")
def hour() -> Account:
    if not fake_clock.library():
        pytest.skip("NOT PROVEN: Debian's package libfaketime is not installed")
    if packages := missing():
        pytest.skip(f"NOT PROVEN: of Debian's packages {packages} is not installed")
    return soak.run_phase(HOUR, seed=1)


@pytest.mark.slow
def test_an_hour_of_mishaps_leaves_nothing_unexplained(hour: Account) -> None:
    """SC-001, SC-002: real cron lines side by side, each at its time; all readings are stored, correct and once.

    SC-008, US1-4.
    """
    assert hour.problems == []
    counts = hour.counts
    assert counts["stored"] == counts["could be read"] > 0.8 * DEVICES * counts["cycles"]
    assert (counts["false"], counts["duplicates"], counts["lock errors"]) == (0, 0, 0)
    assert counts["transient locks"] == counts["of them survived"] == 3
    assert counts["differences at the destinations"] == 0


@pytest.mark.slow
def test_the_mishaps_of_the_hour_had_an_effect(hour: Account) -> None:
    counts = hour.counts
    assert counts["could not be read"] == {"login revoked": 2, "network away": 7}
    assert counts["exit codes"]["exit 1"] == 8 and counts["exit codes"]["exit 2"] == 10
    assert counts["retries of requests"]["recovered"] == 2 and counts["retries of requests"]["exhausted"] >= 2
    assert (counts["alerts raised"], counts["alerts cleared"]) == (2, 2)
    assert counts["e-mails"] == counts["calls of the webhook"] == 4
    assert counts["health checks"] == 1


@pytest.mark.parametrize("phase", PHASES.values(), ids=lambda phase: phase.name)
def test_the_same_seed_draws_the_same_mishaps(phase: Phase) -> None:
    assert draw(phase, seed=1) == draw(phase, seed=1) != draw(phase, seed=2)


@pytest.mark.parametrize("phase", PHASES.values(), ids=lambda phase: phase.name)
def test_every_mishap_has_its_cycles_to_itself(phase: Phase) -> None:
    """Short ones aside, which may fall into a lasting one."""
    lasting = [mishap for mishap in draw(phase, seed=3) if mishap.kind != "kill -9"]
    assert all(earlier.end <= later.start for earlier, later in zip(lasting, lasting[1:]))
    assert Counter(mishap.kind for mishap in lasting) >= Counter(kind for kind, _ in phase.mishaps)


@pytest.mark.slow
def test_the_report_is_made_of_the_phases_results(hour: Account, tmp_path: Path) -> None:
    result = {"seed": 7, **asdict(hour), "problems": ["the moon fell down"]}
    result["measured"] = {**hour.measured, "minutes the phase took": 1.5}
    (tmp_path / "day.json").write_text(json.dumps(result), encoding="utf-8")
    report.write(tmp_path, tmp_path / "soak.md")
    page = (tmp_path / "soak.md").read_text(encoding="utf-8")
    assert f"| **stored** | {hour.counts['stored']} |" in page and "- the moon fell down" in page
    assert "python -m tests.soak day --seed 7" in page and "network away: each connection" in page
