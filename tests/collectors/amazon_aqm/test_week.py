"""A fortnight of both collectors side by side, in which the Alexa cloud and the way to it go through all that they can.

The cookies die again and again; the network is away for six hours, the cloud throttles for two hours and for a day, refuses
once, shows frozen samples for a day, and the wrong country for another; for three days the refresh token is dead until a
human pairs again. Both collectors run all that time in this process, by a clock that is
moved; what they left is compared with what the house was like. To save time they run every 15 minutes; WEEK_MINUTES=5
in the environment makes it the five that cron has.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache

import pytest
from freezegun import freeze_time

from collectors import amazon_aqm, hue
from tests.home import Home, Outcome
from tests.mail_server import Mail, MailServer
from tests.simulator.house import House
from tests.simulator.server import Simulator

MONDAY = datetime(2026, 11, 23, tzinfo=timezone.utc)
EVERY = timedelta(minutes=int(os.environ.get("WEEK_MINUTES", "15")))
DAYS = 14
CYCLES = timedelta(days=DAYS) // EVERY
pytestmark = pytest.mark.slow
ALERT = "ALERT_TOKEN_REFRESH_NEEDED.txt"
COLUMNS = {"temperature_celsius": "temperature", "humidity_percent": "humidity", "voc_index": "voc",
           "pm25_ugm3": "pm25", "pm10_ugm3": "pm10", "co_ppm": "co", "iaq_score": "iaq"}


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


AWAY = at(33), at(39)
THROTTLED = at(57), at(59)
DEAD = at(82), at(153)
REFUSED = at(180), at(180.2)  # right after an exchange that succeeded
THROTTLED_DAY = at(200), at(224)
FRESH = timedelta(hours=3)  # so long a value is stored that no other has followed
FROZEN = at(240), at(264)
ABROAD = at(290), at(314)
# Every six hours, sooner than cookies are renewed by themselves; one while the network is away, one during a pause.
EXPIRIES = [at(hours) for hours in [11.5 + 6 * turn for turn in range(26)] if not DEAD[0] <= at(hours) < DEAD[1]]


@dataclass(frozen=True)
class Visit:
    """What one cycle of each collector came to, and what the cloud was asked at it."""

    moment: datetime
    amazon: Outcome
    hue: Outcome
    asked: list[str]
    alerted: bool


@dataclass(frozen=True)
class Week:
    """The results of the week: the home, the house it stood in, each cycle, and the mails."""

    home: Home
    simulator: Simulator
    visits: list[Visit]
    mails: list[Mail]

    def during(self, span: tuple[datetime, datetime]) -> list[Visit]:
        return [visit for visit in self.visits if span[0] <= visit.moment < span[1]]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    home = Home(tmp_path_factory.mktemp("week") / "home")
    with MailServer() as server, Simulator() as simulator, as_before():
        cloud = simulator.cloud_url
        home.settings["collectors"]["amazon_aqm"] = {"enabled": True, "base_url": cloud, "auth_url": cloud}
        home.point_at(simulator)
        sign_in(home, simulator, server)
        simulator.faults.add("reset", face="alexa", start=AWAY[0], end=AWAY[1])
        for start, end in (THROTTLED, THROTTLED_DAY):
            simulator.faults.add("throttled", start=start, end=end)
        simulator.faults.add("403", start=REFUSED[0], end=REFUSED[1])
        simulator.faults.add("old-samples", start=FROZEN[0] - FRESH, end=FROZEN[1])
        yield Week(home, simulator, list(live(home, simulator, server)), server.mails)


def sign_in(home: Home, simulator: Simulator, server: MailServer) -> None:
    """Write the account's present token into secrets.yaml, as pairing does."""
    home.write_secrets({"hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id}, "email": server.section(),
                        "amazon_aqm": {"refresh_token": simulator.alexa.refresh_token}})


def live(home: Home, simulator: Simulator, server: MailServer) -> Iterator[Visit]:
    """Run both collectors at each of the week's cycles, with what happens in between."""
    alexa, asked = simulator.alexa, simulator.alexa.requests
    with freeze_time(MONDAY, real_asyncio=True) as clock:  # the mail server goes by the real time
        for moment in (MONDAY + EVERY * turn for turn in range(CYCLES)):
            clock.move_to(moment)
            simulator.clock = lambda now=moment: now  # type: ignore[misc]  # mypy takes the default for an argument
            if any(moment - EVERY < expiry <= moment for expiry in EXPIRIES):
                alexa.expire_cookies()
            if moment == DEAD[0]:
                alexa.revoke()
            if moment == DEAD[1]:
                alexa.new_refresh_token()
                sign_in(home, simulator, server)
            if moment in ABROAD:
                home.settings["collectors"]["amazon_aqm"]["domain"] = "amazon.de" if moment == ABROAD[0] else "amazon.co.uk"
                home.write_config()
            asked.clear()
            visit = home.run(collector=amazon_aqm)
            paths = [request.path.rpartition("/")[2] for request in asked]
            yield Visit(moment, visit, home.run(collector=hue), paths, (home.data / ALERT).exists())


