"""Addresses, certificates, and what happens to clients when the simulator moves or ends."""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.simulator.asking import ask, port
from tests.simulator.server import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(sensors=1) as running:
        yield running


def shake_hands(url: str, ca_file: Path, name: str) -> bytes:
    """Connect, check the common name, and return the certificate in DER form."""
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


def test_a_restarted_bridge_is_the_same_bridge(simulator: Simulator) -> None:
    with Simulator(sensors=1) as again, Simulator(seed=2) as other:
        identities = [(each.fingerprint, each.key, each.bridge_id) for each in (simulator, again, other)]
    assert identities[0] == identities[1] and not set(identities[0]) & set(identities[2])


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["silence", "drip-body", "drip-headers", "silent-handshake", None])
def test_the_end_is_quick_whatever_a_client_is_waiting_for(kind: str | None) -> None:
    with Simulator(sensors=50) as simulator:
        if kind:
            simulator.faults.add(kind)
        clients = [socket.create_connection(("127.0.0.1", port(url))) for url in (
            simulator.http_url, simulator.https_url, simulator.cloud_url)]
        clients[0].sendall(f"GET /api/{simulator.key} HTTP/1.1\r\n\r\n".encode())
        time.sleep(0.1)  # until all three are being served
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
