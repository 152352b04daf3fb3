"""docs/fleet.md: its SQL runs in the order of the page, and a house's role reaches its own rows only."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

import publishers
from tests.checkout import CHECKOUT
from tests.contrib import record
from tests.contrib.postgresql import FOLDERS, PostgreSQL
from tests.home import Home, Outcome

PAGE = (CHECKOUT / "docs" / "fleet.md").read_text("utf-8")
PREPARATION, QUESTIONS = (re.findall(r"^```sql\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
                          for part in PAGE.split("\n## What a central dashboard asks\n"))
HOUSE = "harbour-street-5"
# When to ask: the record is of two days in November 2026, and is published today.
MOMENTS = ["2100-01-01 00:00Z", "2026-11-20 12:00Z", "2026-12-05 00:00Z", "2026-11-20 12:00Z"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("house"))
    record.build(home.database)
    return home


@pytest.fixture(scope="module")
def server(house: Home) -> Iterator[PostgreSQL]:
    """A server that was set up as the page says, to which a house has published with its own role."""
    if "postgres" not in publishers.names() or find_spec("psycopg") is None:
        pytest.skip("there is no publisher postgres here, or no package psycopg")
    if not FOLDERS:
        pytest.skip("there is no PostgreSQL here (Debian's package postgresql)")
    with PostgreSQL() as server:
        assert publish(house, server, HOUSE, "postgres", "--setup").code == 0
        for statements in PREPARATION:
            server.rows(statements)
        run = publish(house, server, HOUSE, HOUSE)
        assert run.code == 0, run
        yield server


def publish(home: Home, server: PostgreSQL, house_id: str, role: str, *arguments: str) -> Outcome:
    home.write_config(publishers={"postgres": {"enabled": True, "house_id": house_id}})
    home.write_secrets({"postgres": {"dsn": server.dsn.replace("user=postgres", f"user={role}")}})
    return home.process(*arguments, module="publishers.postgres")


def count(server: PostgreSQL, role: str) -> int:
    return int(server.rows("SELECT COUNT(*) AS number FROM home_monitor.readings", user=role)[0]["number"])


def test_a_houses_role_publishes_into_partitions(server: PostgreSQL, house: Home) -> None:
    stored = house.rows("SELECT COUNT(*) AS number FROM readings")[0]["number"]
    assert count(server, "grafana") == count(server, HOUSE) == stored
    november, = server.rows("SELECT COUNT(*) AS number FROM home_monitor.readings_2026_11")
    assert int(november["number"]) == stored


def test_a_house_cannot_publish_as_another(server: PostgreSQL, house: Home) -> None:
    assert publish(house, server, "another-house", HOUSE).code == 2
    assert server.rows("SELECT house_id FROM home_monitor.houses") == [{"house_id": HOUSE}]


@pytest.mark.parametrize(("query", "now"), [*zip(QUESTIONS, MOMENTS, strict=True)])
def test_a_question_is_answered_for_those_who_may_only_read(query: str, now: str, server: PostgreSQL) -> None:
    assert server.rows(query.replace("now()", f"timestamptz '{now}'"), user="grafana")
