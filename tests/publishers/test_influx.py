"""InfluxDB and VictoriaMetrics have every reading once, however often it was sent."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from publishers import influx
from runtime.formats import parse_time
from tests.home import Home
from tests.mail_server import dripping_server, silent_server
from tests.publishers import influxes
from tests.publishers.influxes import DATABASE, Influx, Victoria
from tests.publishers.recorder import Recorder, recording
from tests.publishers.running import enable, run
from tests.storage.samples import a_cycle, a_reading, at, store

SECRET = "Simulated-Influx+Secret 1"
ALERT = "ALERT_INFLUX_NEEDS_YOU.txt"
HOSTILE = "K\u00fcche, \"1\" = \\ a\\"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with influxes.influx(tmp_path_factory.mktemp("influx"), ("house", SECRET)) as server:
        yield server


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with influxes.victoria(tmp_path_factory.mktemp("victoria")) as server:
        yield server


@pytest.fixture
def service() -> Iterator[Recorder]:
    with recording() as recorder:
        recorder.status, recorder.body = 204, b""
        yield recorder


@pytest.fixture
def house(home: Home, request: pytest.FixtureRequest) -> Iterator[Home]:
    """A home with six readings. Whatever happens to it, its secret shows nowhere but in secrets.yaml."""
    home.settings["retry"] = {"max_attempts": 2, "base_delay_seconds": 0}
    fill(home, range(3))
    yield home
    files = [path.read_bytes() for path in home.folder.rglob("*") if path.is_file() and path != home.secrets]
    assert len(files) > 3 and not any(SECRET.encode() in content for content in files)


def fill(home: Home, hours: range, **values: Any) -> None:
    store(home.database, *(a_cycle(*(a_reading(f"hue:{room}", at=at(hours=hour), **{
        "temperature_celsius": hour + 0.25, **values}) for room in ("attic", "hall")), at=at(hours=hour)) for hour in hours))


def settle(home: Home, url: str, **settings: Any) -> None:
    home.write_secrets({"influx": {"username": "house", "password": SECRET}})
    enable(home, "influx", **{"url": url, "database": DATABASE, "batch_rows": 4, **settings})


def publish(home: Home, *arguments: str) -> Any:
    return run(home, influx, *arguments)


def check(home: Home, code: int, sentence: str, remedy: str = "") -> None:
    """Publish: the exit code, one line on standard error, and an alert if a human is needed."""
    done = publish(home)
    assert done.code == code and done.err.count("\n") == 1 and sentence in done.err and remedy in done.err, done
    assert SECRET not in done.out + done.err and (home.data / ALERT).exists() is (code == 2)


def stored(server: Influx, house_id: str, columns: str = "*") -> list[list[Any]]:
    return server.execute(f"SELECT {columns} FROM home_monitor WHERE house = '{house_id}'")


def test_every_reading_arrives_once_with_every_column(house: Home, database: Influx) -> None:
    settle(house, database.url, house_id="once")
    first = publish(house, "-v")
    assert (first.code, first.out) == (0, f"influx: sent 6 readings to database {DATABASE}\n")
    fill(house, range(3, 4), humidity_percent=40.5, battery_level=87, is_anomalous=True, name=HOSTILE, location=None)
    assert publish(house, "-v").out.startswith("influx: sent 2 readings")
    rows = stored(database, "once", "device_id, device_type, temperature_celsius, humidity_percent, battery_level, "
                                    "is_anomalous, \"name\"")
    newest = parse_time(house.rows()[-1]["timestamp"]).timestamp()
    assert len(rows) == 8 and rows[-1] == [newest, "hue:hall", "hue_sensor", 3.25, 40.5, 87, True, HOSTILE]
    house.execute("DELETE FROM readings WHERE id = 1")
    assert "readings deleted here stay there" in publish(house, "-v").out and len(stored(database, "once")) == 8


def test_sent_twice_it_is_counted_once(house: Home, database: Influx, metrics: Victoria) -> None:
    for url, name in ((database.url, DATABASE), (metrics.url, "any")):
        for _ in range(2):
            settle(house, url, database=name, house_id="twice")
            assert publish(house, "-v").out.startswith("influx: sent 6 readings")
            (house.data / "influx.session.json").unlink()
    assert len(stored(database, "twice")) == 6 and metrics.count() == 6
    expected = {int(parse_time(row["timestamp"]).timestamp()): row["temperature_celsius"]
                for row in house.rows("SELECT * FROM readings WHERE device_id = 'hue:attic'")}
    assert metrics.series()["home_monitor_temperature_celsius", "hue:attic"] == expected


def test_another_destination_gets_the_whole_record(house: Home, database: Influx) -> None:
    settle(house, database.url, house_id="a")
    assert publish(house, "-v").out.startswith("influx: sent 6 readings")
    settle(house, database.url, house_id="b")
    assert publish(house, "-v").out.startswith("influx: sent 6 readings") and len(stored(database, "b")) == 6


def test_a_wrong_login_needs_a_human_until_it_is_right(house: Home, database: Influx) -> None:
    settle(house, database.url)
    house.write_secrets({"influx": {"username": "house", "password": SECRET[:-1]}})
    check(house, 2, "refuses our login", "correct influx: in secrets.yaml")
    settle(house, database.url)
    assert publish(house).code == 0 and not (house.data / ALERT).exists()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the remedy needs curl")
def test_a_missing_database_has_a_remedy_that_works(house: Home, database: Influx) -> None:
    database.execute('DROP DATABASE "other"')
    settle(house, database.url, database="other")
    house.write_secrets({"influx": {"username": influxes.OWNER, "password": influxes.OWNERS_PASSWORD}})
    check(house, 2, "has no database other")
    remedy = re.search(r"create it: (curl .*)$", (house.data / ALERT).read_text(), re.MULTILINE)
    assert remedy
    login = f"-u '{influxes.OWNER}:owner'\"'\"'s own'"
    subprocess.run(remedy[1].replace("curl ", f"curl -s {login} ", 1), shell=True, check=True, stdout=subprocess.DEVNULL)
    assert publish(house).code == 0


@pytest.mark.parametrize(("settings", "secrets", "path", "login"), [
    ({"database": "home"}, {"username": "house", "password": SECRET}, "/write?db=home&precision=s", "Basic "),
    ({"database": None, "bucket": "home", "org": "us"}, {"token": SECRET}, "/api/v2/write?org=us&bucket=home&precision=s",
     f"Token {SECRET}")], ids=["InfluxDB 1", "InfluxDB 2"])
def test_each_version_is_asked_as_it_wants(house: Home, service: Recorder, settings: dict[str, Any],
                                           secrets: dict[str, Any], path: str, login: str) -> None:
    settle(house, f"{service.url}/", **settings)
    house.write_secrets({"influx": secrets})
    assert publish(house).code == 0
    assert [call.path for call in service.calls] == [path] * 2
    assert all(call.headers["Authorization"].startswith(login) for call in service.calls)
    assert service.calls[0].body.decode().splitlines()[0] == (
        "home_monitor,house=home,device_id=hue:attic,device_type=hue_sensor temperature_celsius=0.25,temperature_raw=0.25,"
        f"name=\"Kitchen\",location=\"Kitchen\",is_anomalous=false {int(at(hours=0).timestamp())}")


@pytest.mark.parametrize(("status", "body", "code", "sentence"), [
    (401, '{"code":"unauthorized","message":"no"}', 2, "refuses our login"), (403, "", 2, "refuses our login"),
    (404, '{"error":"database not found"}', 2, "has no database"), (404, "<html>", 2, "has no database"),
    (400, '{"error":"field type conflict"}', 2, "rejects our readings: field type conflict"),
    (422, '{"message":"beyond"}', 2, "rejects our readings"), (429, "", 1, "429"), (500, "<html>", 1, "500"),
    (503, '{"error":"timeout"}', 1, "503")])
def test_answers_that_are_not_a_success(house: Home, service: Recorder, status: int, body: str, code: int,
                                        sentence: str) -> None:
    settle(house, service.url)
    service.status, service.body = status, body.encode()
    check(house, code, sentence)
    service.status, service.body = 204, b""
    assert publish(house, "-v").out.startswith("influx: sent 6 readings") and not (house.data / ALERT).exists()


def test_what_is_too_large_is_sent_in_smaller_parts(house: Home, service: Recorder) -> None:
    service.statuses = [413, 204, 204, 413, 413]
    settle(house, service.url, batch_rows=6)
    assert publish(house, "-v").out.startswith("influx: sent 6 readings")
    accepted = [line for call, status in zip(service.calls, [413, 204, 204]) if status == 204
                for line in call.body.splitlines()]
    assert len(accepted) == len(set(accepted)) == 6


def test_a_batch_that_fails_is_sent_again_and_no_other(house: Home, service: Recorder) -> None:
    service.statuses = [204, 400]
    settle(house, service.url)
    check(house, 2, "rejects our readings")
    assert publish(house, "-v").out.startswith("influx: sent 2 readings")


@pytest.mark.parametrize("behaviour", [silent_server, dripping_server], ids=["hangs", "drips"])
def test_a_server_that_does_not_answer_costs_the_run_and_nothing_else(
        house: Home, service: Recorder, behaviour: Callable[[], AbstractContextManager[int]]) -> None:
    with behaviour() as port:
        settle(house, f"http://127.0.0.1:{port}", timeout_seconds=0.5)
        check(house, 1, "127.0.0.1")
    settle(house, service.url)
    assert publish(house, "-v").out.startswith("influx: sent 6 readings")


@pytest.mark.parametrize("fault", ["reset", "hang"])
def test_a_server_that_breaks_off_is_asked_again(house: Home, service: Recorder, fault: str) -> None:
    settle(house, service.url, timeout_seconds=0.5)
    service.fault = fault
    check(house, 1, "127.0.0.1")


def test_a_dry_run_asks_and_sends_nothing(house: Home, database: Influx) -> None:
    settle(house, database.url, house_id="dry")
    done = publish(house, "--dry-run")
    assert (done.code, done.out) == (
        0, f"influx: {database.url.removeprefix('http://')} accepts readings for database {DATABASE}\n")
    settle(house, database.url, house_id="dry", database="nowhere")
    assert publish(house, "--dry-run").code == 2 and stored(database, "dry") == []


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"url": None}, "influx.url: is missing"), ({"url": "ftp://x"}, "must be an https:// or http:// URL"),
    ({"url": f"http://house:{SECRET}@x"}, "holds a login"), ({"bucket": "b"}, "give either database or bucket"),
    ({"house_id": " "}, "house_id: must not be empty")])
def test_wrong_settings_are_named(house: Home, settings: dict[str, Any], sentence: str) -> None:
    home_settings = {"url": "http://127.0.0.1:9", **settings}
    enable(house, "influx", **{"database": "home", **home_settings})
    done = publish(house)
    text = house.config.read_text().replace(SECRET, "-")
    house.config.write_text(text)
    assert done.code == 2 and sentence in done.err and SECRET not in done.err
