"""The simulator: a house shown by a bridge on http and https, and a port that stands for the internet.

    with Simulator(seed=1, sensors=5) as simulator:
        simulator.faults.add("429", times=2, retry_after=3)
        requests.get(f"{simulator.http_url}/api/{simulator.key}/sensors")

It shows four services, called faces: "hue" (below /api), "discovery", "alexa" and "weather". A further one takes a line in
`locate` and a branch in `_answer`.
"""

import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from types import TracebackType
from typing import Any

from tests.simulator import weather
from tests.simulator.alexa import Alexa
from tests.simulator.bridge import Bridge
from tests.simulator.certificates import certify
from tests.simulator.control import control
from tests.simulator.faults import Fault, Faults, clock_offset
from tests.simulator.house import House
from tests.simulator.listener import Listener, Respond, TlsContext
from tests.simulator.messages import Answer, Request, Seen, html_answer, json_answer
from tests.simulator.wire import Wire


def real_time() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(timezone.utc)


def locate(path: str) -> tuple[str, str]:
    """Split a path into face and resource: /api/<key>/sensors is /sensors of "hue"."""
    top, _, rest = path.strip("/").partition("/")
    if top == "discovery":
        return "discovery", path
    if top in ("ap", "auth", "nexus"):
        return "alexa", path
    if top == "v1":
        return "weather", path
    if not rest:
        return "hue", path
    return "hue", "/config" if rest == "config" else "/" + rest.partition("/")[2]


