"""Secrets that are easy to recognise, in a house where everything goes wrong: they must appear nowhere.

The scripts run as processes, with all their flags, against bridges and clouds that fail in every way, also by echoing
what they received. Everything is searched: the output, the log, the database, the alerts, the mails, and all other
files of the home, except those that keep secrets. Where only the answer differs, the processes are forked.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.canary_home import PASSWORD, CanaryHome
from tests.checkout import CHECKOUT, ROOMS
from tests.echo_server import EchoServer
from tests.home import Home
from tests.mail_server import MailServer
from tests.simulator.faults import ALEXA_KINDS, AT_THE_EXCHANGE, KINDS, ON_THE_WIRE
from tests.simulator.server import Simulator

pytestmark = pytest.mark.slow
BRIEF: dict[str, dict[str, Any]] = {  # options that make a fault take less time
    "gzip-bomb": {"megabytes": 9}, "oversized": {"megabytes": 9}, "delay": {"seconds": 1}}
FLAGS = (["-v", "--json"], ["-v", "--discover"], ["--json", "--dry-run"], ["-v"])
FAULTY = '''"""A source with a fault in it."""
import sys
from dataclasses import dataclass
import jobs.collect
from collectors import CollectorSettings, NoSecrets
from storage.reading import Reading
@dataclass(frozen=True)
class Settings(CollectorSettings):
    enabled: bool = True
@dataclass(frozen=True)
class Secrets(NoSecrets):
    token: str = ""
class Torn(Reading):
    def row(self):
        raise RuntimeError(f"torn at {self.model}")
def collect(settings, secrets, http, memory, now):
    Torn.model = secrets.token
    http.learn_secrets(["Simulated/SessionToken-only-just-learnt"])
    yield Torn(timestamp=now, device_id="faulty:1", device_type="faulty")
    try:
        {}["Simulated/SessionToken-only-just-learnt"]
    except KeyError as error:
        raise RuntimeError(f"{secrets.token!r} {quote(secrets.token)} {[secrets.token]}") from error
if __name__ == "__main__":
    jobs.collect.main(sys.modules[__name__])
'''


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with MailServer(login=("house", PASSWORD)) as running:
        yield running


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory, server: MailServer) -> Iterator[CanaryHome]:
    with Simulator() as simulator:
        yield CanaryHome(Home(tmp_path_factory.mktemp("canaries") / "home"), simulator, server)


@pytest.fixture
def house(canaries: CanaryHome) -> CanaryHome:
    canaries.reset()
    return canaries


@pytest.mark.parametrize(("face", "kind", "paths"), [
    *(("hue", kind, []) for kind in KINDS), *(("alexa", kind, ["/ap"]) for kind in ON_THE_WIRE),
    *(("alexa", kind, [] if kind in AT_THE_EXCHANGE else ["/nexus"]) for kind in ALEXA_KINDS)])
def test_nothing_shows_when_a_source_fails(face: str, kind: str, paths: list[str], house: CanaryHome) -> None:
    house.simulator.faults.add(kind, face=face, paths=paths, **BRIEF.get(kind, {}))
    house.fork(face, *FLAGS[:2])
    assert house.leaks() == []


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_nothing_shows_when_all_is_well_or_nothing_answers(flags: list[str], house: CanaryHome) -> None:
    assert [house.run("hue", *flags), house.run("alexa", *flags)] == [0, 0]
    house.configure("amazon_aqm", base_url="http://127.0.0.1:9")
    for address in ("https://127.0.0.1:9", "http://127.0.0.1:9"):
        house.configure("hue", bridge_ip=address, discovery_url=None)
        assert [house.run("hue", *flags), house.run("alexa", *flags)] == [1, 1]
    assert house.leaks() == []


ECHOES = [(200, "FORBIDDEN"), (200, "BAD_REQUEST"), (200, "UNKNOWN"), (200, "page"), (200, "text"),
              (200, "elsewhere"), (400, "UNKNOWN"), (401, "FORBIDDEN"), (404, "text"), (429, "UNKNOWN"), (500, "page")]
LENGTHS = [(0, 100_000), (60, 100_000), (0, 110)]  # padding, longest


@pytest.fixture
def echo(house: CanaryHome) -> Iterator[EchoServer]:
    """An echo server in place of the bridge and the cloud; without a plan it forwards everything."""
    with EchoServer(house.simulator.cloud_url) as echo:
        house.echo = echo
        house.configure("hue", bridge_ip=echo.url, discovery_url=f"{echo.url}/discovery")
        house.configure("amazon_aqm", base_url=echo.url, auth_url=echo.url)
        yield echo


@pytest.mark.parametrize(("status", "form"), ECHOES)
def test_a_bridge_that_echoes_is_not_quoted(status: int, form: str, house: CanaryHome, echo: EchoServer) -> None:
    """Its answers are cut somewhere, too: half a secret is one."""
    echo.plan = {"/api": (status, form), "/discovery": (status, form)}
    for echo.padding, echo.longest in LENGTHS:
        assert house.fork("hue", FLAGS[0]) in ([1], [2])
    assert echo.secrets == {house.simulator.key}
    assert house.leaks() == []


@pytest.mark.parametrize("asked", ["/nexus", "/ap"])
@pytest.mark.parametrize(("status", "form"), ECHOES)
def test_a_cloud_that_echoes_is_not_quoted(
        asked: str, status: int, form: str, house: CanaryHome, echo: EchoServer) -> None:
    echo.plan = {asked: (status, form)}
    for echo.padding, echo.longest in LENGTHS[1:]:
        assert house.fork("alexa", FLAGS[0]) in ([1], [2])
        (house.home.data / "amazon_aqm.session.json").unlink()
    assert len(echo.secrets) >= (7 if asked == "/nexus" else 1)
    assert house.leaks() == []


def test_nothing_shows_when_we_pair_with_the_bridge(house: CanaryHome) -> None:
    house.simulator.press_link_button()
    address = house.simulator.https_url
    before = house.home.secrets.read_text(encoding="utf-8")
    assert house.pair("hue", "--bridge", address) == 0
    assert house.home.secrets.read_text(encoding="utf-8") != before
    for kind in ("500", "not-json", "reset", "truncated"):
        house.simulator.faults.clear()
        house.simulator.faults.add(kind, paths=["/api", "/config"])
        house.pair("hue", "--bridge", address)
    assert house.pair("hue", "--bridge", "https://127.0.0.1:9") == 1
    assert house.leaks() == []


@pytest.mark.parametrize(("status", "code"), [(None, 0), (200, 2), (400, 2), (401, 2), (404, 2), (429, 1), (500, 1)])
def test_nothing_shows_when_we_pair_with_amazon(
        status: int | None, code: int, house: CanaryHome, echo: EchoServer) -> None:
    if status is not None:
        echo.plan = {"/auth": (status, "UNKNOWN")}
    assert house.pair("amazon_aqm", browse=house.simulator.alexa.sign_in) == code
    assert len(echo.secrets) >= 2
    assert house.leaks() == []


def test_nothing_shows_when_secrets_yaml_is_malformed(house: CanaryHome) -> None:
    """A form that cannot be edited is answered with the lines to paste: the one place where a secret is printed."""
    house.home.secrets.write_text(f"hue: {{api_key: {house.simulator.key}\n", encoding="utf-8")
    assert [house.run("hue", "-v"), house.run("alexa", "-v"), house.pair("amazon_aqm")] == [2, 2, 2]
    house.home.secrets.write_text(f"{house.simulator.key}: {house.simulator.alexa.refresh_token}\nhue: {PASSWORD!r}\n"
                                  f"amazon_aqm: [{house.simulator.alexa.refresh_token!r}]\n", encoding="utf-8")
    assert [house.run("hue", "-v"), house.run("alexa", "-v"), house.pair("amazon_aqm")] == [2, 2, 2]
    house.write_secrets()
    assert house.leaks() == []


@pytest.mark.parametrize("flags", [[], ["-v"], ["--json", "--dry-run"]], ids=" ".join)
def test_nothing_shows_of_a_fault_in_the_program(flags: list[str], house: CanaryHome, tmp_path: Path) -> None:
    for name in ROOMS:
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.yaml"))
    (tmp_path / "collectors" / "faulty.py").write_text(FAULTY, encoding="utf-8")
    token = 'Atnr|SimulatedRefreshToken-of/the "faulty" söurce+='
    house.seen_secrets |= {token, "Simulated/SessionToken-only-just-learnt"}
    house.write_secrets(faulty={"token": token})
    assert house.run("faulty", *flags, folder=tmp_path) == 1
    assert b"a fault in the program, please report it" in house.outputs[-1]
    assert house.leaks() == []


def test_nothing_shows_when_the_mail_server_refuses_our_password(house: CanaryHome) -> None:
    """It echoes the password in every encoding."""
    with MailServer(login=("house", "another")) as strict:
        house.write_secrets(email=strict.section(password=PASSWORD))
        house.simulator.faults.add("key-refused")
        house.simulator.alexa.revoke()
        assert [house.run("hue", "-v"), house.run("alexa", "-v")] == [2, 2]
    house.simulator.alexa.new_refresh_token()
    assert house.home.log().count("could not notify by email") == 2
    assert house.leaks() == []


def test_nothing_shows_while_the_database_is_being_read(house: CanaryHome) -> None:
    """So the write-ahead log can be searched, too."""
    house.run("hue")
    with closing(sqlite3.connect(house.home.database)) as connection:
        connection.execute("SELECT count(*) FROM readings").fetchone()
        assert [house.run("hue", "-v"), house.run("alexa", "-v")] == [0, 0]
        assert house.home.database.with_name("readings.db-wal").stat().st_size > 0
        assert house.leaks() == []


def test_nothing_shows_when_the_database_is_damaged(house: CanaryHome) -> None:
    house.run("hue")
    house.home.database.write_bytes(b"no database at all, whatever it was" * 200)
    assert [house.run("hue", "-v"), house.run("alexa", "--json")] == [2, 2]
    assert (house.home.data / "ALERT_STORAGE_FAILING.txt").exists()
    assert house.leaks() == []


def test_mails_were_sent_and_alerts_raised(house: CanaryHome) -> None:
    """Otherwise there would be nothing to search."""
    house.simulator.faults.add("key-refused")
    house.simulator.faults.add("token-refused")
    assert [house.run("hue", "-v"), house.run("alexa", "-v")] == [2, 2]
    assert len(list(house.home.data.glob("ALERT*"))) == len(house.server.mails) == 2
    house.simulator.faults.clear()
    (house.home.data / "amazon_aqm.session.json").unlink()
    assert [house.run("hue"), house.run("alexa")] == [0, 0]
    assert len(house.server.mails) == 4
    assert house.leaks() == []
