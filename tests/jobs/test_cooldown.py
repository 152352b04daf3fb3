"""How long a source is not asked: as long as it requests, within reason, or until a human has acted."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs import cooldown
from runtime.errors import BadAnswer, NotAuthorised, NotUnderstood, RemoteError, Throttled
from storage.reading import Reading
from storage.state import State
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.storage.samples import NOW

DAY = 86_400
ALERT = "ALERT_MADE_UP_NEEDS_YOU.txt"


@dataclass
class Source:
    """A made-up source that counts how often it is asked, and answers with an error or a reading."""

    home: Home
    error: Exception | None
    asked: int = 0
    codes: list[int] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def cycle(self, hours: float) -> int:
        """Run a cycle at that hour; return how often the source has been asked until then."""
        module = source()
        module.collect = self._collect
        with at(hours):
            outcome = self.home.run(collector=module)
        self.codes.append(outcome.code)
        self.printed.append(outcome.err)
        return self.asked

    def _collect(self, _settings: Any, _secrets: Any, _http: Any, _state: Any, now: Any) -> Iterator[Reading]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        yield degrees(20)(now)


def refused(seconds: float | None = DAY) -> NotAuthorised:
    """Return the error of a dead login."""
    return NotAuthorised("the login is refused", "python devices.py pair made_up", retry_after=seconds)


@pytest.fixture
def written(home: Home) -> Home:
    home.write_config()
    home.write_secrets({"made_up": {"token": "a-token-of-some-length"}})
    return home


def test_a_dead_login_is_tried_once_a_day_and_reported_every_time(written: Home) -> None:
    dead = Source(written, refused())
    assert [dead.cycle(hours) for hours in (0, 0.1, 12, 23.9, 24, 24.1, 47.9, 48)] == [1, 1, 1, 1, 2, 2, 2, 3]
    assert dead.codes == [2] * 8
    alert = (written.data / ALERT).read_text()
    assert "\noccurrences: 8\n" in alert and "\nerror: the login is refused\n" in alert
    assert "\nremedy: python devices.py pair made_up\n" in alert
    assert [row["outcome"] for row in written.cycles()] == ["not_authorised"] * 8


def test_a_dead_login_is_tried_at_once_when_the_secrets_or_the_configuration_changed(written: Home) -> None:
    """A human may have paired again, or corrected the country."""
    dead = Source(written, refused())
    assert [dead.cycle(0), dead.cycle(1)] == [1, 1]
    os.utime(written.secrets)
    assert [dead.cycle(2), dead.cycle(3)] == [2, 2]
    written.secrets.unlink()
    assert [dead.cycle(4), dead.cycle(5)] == [3, 3]
    os.utime(written.config)
    assert [dead.cycle(6), dead.cycle(7)] == [4, 4]
    written.write_secrets({})
    dead.error = None
    assert dead.cycle(8) == 5 and dead.codes == [2] * 8 + [0] and not (written.data / ALERT).exists()


def test_after_a_success_nothing_is_left_of_a_pause(written: Home) -> None:
    fixed = Source(written, refused())
    fixed.cycle(0)
    fixed.error = None
    assert [fixed.cycle(hours) for hours in (24, 24.1, 24.2)] == [2, 3, 4] and fixed.codes == [2, 0, 0, 0]
    assert "pause" not in json.loads((written.data / "made_up.session.json").read_text())


def test_a_refusal_that_names_no_time_is_tried_at_every_cycle(written: Home) -> None:
    """As for a local bridge, which is cheap to ask."""
    local = Source(written, refused(None))
    assert [local.cycle(hours) for hours in (0, 0.1, 0.2)] == [1, 2, 3] and local.codes == [2, 2, 2]


@pytest.mark.parametrize("error", [Throttled("slower", retry_after=3600), BadAnswer("503", retry_after=3600)])
def test_a_requested_pause_is_kept_and_needs_no_human(written: Home, error: Exception) -> None:
    busy = Source(written, error)
    assert [busy.cycle(hours) for hours in (0, 0.5, 0.99, 1.01)] == [1, 1, 1, 2]
    assert busy.codes == [1] * 4 and not (written.data / ALERT).exists()
    assert [row["outcome"] for row in written.cycles()][1:3] == ["throttled"] * 2
    assert "not asked until 2026-11-22T01:00:00+00:00" in written.log()


def test_a_pause_is_the_same_trouble_as_the_error_that_began_it(written: Home) -> None:
    """Another server error is another trouble."""
    busy = Source(written, BadAnswer("HTTP 503 at the source", retry_after=3600))
    for hours in (0, 0.5, 1.01, 1.5):
        busy.cycle(hours)
    busy.error = BadAnswer("HTTP 502 at its proxy", retry_after=3600)
    for hours in (2.1, 2.5):
        busy.cycle(hours)
    assert [bool(text) for text in busy.printed] == [True, False, False, False, True, False]


def test_changed_secrets_do_not_end_a_requested_pause(written: Home) -> None:
    busy = Source(written, Throttled("slower", retry_after=3600))
    busy.cycle(0)
    os.utime(written.secrets)
    assert busy.cycle(0.5) == 1


@pytest.mark.parametrize("seconds", [14_401, 1e9, 1e18, 1e308, math.inf])
def test_no_requested_pause_is_longer_than_4_hours_and_no_refusal_than_24(written: Home, seconds: float) -> None:
    throttling, dead = Source(written, Throttled("slower", retry_after=seconds)), Source(written, refused(seconds * 6))
    assert [throttling.cycle(hours) for hours in (0, 3.9, 4.1)] == [1, 1, 2]
    assert [dead.cycle(hours) for hours in (10, 33.9, 34.1)] == [1, 1, 2]


@pytest.mark.parametrize("seconds", [0, -1, -1e18, -math.inf, math.nan])
def test_a_wait_of_nothing_is_no_pause(written: Home, seconds: float) -> None:
    for error, code in ((Throttled("slower", retry_after=seconds), 1), (refused(seconds), 2)):
        odd = Source(written, error)
        assert [odd.cycle(hours) for hours in (0, 0.1)] == [1, 2] and odd.codes == [code, code]


@pytest.mark.parametrize("error", [refused(), Throttled("slower", retry_after=3600)])
def test_a_clock_that_was_set_back_or_forward_ends_a_pause(written: Home, error: Exception) -> None:
    """While the clock was wrong a pause until next year was saved."""
    dead = Source(written, error)
    assert [dead.cycle(hours) for hours in (9000, 0, 0.5, 9000)] == [1, 2, 2, 3]


@pytest.mark.parametrize("kept", [
    None, 5, "soon", [], {}, {"until": "2026-11-22T02:00:00+00:00"},
    *({"until": until, "error": "slower", "remedy": "", "refused": False, "written": [0]} for until in (
        "", "soon", 5, None, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45", "NaN")),
    {"until": "2026-11-22T02:00:00+00:00", "error": None, "remedy": "", "refused": False, "written": [0]},
    {"until": "2026-11-22T02:00:00+00:00", "error": "", "remedy": "", "refused": None, "written": [0]},
])
def test_a_damaged_pause_is_ignored(written: Home, kept: object) -> None:
    (written.data / "made_up.session.json").write_text(json.dumps({"pause": kept}))
    well = Source(written, None)
    assert (well.cycle(1), well.codes) == (1, [0])


def test_a_pause_without_a_zone_is_read_as_utc(tmp_path: Path) -> None:
    state = State(tmp_path / "made_up.session.json")
    state["pause"] = {"until": "2026-11-22T01:00:00", "error": "slower", "remedy": "", "refused": False,
                       "written": [0]}
    assert isinstance(cooldown.active(state, NOW, tmp_path / "secrets.yaml"), Throttled)


@pytest.mark.parametrize("error", [
    None, NotUnderstood("what"), RemoteError("eh"), KeyError("ours"), Throttled("slower")])
def test_every_other_answer_ends_a_pause(tmp_path: Path, error: Exception | None) -> None:
    """The source has been asked again, so its earlier answer no longer counts."""
    state, secrets = State(tmp_path / "made_up.session.json"), tmp_path / "secrets.yaml"
    cooldown.record(state, Throttled("slower", retry_after=60), NOW, secrets)
    assert cooldown.active(state, NOW, secrets) is not None
    cooldown.record(state, error, NOW, secrets)
    assert "pause" not in state and cooldown.active(state, NOW, secrets) is None


@pytest.mark.parametrize(("seconds", "is_kept"), [(-1, False), (0, False), (1, True), (None, False)])
def test_a_pause_of_a_second_is_kept(tmp_path: Path, seconds: float | None, is_kept: bool) -> None:
    state = State(tmp_path / "made_up.session.json")
    cooldown.record(state, Throttled("slower", retry_after=seconds), NOW)
    assert ("pause" in state) == is_kept
