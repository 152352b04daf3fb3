"""A real HTTP server on this machine that records requests, and answers as a test wants."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Call(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Recorder:
    """It answers with `status`, `headers` and `body`; in part only, and then resets, drips or hangs, with a `fault`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status, self.body, self.fault = 200, b"OK", ""
        self.headers: dict[str, str] = {}
        self.statuses: list[int] = []  # of the next answers, before `status`
        self.ended = threading.Event()
        handler: Any = type("Handler", (_Handler,), {"recorder": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    recorder: Recorder

    def do_GET(self) -> None:
        recorder = self.recorder
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        recorder.calls.append(Call(self.command, self.path, dict(self.headers), content))
        if recorder.fault == "reset":
            return
        if recorder.fault == "hang":
            recorder.ended.wait(60)
            return
        self.send_response(recorder.statuses.pop(0) if recorder.statuses else recorder.status)
        for name, value in {"Content-Length": str(len(recorder.body)), **recorder.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self._answer(recorder.body)

    do_POST = do_GET

    def _answer(self, body: bytes) -> None:
        if self.recorder.fault != "drip":
            self.wfile.write(body)
        for byte in body if self.recorder.fault == "drip" else b"":
            self.wfile.write(bytes([byte]))
            if self.recorder.ended.wait(1):
                return

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def recording(kind: type[Recorder] = Recorder) -> Iterator[Recorder]:
    recorder = kind()
    thread = threading.Thread(target=recorder.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield recorder
    finally:
        recorder.ended.set()
        recorder.server.shutdown()
        thread.join()
        recorder.server.server_close()
