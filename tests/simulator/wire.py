"""Faults on the wire: another answer instead, or a connection that misbehaves."""

import gzip
import os
import socket
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from threading import Event
from time import monotonic
from typing import Any

from tests.simulator.messages import Answer, html_answer

MEGABYTE = 1_000_000
PACKET = 1448  # bytes of an answer in an Ethernet frame
Options = Mapping[str, Any]


class Wire:
    """One client's connection; `closing` ends all pauses when the simulator closes."""

    def __init__(self, connection: socket.socket, closing: Event) -> None:
        self._connection = connection
        self._closing = closing
        self.keep_open = True

    def send(self, answer: Answer, date: str) -> None:
        self._connection.sendall(answer.head(date) + answer.body)

    def distort(self, kind: str, options: Options, answer: Answer, date: str) -> None:
        """Do to an answer and its date what a fault of this kind does."""
        if kind in SUBSTITUTES:
            self.send(SUBSTITUTES[kind](options), date)
        else:
            MISBEHAVIOUR[kind](self, options, answer, date)

    def delay(self, options: Options, answer: Answer, date: str) -> None:
        if self._pause(options["seconds"]):
            self.send(answer, date)

    def keep_pace(self, options: Options, answer: Answer, date: str) -> None:
        """Wait first, then answer no faster than a small computer does."""
        started = monotonic() + options["seconds"]
        content = answer.head(date) + answer.body
        for at in range(0, len(content), PACKET):
            due = started + min(at + PACKET, len(content)) / options["bytes_per_second"]
            if not self._pause(max(due - monotonic(), 0)):
                return
            self._connection.sendall(content[at:at + PACKET])

    def keep_silent(self, options: Options, answer: Answer, date: str) -> None:
        self._pause(options["seconds"])
        self.keep_open = False

    def drip_headers(self, options: Options, answer: Answer, date: str) -> None:
        """Send headers and body a little at a time, so that no single read takes long."""
        self._drip(answer.head(date) + answer.body, options)

    def drip_body(self, options: Options, answer: Answer, date: str) -> None:
        self._connection.sendall(answer.head(date))
        self._drip(answer.body, options)

    def reset(self, options: Options, answer: Answer, date: str) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())
        self.keep_open = False

    def truncate(self, options: Options, answer: Answer, date: str) -> None:
        """Announce the whole body and hang up after part of it."""
        kept = int(len(answer.body) * options["keep"])
        self._connection.sendall(answer.head(date) + answer.body[:kept])
        self.keep_open = False

    def _drip(self, data: bytes, options: Options) -> None:
        for at in range(0, len(data), options["chunk"]):
            self._connection.sendall(data[at:at + options["chunk"]])
            if not self._pause(options["pause"]):
                return

    def _pause(self, seconds: float) -> bool:
        """Wait, unless the simulator closes; return whether to continue."""
        return not self._closing.wait(seconds)


def _throttled(options: Options) -> Answer:
    return _refusal(429, options["retry_after"])


def _unavailable(options: Options) -> Answer:
    return _refusal(503, options["retry_after"])


def _refusal(status: int, retry_after: int | str | datetime | None) -> Answer:
    if isinstance(retry_after, datetime):
        retry_after = format_datetime(retry_after, usegmt=True)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(b"", status, headers)


def _lightless(options: Options) -> Answer:
    """The page of a bridge whose web server runs but nothing behind it (zim514/script.service.hue#334)."""
    return html_answer("Oops, there appears to be no lighting here", 502)


def _failed(options: Options) -> Answer:
    return html_answer("Internal Server Error", 500)


def _starting(options: Options) -> Answer:
    return Answer(b"The service is starting, please wait", 200, {"Content-Type": "text/plain"})


def _given(options: Options) -> Answer:
    content = options["content"]
    body = content if isinstance(content, bytes) else str(content).encode("utf-8", "surrogatepass")
    return Answer(body, options["status"], {"Content-Type": options["content_type"]})


def _elsewhere(options: Options) -> Answer:
    return Answer(b"", options["status"], {"Location": options["location"]})


def _bomb(options: Options) -> Answer:
    return Answer(_squeeze(options["megabytes"]), 200, {"Content-Encoding": "gzip"})


def _oversized(options: Options) -> Answer:
    return Answer(b'{"1":{"name":"' + b"x" * int(options["megabytes"] * MEGABYTE) + b'"}}')


@lru_cache(maxsize=4)
def _squeeze(megabytes: float) -> bytes:
    return gzip.compress(b'{"1":"' + b" " * int(megabytes * MEGABYTE) + b'"}', compresslevel=1)


SUBSTITUTES: Mapping[str, Callable[[Options], Answer]] = {
    "429": _throttled, "500": _failed, "502": _lightless, "503": _unavailable, "not-json": _starting, "body": _given,
    "redirect": _elsewhere, "gzip-bomb": _bomb, "oversized": _oversized,
}
MISBEHAVIOUR: Mapping[str, Callable[[Wire, Options, Answer, str], None]] = {
    "delay": Wire.delay, "pace": Wire.keep_pace, "silence": Wire.keep_silent, "drip-headers": Wire.drip_headers,
    "drip-body": Wire.drip_body, "reset": Wire.reset, "truncated": Wire.truncate,
}
