"""A PostgreSQL that refuses, hangs, fails or is not to be trusted: one sentence, the right exit code, no secret."""

import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from socket import create_server

import pytest

from tests.home import Home
from tests.mail_server import dripping_server, silent_server
from tests.publishers.authority import EXPIRED, Authority
from tests.publishers.postgresql import (
    PASSWORD,
    Centre,
    Server,
    fill,
    make_centre,
    needs_postgresql,
    ordinary_account,
    publish,
    running,
    settle,
)
from tests.publishers.test_mqtt_trouble import reset
from tests.publishers.test_mqtt_trouble import server as failing

pytestmark = needs_postgresql
ALERT = "ALERT_POSTGRES_NEEDS_YOU.txt"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Server]:
    """Its certificate has expired; it serves without TLS too."""
    with running() as server:
        server.stop()
        certificate, key = (server.folder / "data" / f"server.{end}" for end in ("crt", "key"))
        for source, target in zip(authority.issue(until=EXPIRED), (certificate, key)):
            shutil.copy(source, target)
            target.chmod(0o600)
            if account := ordinary_account():
                os.chown(target, pwd.getpwnam(account).pw_uid, -1)
        server.options = ("-c", "ssl=on", "-c", "superuser_reserved_connections=1", "-c", "max_connections=12")
        server.start()
        yield server


@pytest.fixture
def centre(server: Server, request: pytest.FixtureRequest) -> Centre:
    return make_centre(server, request)


@pytest.fixture
def house(home: Home, centre: Centre) -> Iterator[Home]:
    """A home with readings. Whatever happens to it, the password shows nowhere but in secrets.yaml."""
    fill(home, range(3))
    home.settings["retry"] = {"max_attempts": 2, "base_delay_seconds": 0}
    yield home
    files = [path.read_bytes() for path in home.folder.rglob("*") if path.is_file() and path != home.secrets]
    assert len(files) > 3 and not any(PASSWORD.encode() in content for content in files)


def check(home: Home, code: int, sentence: str) -> None:
    """Publish: the exit code, one line on standard error, and an alert if a human is needed."""
    run = publish(home)
    assert run.code == code and run.err.count("\n") == 1 and sentence in run.err, run
    assert PASSWORD not in run.out + run.err and (home.data / ALERT).exists() is (code == 2)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda centre: centre.dsn(password=f"{PASSWORD}x"), "password authentication failed"),
    (lambda centre: centre.dsn("stranger"), "password authentication failed"),
    (lambda centre: centre.dsn(dbname="nowhere"), 'database "nowhere" does not exist'),
    (lambda centre: f"host=127.0.0.1 {PASSWORD}", "neither key=value pairs"),
    (lambda centre: centre.dsn(sslmode="much"), "sslmode"),
], ids=["password", "account", "database", "no DSN", "a wrong option"])
def test_a_wrong_login_needs_a_human_until_it_is_right(house: Home, centre: Centre, change: Callable[[Centre], str],
                                                       sentence: str) -> None:
    settle(house, centre, dsn=change(centre))
    check(house, 2, sentence)
    settle(house, centre)
    assert publish(house).code == 0 and not (house.data / ALERT).exists()


def test_an_account_without_the_right_to_write_needs_a_human(house: Home, centre: Centre) -> None:
    centre.execute("REVOKE INSERT ON home_monitor.readings FROM house")
    settle(house, centre)
    check(house, 2, "permission denied")
    assert centre.rows("*") == [] and "docs/fleet.md" in (house.data / ALERT).read_text()


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_an_expired_certificate_needs_a_human(house: Home, centre: Centre, authority: Authority, mode: str) -> None:
    settle(house, centre, dsn=centre.dsn(sslmode=mode, sslrootcert=str(authority.ca_file)))
    check(house, 2, "certificate")


def test_without_a_server_the_next_run_tries_again(house: Home, centre: Centre) -> None:
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    settle(house, centre, dsn=centre.dsn(port=port))
    check(house, 1, "PostgreSQL at 127.0.0.1 cannot be used")


@pytest.mark.parametrize("behaviour", [silent_server, dripping_server, lambda: failing(reset)],
                         ids=["hangs", "drips", "resets"])
def test_a_server_that_does_not_answer_costs_the_run_and_nothing_else(
        house: Home, centre: Centre, behaviour: Callable[[], AbstractContextManager[int]]) -> None:
    with behaviour() as port:
        settle(house, centre, dsn=centre.dsn(port=port, connect_timeout=2), deadline_seconds=10)
        check(house, 1, "PostgreSQL at 127.0.0.1")
    settle(house, centre)
    assert publish(house).code == 0 and len(centre.rows("device_id")) == 6


def test_a_server_with_too_many_clients_is_asked_again(house: Home, centre: Centre) -> None:
    from psycopg import OperationalError, connect
    others = []
    try:
        with pytest.raises(OperationalError, match="connection"):
            while True:
                others.append(connect(centre.dsn()))
        settle(house, centre)
        check(house, 1, "PostgreSQL at 127.0.0.1 cannot be used")
    finally:
        for other in others:
            other.close()


def test_a_full_disk_leaves_nothing_half_written(house: Home, centre: Centre) -> None:
    """Its SQLSTATE comes from a trigger: a full disk would end the server."""
    centre.execute("""
        CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT COUNT(*) FROM home_monitor.readings) >= 3 THEN
                RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER full_disk AFTER INSERT ON home_monitor.readings FOR EACH ROW EXECUTE FUNCTION fill();
    """)
    settle(house, centre)
    check(house, 1, "No space left on device")
    assert centre.rows("*") == []
    centre.execute("DROP TRIGGER full_disk ON home_monitor.readings")
    assert publish(house).code == 0 and len(centre.rows("device_id")) == 6


def test_without_the_package_there_is_one_sentence_with_the_command(house: Home, centre: Centre, tmp_path: Path) -> None:
    settle(house, centre)
    (tmp_path / "psycopg.py").write_text("raise ImportError('No module named psycopg')\n", encoding="utf-8")
    run = house.process(module="publishers.postgres", path=tmp_path)
    assert run.code == 2 and run.err.count("\n") == 1 and "pip install 'psycopg[binary]>=3.2'" in run.err