class Simulator:
    """Serve from construction until closed; as a context manager, also raise errors of the simulator itself.

    `tls` is "ca", "intermediate", "self-signed", or None for a bridge without https. `requests` holds all requests.
    `stranger` is the bridge next door, which answers during the fault "wrong-bridge" and, after `move(stranger=True)`,
    at the old address; its requests are in `stranger_requests` too. `discovery` replaces the true list if set.
    `alexa` is the cloud at `cloud_url`, which stands for all of Amazon's hosts; the account belongs to `site`.
    """

    def __init__(self, seed: int = 1, sensors: int = 5, clock: Callable[[], datetime] = real_time,
                 tls: str | None = "ca", http_port: int = 0, https_port: int = 0, cloud_port: int = 0,
                 site: str = "amazon.co.uk", monitors: int = 1) -> None:
        self.clock = clock
        self.house = House(seed, sensors, monitors)
        self.alexa = Alexa(self.house, site)
        self.bridge, self.stranger = Bridge(self.house), Bridge(House(seed + 1, sensors))
        self.key, self.bridge_id = self.bridge.key, self.bridge.bridge_id
        self.faults = Faults()
        self.requests: list[Seen] = []
        self.stranger_requests: list[Seen] = []
        self.discovery: list[dict[str, Any]] | None = None
        self.secure = tls is not None
        self._folder = TemporaryDirectory(prefix="simulator-")
        self._identities = {bridge: certify(Path(self._folder.name), bridge.bridge_id, tls)
                            for bridge in (self.bridge, self.stranger) if tls}
        self._reserved: list[socket.socket] = []
        self._listeners: list[Listener] = []
        try:
            self._cloud = self._listen(cloud_port, self._respond_as_cloud)
            self._ports = self._open_ports(http_port, https_port)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()
        failures = [failure for listener in self._listeners for failure in listener.errors]
        if failures and error is None:
            raise RuntimeError(f"the simulator itself failed: {failures[0]!r}") from failures[0]

    def close(self) -> None:
        """Drop all clients, free the ports, remove the certificates."""
        for listener in self._listeners:
            listener.close()
        for placeholder in self._reserved:
            placeholder.close()
        self._folder.cleanup()

    @property
    def http_url(self) -> str:
        return self._ports["http"].url

    @property
    def https_url(self) -> str:
        """The same with TLS. Raise KeyError for a bridge without https."""
        return self._ports["https"].url

    @property
    def cloud_url(self) -> str:
        """The address that stands for the internet; it stays when the bridge moves."""
        return self._cloud.url

    @property
    def discovery_url(self) -> str:
        """The stand-in for https://discovery.meethue.com; it names the https port, or the http port without TLS."""
        return f"{self.cloud_url}/discovery"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the bridge's certificate in DER form, 64 hex digits."""
        return self._identities[self.bridge].fingerprint

    @property
    def ca_file(self) -> Path:
        """The PEM file a client must trust: the private root, or the certificate itself if it is self-signed."""
        return self._identities[self.bridge].ca_file

    def press_link_button(self) -> None:
        """Allow pairing for 30 seconds of the house's time."""
        self.bridge.press_link_button(self.now())

    def move(self, stranger: bool = False) -> None:
        """Give the bridge new ports. The old ones refuse connections, or the stranger answers there."""
        old, self._ports = self._ports, self._open_ports()
        for listener in old.values():
            if stranger:
                listener.respond, listener.tls_context = self._handlers(self.stranger, listener.tls_context is not None)
            else:
                listener.close()
                self._reserved.append(_reserve(listener.port))

    def now(self) -> datetime:
        """Return the house's time, aware UTC."""
        return self.clock().astimezone(timezone.utc)

    def _listen(self, port: int, respond: Respond, tls_context: TlsContext | None = None) -> Listener:
        self._listeners.append(Listener(port, respond, tls_context))
        return self._listeners[-1]

    def _open_ports(self, http_port: int = 0, https_port: int = 0) -> dict[str, Listener]:
        ports = {"http": self._listen(http_port, *self._handlers(self.bridge, secure=False))}
        if self.secure:
            ports["https"] = self._listen(https_port, *self._handlers(self.bridge, secure=True))
        return ports

    def _handlers(self, bridge: Bridge, secure: bool) -> tuple[Respond, TlsContext | None]:
        return partial(self._respond, bridge), partial(self._tls_context, bridge) if secure else None

    def _tls_context(self, bridge: Bridge, closing: Event) -> ssl.SSLContext:
        """Return the certificate to present; during "silent-handshake" keep the client waiting, then hang up."""
        if bridge is self.bridge:
            silence = self.faults.take_handshake(self.now())
            if silence is not None:
                closing.wait(silence.options["seconds"])
                raise ConnectionAbortedError
            if self.faults.active("hue", "", self.now(), "wrong-bridge"):
                bridge = self.stranger
        return self._identities[bridge].context

    def _respond_as_cloud(self, request: Request, wire: Wire) -> None:
        if request.path.startswith("/simulator/"):
            wire.send(control(self, request), format_datetime(self.now(), usegmt=True))
        else:
            self._respond(self.bridge, request, wire)

    def _respond(self, bridge: Bridge, request: Request, wire: Wire) -> None:
        self.requests.append(request.seen())
        now = self.now()
        face, resource = locate(request.path) if bridge is self.bridge else ("stranger", "")
        fault, alterations = self.faults.take(face, resource, now)
        answer = self._answer(bridge, face, request, now, alterations)
        date = format_datetime(now + clock_offset(alterations, "date"), usegmt=True)
        if fault is None:
            wire.send(answer, date)
        else:
            wire.distort(fault.kind, fault.options, answer, date)

    def _answer(self, bridge: Bridge, face: str, request: Request, now: datetime, faults: list[Fault]) -> Answer:
        if face == "discovery":
            return self._discover(request)
        if face == "alexa":
            return self.alexa.answer(request, now, faults)
        if face == "weather":
            return weather.answer(self.house, request, now)
        for fault in faults:
            if fault.kind == "wrong-bridge":
                bridge = self.stranger
                bridge.admit(self.bridge.keys if fault.options["accepts_key"] else {})
        if bridge is self.stranger:
            self.stranger_requests.append(request.seen())
        return bridge.answer(request, now, faults)

    def _discover(self, request: Request) -> Answer:
        """Answer as discovery.meethue.com does: with all bridges seen behind this household's address."""
        if request.method != "GET":
            return html_answer("Method not allowed", 405)
        port = self._ports.get("https", self._ports["http"]).port
        listed = [{"id": self.bridge_id, "internalipaddress": "127.0.0.1", "port": port}]
        return json_answer(listed if self.discovery is None else self.discovery)


def _reserve(port: int) -> socket.socket:
    """Hold a port without listening, so that it refuses connections and is not reused."""
    placeholder = socket.socket()
    placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    placeholder.bind(("127.0.0.1", port))
    return placeholder
