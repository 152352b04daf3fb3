"""A source that yields two values and then hangs, in the way its settings name; dropped into `collectors/`."""

import ctypes
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import jobs.collect
from collectors import CollectorSettings
from collectors import NoSecrets as Secrets
from runtime.http_client import HttpClient
from storage.reading import Reading
from storage.state import State

FOR_EVER = 60  # seconds: six times what a cycle may take here


@dataclass(frozen=True)
class Settings(CollectorSettings):
    """Its section of config.yaml. `how` is "look-up", "lock", "C code", "C code with the lock" or "" for not at all."""

    enabled: bool = True
    how: str = ""
    first: float = 20.0


def collect(settings: Settings, secrets: Secrets, http: HttpClient, state: State, now: datetime) -> Iterator[Reading]:
    """Yield two values, then hang."""
    for number in (1, 2):
        yield Reading(timestamp=now, device_id=f"hanging:{number}", device_type="thermometer",
                      temperature_celsius=settings.first + number)
    if settings.how == "look-up":
        socket.getaddrinfo("nobody.answers.example", 443)
    elif settings.how == "lock":
        _wait_for_a_thread()
    elif settings.how == "C code":
        ctypes.CDLL(None).sleep(FOR_EVER)
    elif settings.how == "C code with the lock":  # the interpreter's, which PyDLL keeps
        ctypes.PyDLL(None).sleep(FOR_EVER)


def _wait_for_a_thread() -> None:
    lock, held = threading.Lock(), threading.Event()

    def keep() -> None:
        with lock:
            held.set()
            threading.Event().wait(FOR_EVER)

    threading.Thread(target=keep, daemon=True).start()
    held.wait()
    with lock:
        pass


if __name__ == "__main__":
    jobs.collect.main(sys.modules[__name__])