@contextmanager
def as_before() -> Iterator[None]:
    """Restore what runs change in this process; the fixture for that has the scope of one test."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    level, raising, hook = logging.getLogger().level, logging.raiseExceptions, sys.excepthook
    try:
        yield
    finally:
        sys.excepthook, logging.raiseExceptions = hook, raising
        logging.getLogger().setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def attempts(span: tuple[datetime, datetime] = THROTTLED,
             pauses: Sequence[int] = (15, 30, 60, 120, 240)) -> list[datetime]:
    """Return when the cloud is asked, at the first cycle after each pause of so many minutes. The last attempt is well."""
    asked = [span[0]]
    while asked[-1] < span[1]:
        due = asked[-1] + timedelta(minutes=pauses[min(len(asked), len(pauses)) - 1])
        asked.append(MONDAY - (MONDAY - due) // EVERY * EVERY)
    return asked


def troubled() -> dict[str, tuple[datetime, datetime]]:
    """Return the spans in which the house offers no reading, by what a cycle comes to."""
    return {"away": AWAY, "throttled": (THROTTLED[0], attempts()[-1]), "dead": DEAD,
            "refused": (REFUSED[0], attempts(REFUSED, (5, 15, 60))[-1]),
            "throttled for a day": (THROTTLED_DAY[0], attempts(THROTTLED_DAY)[-1]), "frozen": (stale(), FROZEN[1]),
            "abroad": ABROAD}


def stale() -> datetime:
    """Return when the newest of the frozen samples becomes too old."""
    house, froze = House(), FROZEN[0] - FRESH
    newest = max(house.last_sample(house.monitors[0].serial, quantity, froze) for quantity in COLUMNS.values())
    return newest + FRESH + timedelta(seconds=1)


def is_readable(moment: datetime) -> bool:
    return not any(start <= moment < end for start, end in troubled().values())


@cache
def readable() -> list[datetime]:
    return [moment for moment in (MONDAY + EVERY * turn for turn in range(CYCLES)) if is_readable(moment)]


def test_the_week_is_as_it_is_meant_to_be(week: Week) -> None:
    assert len(week.visits) == CYCLES and not timedelta(hours=24) % EVERY


def test_every_reading_that_could_be_had_is_stored_once(week: Week) -> None:
    rows = week.home.rows("SELECT timestamp FROM readings WHERE device_type = 'alexa_aqm' ORDER BY id")
    assert [datetime.fromisoformat(row["timestamp"]) for row in rows] == readable()


def test_no_reading_of_the_air_is_false(week: Week) -> None:
    house, serial = week.simulator.house, week.simulator.alexa.serial
    rows = week.home.rows("SELECT * FROM readings WHERE device_type = 'alexa_aqm'")
    assert rows
    for row in rows:
        moment, measured_at = (datetime.fromisoformat(row[name]) for name in ("timestamp", "measured_at"))
        if FROZEN[0] - FRESH <= moment < FROZEN[0]:
            moment = FROZEN[0] - FRESH
        assert measured_at == max(house.last_sample(serial, quantity, moment) for quantity in COLUMNS.values())
        for column, quantity in COLUMNS.items():
            sampled = house.last_sample(serial, quantity, moment)
            assert row[column] == house.air_truth(serial, quantity, sampled), (moment, column)


def test_each_death_of_the_cookies_costs_one_exchange_and_one_repeat(week: Week) -> None:
    """US2-2, EDGE-5."""
    deaths = [visit for visit in week.visits if visit.asked == ["graphql", "cookies", "graphql"]]
    assert {next(moment for moment in readable() if moment >= expiry) for expiry in EXPIRIES} >= {
        visit.moment for visit in deaths if is_readable(visit.moment)}
    assert len(deaths) >= 10 and {visit.amazon.code for visit in deaths if is_readable(visit.moment)} == {0}


def test_a_normal_day_is_one_request_a_cycle_and_a_few_more(week: Week) -> None:
    """At most 300 with a cycle every five minutes."""
    per_day = timedelta(days=1) // EVERY
    days = [week.visits[first:first + per_day] for first in range(0, CYCLES, per_day)]
    normal = [day for day in days if all(is_readable(visit.moment) for visit in day)]
    assert len(normal) >= 2
    assert max(sum(len(visit.asked) for visit in day) for day in normal) <= per_day + 12


def test_while_the_network_is_away_each_cycle_tries_without_alerting(week: Week) -> None:
    visits = week.during(AWAY)
    assert {visit.amazon.code for visit in visits} == {1}
    assert {len(visit.asked) for visit in visits} == {3}
    assert not any(visit.alerted for visit in visits)


def test_a_throttling_cloud_is_left_alone_for_a_growing_while(week: Week) -> None:
    visits = [visit for span in (THROTTLED, THROTTLED_DAY) for visit in week.during((span[0], attempts(span)[-1]))]
    assert [visit.moment for visit in visits if visit.asked] == attempts()[:-1] + attempts(THROTTLED_DAY)[:-1]
    assert {len(visit.asked) for visit in visits if visit.moment not in (THROTTLED[0], THROTTLED_DAY[0])} <= {0, 1, 2}
    assert {visit.amazon.code for visit in visits} == {1}
    assert not any(visit.alerted for visit in visits)


def test_a_dead_login_is_asked_for_ever_more_rarely(week: Week) -> None:
    visits = week.during(DEAD)
    assert {visit.amazon.code for visit in visits} == {2}
    assert [(visit.moment - DEAD[0]) / timedelta(hours=1) for visit in visits if visit.asked] == [
        0, 0.25, 1.25, 5.25, 29.25, 53.25]


@pytest.mark.parametrize(("span", "codes", "outcomes"), [
    (REFUSED, {1}, {"unreachable"}), (FROZEN, {0}, {"ok"}), (ABROAD, {1}, {"not_understood"})])
def test_what_passes_raises_no_alert(
        span: tuple[datetime, datetime], codes: set[int], outcomes: set[str], week: Week) -> None:
    visits = week.during(span)
    assert visits and {visit.amazon.code for visit in visits} == codes and not any(visit.alerted for visit in visits)
    rows = week.home.rows("SELECT started_at, outcome FROM collection_cycles WHERE collector = 'amazon_aqm'"
                          " AND (requests > 0 OR outcome != 'throttled')")
    assert {row["outcome"] for row in rows if span[0] <= datetime.fromisoformat(row["started_at"]) < span[1]} == outcomes


def test_the_alert_stands_while_the_login_is_dead_and_at_no_other_time(week: Week) -> None:
    """FR-011, US2-3."""
    assert [visit.moment for visit in week.visits if visit.alerted] == [visit.moment for visit in week.during(DEAD)]
    log = week.home.log()
    assert (log.count("alert raised"), log.count("alert cleared")) == (1, 1)


def test_two_mails_arrive(week: Week) -> None:
    needed, over = week.mails
    assert "] The home monitor needs a human: Amazon refuses our login" in needed.subject
    assert "raised_at: 2026-11-26T10:00:00+00:00" in needed.body and "pair amazon_aqm" in needed.body
    assert "] Home monitor: amazon_aqm" in over.subject


def test_all_is_well_at_every_other_cycle(week: Week) -> None:
    well = [visit.amazon for visit in week.visits if is_readable(visit.moment)]
    assert len(well) == len(readable()) > CYCLES / 3 and set(well) == {Outcome(0, "", "")}


def test_cron_hears_of_each_trouble_at_once_and_then_once_a_day(week: Week) -> None:
    heard = [visit.moment for visit in week.visits if visit.amazon.err]
    days = [timedelta(days=number) for number in range(3)]
    assert heard == [AWAY[0], THROTTLED[0], *(DEAD[0] + day for day in days), REFUSED[0], THROTTLED_DAY[0],
                     THROTTLED_DAY[0] + days[1], ABROAD[0]]


def test_the_cycles_rows_agree(week: Week) -> None:
    rows = week.home.rows("SELECT outcome, count(*) AS cycles, sum(requests) AS requests FROM collection_cycles"
                          " WHERE collector = 'amazon_aqm' GROUP BY outcome")
    visits = {name: week.during(span) for name, span in troubled().items()}
    waiting = [visit for visit in visits["refused"] if not visit.asked]
    refused = [visit for visit in visits["refused"] if visit.asked]
    expected = {"unreachable": visits["away"] + refused, "not_authorised": visits["dead"], "not_understood": visits["abroad"],
                "throttled": visits["throttled"] + visits["throttled for a day"] + waiting}
    assert {row["outcome"]: (row["cycles"], row["requests"]) for row in rows if row["outcome"] != "ok"} == {
        outcome: (len(seen), sum(len(visit.asked) for visit in seen)) for outcome, seen in expected.items()}
    assert "ok" in [row["outcome"] for row in rows]


def test_the_hue_collector_has_noticed_nothing(week: Week) -> None:
    """EDGE-5."""
    assert {visit.hue for visit in week.visits} == {Outcome(0, "", "")}
    cycles = week.home.rows("SELECT outcome, requests, retries FROM collection_cycles WHERE collector = 'hue'")
    assert cycles == [{"outcome": "ok", "requests": 1, "retries": 0}] * CYCLES


def test_every_sensor_is_stored_at_every_cycle_with_its_true_value(week: Week) -> None:
    house = week.simulator.house
    rows = week.home.rows("SELECT * FROM readings WHERE device_type = 'hue_sensor'")
    expected = {(f"hue:{sensor.uniqueid()}", MONDAY + EVERY * turn) for sensor in house.sensors
                for turn in range(CYCLES)}
    assert len(rows) == CYCLES * len(house.sensors)
    assert {(row["device_id"], datetime.fromisoformat(row["timestamp"])) for row in rows} == expected
    for row in rows:
        measured_at = datetime.fromisoformat(row["measured_at"])
        assert row["temperature_celsius"] == house.truth(row["device_id"].removeprefix("hue:"), measured_at)
