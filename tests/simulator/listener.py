"""A port that answers: one thread per client, TLS shaken hands within it, closed within moments whatever a client does.

A silent client costs its own thread and nobody else's time. Nothing is printed; an error of the simulator itself is
kept in `errors`.
"""

import selectors
import socket
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from threading import Event, Lock, Thread, current_thread
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.simulator.messages import Request
from tests.simulator.wire import Wire

Respond = Callable[[Request, Wire], None]
Greet = Callable[[Event], ssl.SSLContext]


class Listener:
    """Listens on loopback until closed. `respond` answers a request, `greet` gives the TLS context of a connection.

    Both may be replaced at any time; `greet` is None for plain http.
    """

    def __init__(self, port: int, respond: Respond, greet: Greet | None = None) -> None:
        self.respond, self.greet = respond, greet
        self.closing = Event()
        self.errors: list[BaseException] = []
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._bell, self._rope = socket.socketpair()
        self._lock = Lock()
        self._clients: dict[Thread, socket.socket] = {}
        self._doorman = Thread(target=self._admit_clients, daemon=True)
        self._doorman.start()

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"{'https' if self.greet else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Refuse new clients, drop the present ones, wait for their threads. Closing twice is harmless."""
        self.closing.set()
        self._rope.close()
        self._doorman.join()
        with self._lock:
            clients = dict(self._clients)
        for connection in clients.values():
            _cut(connection)
        for thread in clients:
            thread.join()

    def _admit_clients(self) -> None:
        """Give each client a thread of its own, until the rope is let go."""
        with selectors.DefaultSelector() as selector, self._socket, self._bell:
            for each in (self._socket, self._bell):
                selector.register(each, selectors.EVENT_READ)
            while self._bell not in {key.fileobj for key, _ in selector.select()}:
                try:
                    client, address = self._socket.accept()
                except BlockingIOError:
                    continue  # it left before it was let in
                client.setblocking(True)
                self._admit(client, address)

    def _admit(self, client: socket.socket, address: Any) -> None:
        thread = Thread(target=self._attend, args=(client, address), daemon=True)
        with self._lock:
            self._clients[thread] = client
        thread.start()

    def _attend(self, client: socket.socket, address: Any) -> None:
        server: Any = self
        try:
            _Handler(self._shake_hands(client), address, server)
        except OSError:
            pass  # the client left, or was cut off; ssl.SSLError included
        except Exception as error:
            self.errors.append(error)
        finally:
            with self._lock:
                self._clients.pop(current_thread()).close()

    def _shake_hands(self, client: socket.socket) -> socket.socket:
        if self.greet is None:
            return client
        context = self.greet(self.closing)
        connection = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._clients[current_thread()] = connection
        if self.closing.is_set():
            _cut(connection)
        connection.do_handshake()
        return connection


def _cut(connection: socket.socket) -> None:
    """End both directions below TLS, so that whoever reads or writes is woken and leaves."""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass


class _Handler(BaseHTTPRequestHandler):
    """Reads requests, keep-alive included, and hands them on; what is sent is the wire's business."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def do_GET(self) -> None:
        """Answer any method: the names are given by http.server."""
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, unquote(parts.path), dict(self.headers), self.rfile.read(length),
                          parts.query)
        wire = Wire(self.connection, self.server.closing)
        self.server.respond(request, wire)
        self.close_connection = self.close_connection or not wire.keep_open

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: what was asked is kept in the simulator's `requests`."""
