"""A broker that refuses, fails, hangs or is not to be trusted: one sentence, the right exit code, no secret."""

import gc
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET, create_server, socket
from typing import Any

import pytest

from publishers import Run, mqtt
from runtime.deadline import Deadline
from runtime.errors import CannotReach
from runtime.retry import RetryPolicy
from storage.state import State
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.jobs.fake_source import degrees, source
from tests.mail_server import dripping_server, silent_server
from tests.publishers.authority import EXPIRED, Authority
from tests.publishers.mosquitto import broker, needs_mosquitto, sign_up
from tests.publishers.test_mqtt import PASSWORD, configure, publish

pytest.importorskip("paho.mqtt.client", reason="needs the extra mqtt")
LEAKED = "ignore:Exception ignored (in.|while finalizing socket) <s:pytest.PytestUnraisableExceptionWarning"
pytestmark = [needs_mosquitto, pytest.mark.filterwarnings(LEAKED)]
ALERT = "ALERT_MQTT_NEEDS_YOU.txt"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """paho-mqtt 2.2 does not close the socket of a handshake that failed."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def ports(folder: Path, authority: Authority) -> Iterator[dict[str, int]]:
    """One broker, behind different certificates."""
    def tls(certificate: Path, key: Path) -> list[str]:
        return [f"certfile {certificate}", f"keyfile {key}"]
    login = sign_up(folder, PASSWORD)
    with (broker(folder, *login) as plain, broker(folder, *login, *tls(*authority.issue())) as good,
          broker(folder, *login, *tls(*authority.issue(until=EXPIRED))) as expired,
          broker(folder, *login, *tls(*authority.issue("127.0.0.2"))) as other):
        yield {"plain": plain, "good": good, "expired": expired, "other": other}


@pytest.fixture
def measured(home: Home, authority: Authority) -> Iterator[Home]:
    """A home with a reading. Whatever happens to it, the password shows nowhere but in secrets.yaml."""
    home.write_config(retry={"max_attempts": 2, "base_delay_seconds": 0})
    assert home.run(collector=source(degrees(21))).code == 0
    yield home
    files = [path.read_bytes() for path in home.folder.rglob("*") if path.is_file() and path != home.secrets]
    assert len(files) > 3 and not any(PASSWORD.encode() in content for content in files)


def secure(home: Home, authority: Authority, port: int, **settings: Any) -> None:
    configure(home, port, tls=True, ca_file=str(authority.ca_file), discovery_prefix=None, **settings)


def check(home: Home, code: int, sentence: str, remedy: str = "") -> None:
    """Publish: the exit code, one line on standard error, and an alert if a human is needed."""
    run = publish(home)
    assert run.code == code and run.err.count("\n") == 1 and sentence in run.err and remedy in run.err, run
    assert PASSWORD not in run.out + run.err and (home.data / ALERT).exists() is (code == 2)


def test_it_publishes_over_tls(measured: Home, authority: Authority, ports: dict[str, int]) -> None:
    secure(measured, authority, ports["good"])
    assert publish(measured).code == 0


@pytest.mark.parametrize(("port", "sentence"), [
    ("expired", "certificate has expired"), ("other", "IP address mismatch")])
def test_a_wrong_certificate_needs_a_human(measured: Home, authority: Authority, ports: dict[str, int], port: str,
                                           sentence: str) -> None:
    secure(measured, authority, ports[port])
    check(measured, 2, sentence, "renew it, or set publishers.mqtt.ca_file")


@pytest.mark.parametrize(("ca_file", "sentence"), [
    (None, "is not to be trusted"), ("missing.pem", "missing.pem holds no certificate: No such file"),
    ("config/config.yaml", "holds no certificate: not in PEM format")])
def test_a_wrong_authority_needs_a_human(measured: Home, authority: Authority, ports: dict[str, int],
                                         ca_file: str | None, sentence: str) -> None:
    configure(measured, ports["good"], tls=True, ca_file=ca_file)
    check(measured, 2, sentence, "publishers.mqtt.ca_file")


def test_a_wrong_password_needs_a_human_until_it_is_right(measured: Home, ports: dict[str, int]) -> None:
    configure(measured, ports["plain"], discovery_prefix=None)
    measured.write_secrets({"mqtt": {"username": "house", "password": PASSWORD.lower()}})
    check(measured, 2, "refuses us: not authorized", "check the section mqtt of secrets.yaml")
    configure(measured, ports["plain"], discovery_prefix=None)
    assert publish(measured).code == 0 and not (measured.data / ALERT).exists()


def test_a_topic_that_is_not_permitted_needs_a_human(measured: Home, ports: dict[str, int]) -> None:
    configure(measured, ports["plain"], discovery_prefix="forbidden")
    check(measured, 2, "refuses our message to forbidden/sensor/home_monitor_home_made_up_1/temperature_celsius/config")


def test_a_password_without_a_name_is_a_wrong_configuration(measured: Home) -> None:
    configure(measured, 1)
    measured.write_secrets({"mqtt": {"password": PASSWORD}})
    run = publish(measured)
    assert run.code == 2 and "mqtt.username: is missing" in run.err and PASSWORD not in run.err


def reset(client: socket) -> None:
    client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def speak_http(client: socket) -> None:
    client.recv(1000)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def answer(code: int) -> Callable[[socket], None]:
    """Return what refuses every connection with a reason code of MQTT 5."""
    def refuse(client: socket) -> None:
        client.recv(1000)
        client.sendall(bytes([0x20, 3, 0, code, 0]))
    return refuse


def refuse_version_5(client: socket) -> None:
    client.recv(1000)
    client.sendall(b"\x20\x02\x00\x01")


def speak_version_3(client: socket) -> None:
    """Confirm every message: type, its length in one or two bytes, topic with its length, number, payload."""
    assert client.recv(1000)[8] == 4
    client.sendall(b"\x20\x02\x00\x00")
    with client.makefile("rb") as packets:
        while (head := packets.read(2))[0] >> 4 == 3:
            length = head[1] if head[1] < 128 else head[1] - 128 + 128 * packets.read(1)[0]
            body = packets.read(length)
            client.sendall(b"\x40\x02" + body[2 + body[1]:][:2])


@contextmanager
def server(*behaviours: Callable[[socket], None]) -> Iterator[int]:
    """Treat one connection after the other in these ways, the last one time and again."""
    def serve() -> None:
        turns = list(behaviours)
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                (turns.pop(0) if len(turns) > 1 else turns[0])(client)
    with create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(2)
            thread.join()


@pytest.mark.parametrize(("behaviour", "code", "sentence"), [
    (reset, 1, "cannot be reached|broke the connection"), (speak_http, 1, "broke the connection"),
    (answer(0x97), 1, "refuses us: quota exceeded"), (answer(0x88), 1, "refuses us: server unavailable"),
    (answer(0x8A), 2, "refuses us: banned"), (answer(0x85), 1, "refuses us: client identifier not valid")])
@pytest.mark.parametrize("tls", [False, True])
def test_a_broker_may_fail_in_any_way(measured: Home, behaviour: Callable[[socket], None], code: int, sentence: str,
                                      tls: bool) -> None:
    with server(behaviour) as port:
        configure(measured, port, tls=tls)
        run = publish(measured)
    assert run.code == (1 if tls else code) and run.err.count("\n") == 1 and "a fault in the program" not in run.err
    assert tls or any(part in run.err for part in sentence.split("|")), run.err


def test_without_a_broker_the_next_run_tries_again(measured: Home) -> None:
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    configure(measured, port)
    check(measured, 1, f"127.0.0.1:{port} cannot be reached: connection refused")


def unused(*_arguments: Any) -> Any:
    """Stand for what a publisher does not use."""


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", [silent_server, dripping_server])
def test_a_hanging_broker_is_left_at_the_deadline(kind: Any, tls: bool, tmp_path: Path) -> None:
    with kind() as port, pytest.raises(CannotReach):
        mqtt.probe(mqtt.Settings(host="127.0.0.1", port=port, tls=tls), mqtt.Secrets(), State(tmp_path / "state"),
                   Run(datetime.now(timezone.utc), Deadline(0.4), RetryPolicy(), unused, unused))


def test_a_hanging_broker_does_not_keep_the_other_publishers_from_their_work(measured: Home) -> None:
    with silent_server() as port:
        configure(measured, port)
        measured.settings["publishers"]["prometheus"] = {"enabled": True, "folder": str(measured.folder)}
        measured.write_config(collection={"cycle_deadline_seconds": 10})
        run = measured.process(module="publishers")
    assert run.code == 1 and (measured.folder / "home_monitor.prom").exists() and "in time" in run.err


def test_an_old_broker_is_spoken_to_in_its_own_language(measured: Home) -> None:
    with server(refuse_version_5, speak_version_3) as port:
        configure(measured, port, discovery_prefix=None)
        assert publish(measured).code == 0


@pytest.mark.parametrize("content", ["raise ImportError", ""])
def test_without_its_library_it_says_how_to_install_it(measured: Home, tmp_path: Path, content: str) -> None:
    """Version 1 lacks a name that version 2 has."""
    package = tmp_path / "old" / "paho" / "mqtt"
    package.mkdir(parents=True)
    for path in (package.parent / "__init__.py", package / "__init__.py"):
        path.touch()
    (package / "client.py").write_text(content)
    configure(measured, 1)
    done = subprocess.run(measured.command(module="publishers.mqtt"), cwd=CHECKOUT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path / "old")})
    assert done.returncode == 2 and f"{sys.executable} -m pip install 'paho-mqtt>=2'" in done.stderr
    assert (measured.data / ALERT).exists()
