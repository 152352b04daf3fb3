"""A port that answers, with one thread per client, TLS handshake included; it closes quickly whatever a client does.

A silent client blocks its own thread only. Nothing is printed; errors of the simulator itself are kept in `errors`.
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
TlsContext = Callable[[Event], ssl.SSLContext]


class Listener:
    """Listen on loopback until closed. `respond` answers a request, `tls_context` returns the context of a connection.

    Both may be replaced at any time; `tls_context` is None for plain http.
    """

    def __init__(self, port: int, respond: Respond, tls_context: TlsContext | None = None) -> None:
        self.respond, self.tls_context = respond, tls_context
        self.closing = Event()
        self.errors: list[BaseException] = []
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._wakeup, self._waker = socket.socketpair()
        self._lock = Lock()
        self._clients: dict[Thread, socket.socket] = {}
        self._accepting = Thread(target=self._accept_clients, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls_context else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Refuse new clients, drop the present ones, wait for their threads. Closing twice is harmless."""
        self.closing.set()
        self._waker.close()
        self._accepting.join()
        with self._lock:
            clients = dict(self._clients)
        for connection in clients.values():
            _cut(connection)
        for thread in clients:
            thread.join()

    def _accept_clients(self) -> None:
        """Give each client a thread, until `close` wakes this one."""
        with selectors.DefaultSelector() as selector, self._socket, self._wakeup:
            for readable in (self._socket, self._wakeup):
                selector.register(readable, selectors.EVENT_READ)
            while self._wakeup not in {key.fileobj for key, _ in selector.select()}:
                try:
                    client, address = self._socket.accept()
                except BlockingIOError:
                    continue  # it left before it was accepted
                client.setblocking(True)
                self._start(client, address)

    def _start(self, client: socket.socket, address: Any) -> None:
        thread = Thread(target=self._serve, args=(client, address), daemon=True)
        with self._lock:
            self._clients[thread] = client
        thread.start()

    def _serve(self, client: socket.socket, address: Any) -> None:
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
        if self.tls_context is None:
            return client
        context = self.tls_context(self.closing)
        connection = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._clients[current_thread()] = connection
        if self.closing.is_set():
            _cut(connection)
        connection.do_handshake()
        return connection


def _cut(connection: socket.socket) -> None:
    """Shut down both directions below TLS, which wakes a thread that reads or writes."""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass


class _Handler(BaseHTTPRequestHandler):
    """Read requests, with keep-alive, and pass them on; the wire does the sending."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def do_GET(self) -> None:
        """Answer any method; http.server prescribes the names."""
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, unquote(parts.path), dict(self.headers), self.rfile.read(length), parts.query)
        wire = Wire(self.connection, self.server.closing)
        self.server.respond(request, wire)
        self.close_connection = self.close_connection or not wire.keep_open

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: requests are kept in the simulator's `requests`."""
