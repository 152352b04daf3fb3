"""Where the simulator is, who it says it is, what becomes of its clients when it moves or ends."""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests

from tests.simulator import Simulator
from tests.simulator.asking import ask, port


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A house with one sensor."""
    with Simulator(sensors=1) as running:
        yield running


def shake_hands(url: str, ca_file: Path, name: str) -> bytes:
    """Connect as a careful client does, checking the common name, and return the certificate in DER form."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    context.hostname_checks_common_name = True
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", port(url)), timeout=5) as connection:
        with context.wrap_socket(connection, server_hostname=name) as secure:
            return secure.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("form", ["ca", "intermediate", "self-signed"])
def test_the_certificate_proves_the_bridges_name(form: str) -> None:
    with Simulator(tls=form) as simulator:
        shown = shake_hands(simulator.https_url, simulator.ca_file, simulator.bridge_id)
        assert hashlib.sha256(shown).hexdigest() == simulator.fingerprint
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(simulator.https_url, simulator.ca_file, simulator.stranger.bridge_id)


def test_only_a_self_signed_certificate_is_its_own_authority() -> None:
    with Simulator(tls="ca") as issued, Simulator(tls="self-signed") as own:
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate"):
            shake_hands(own.https_url, issued.ca_file, own.bridge_id)


def test_a_restarted_bridge_is_the_same_bridge(simulator: Simulator) -> None:
    with Simulator(sensors=1) as again, Simulator(seed=2) as other:
        identities = [(each.fingerprint, each.key, each.bridge_id) for each in (simulator, again, other)]
    assert identities[0] == identities[1] and not set(identities[0]) & set(identities[2])


def test_a_bridge_without_https_listens_on_http_alone() -> None:
    with Simulator(tls=None) as simulator:
        (entry,) = requests.get(simulator.discovery_url, timeout=5).json()
        assert entry["port"] == port(simulator.http_url)
        with pytest.raises(KeyError):
            assert simulator.https_url


def test_another_bridge_shows_another_certificate_of_the_same_root(simulator: Simulator) -> None:
    simulator.faults.add("wrong-bridge")
    shown = shake_hands(simulator.https_url, simulator.ca_file, simulator.stranger.bridge_id)
    assert hashlib.sha256(shown).hexdigest() != simulator.fingerprint


def test_a_silent_client_keeps_nobody_waiting(simulator: Simulator) -> None:
    silent = [socket.create_connection(("127.0.0.1", port(url))) for url in (simulator.https_url, simulator.http_url)]
    assert shake_hands(simulator.https_url, simulator.ca_file, simulator.bridge_id)
    assert ask(simulator, timeout=2).ok
    for client in silent:
        client.close()


def test_a_silent_handshake_connects_and_says_no_more(simulator: Simulator) -> None:
    simulator.faults.add("silent-handshake", times=1)
    with socket.create_connection(("127.0.0.1", port(simulator.https_url)), timeout=0.2) as client:
        with pytest.raises(TimeoutError):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(client, server_hostname="any")
    assert shake_hands(simulator.https_url, simulator.ca_file, simulator.bridge_id)


def test_a_client_may_keep_its_connection(simulator: Simulator) -> None:
    connection = HTTPConnection("127.0.0.1", port(simulator.http_url), timeout=5)
    with closing(connection):
        local = set()
        for _ in range(3):
            connection.request("GET", "/api/config")
            connection.getresponse().read()
            local.add(connection.sock.getsockname())
    assert len(local) == 1


def test_discovery_tells_the_truth_or_what_it_is_told(simulator: Simulator) -> None:
    def discovered() -> Any:
        return requests.get(simulator.discovery_url, timeout=5).json()

    https_port = port(simulator.https_url)
    honest: dict[str, Any] = {"id": simulator.bridge_id, "internalipaddress": "127.0.0.1", "port": https_port}
    assert discovered() == [honest]
    for told in ([], [{"id": "ecb5fafffe000001", "internalipaddress": "192.0.2.1"}, honest]):
        simulator.discovery = told
        assert discovered() == told


def test_discovery_has_faults_of_its_own(simulator: Simulator) -> None:
    simulator.faults.add("429", face="discovery")
    assert requests.get(simulator.discovery_url, timeout=5).status_code == 429 and ask(simulator).status_code == 200


def test_a_bridge_that_moved_refuses_at_the_old_address_and_is_discovered_at_the_new(simulator: Simulator) -> None:
    before, discovery_url = (simulator.http_url, simulator.https_url), simulator.discovery_url
    simulator.move()
    for url in before:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port(url)))
    assert simulator.discovery_url == discovery_url and not set(before) & {simulator.http_url, simulator.https_url}
    (entry,) = requests.get(discovery_url, timeout=5).json()
    assert entry["port"] == port(simulator.https_url)
    assert "1" in ask(simulator).json()
    assert shake_hands(simulator.https_url, simulator.ca_file, simulator.bridge_id)


def test_a_stranger_may_move_in_at_the_old_address(simulator: Simulator) -> None:
    before, secure = simulator.http_url, simulator.https_url
    simulator.faults.add("503")
    simulator.move(stranger=True)
    shown = requests.get(f"{before}/api/config", timeout=5).json()["bridgeid"]
    assert shown.lower() == simulator.stranger.bridge_id and ask(simulator).status_code == 503
    assert shake_hands(secure, simulator.ca_file, simulator.stranger.bridge_id)
    assert [seen.path for seen in simulator.stranger_requests] == ["/api/config"]


def test_requests_are_kept_with_their_headers_and_counted_side_by_side(simulator: Simulator) -> None:
    simulator.faults.add("delay", seconds=0.2, times=3)
    clients = [Thread(target=ask, args=(simulator,), kwargs={"headers": {"X-Mark": "m"}}) for _ in range(3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    ask(simulator, "/config")
    assert [(method, path) for method, path, _ in simulator.requests] == [
        ("GET", f"/api/{simulator.key}/{part}") for part in ("sensors", "sensors", "sensors", "config")]
    assert all(headers["X-Mark"] == "m" for _, _, headers in simulator.requests[:3])
    assert (simulator.peak_concurrent, simulator.concurrent) == (3, 0)


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["silence", "drip-body", "drip-headers", "silent-handshake", None])
def test_the_end_is_quick_whatever_a_client_is_waiting_for(kind: str | None) -> None:
    with Simulator(sensors=50) as simulator:
        if kind:
            simulator.faults.add(kind)
        clients = [socket.create_connection(("127.0.0.1", port(url))) for url in (
            simulator.http_url, simulator.https_url, simulator.cloud_url)]
        clients[0].sendall(f"GET /api/{simulator.key} HTTP/1.1\r\n\r\n".encode())
        time.sleep(0.1)  # until all three are being attended to
        started = time.monotonic()
        simulator.close()
        assert time.monotonic() - started < 0.5
        for client in clients:
            client.close()


def test_the_simulators_own_errors_are_not_lost(monkeypatch: pytest.MonkeyPatch,
                                                capfd: pytest.CaptureFixture[str]) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        with Simulator(sensors=1) as simulator:
            monkeypatch.setattr(simulator.bridge, "answer", fail)
            with pytest.raises(requests.ConnectionError):
                ask(simulator)
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_leaves_nothing_behind(simulator: Simulator) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        Simulator(http_port=port(simulator.http_url))
