"""A source whose probe never ends, or ends badly, in the way of `how`."""

import ctypes
import fcntl
import os
from dataclasses import dataclass

from collectors import CollectorSettings
from collectors import NoSecrets as Secrets  # noqa: F401  # the contract's name


@dataclass(frozen=True)
class Settings(CollectorSettings):
    enabled: bool = True
    how: str = "gil"
    path: str = ""


def collect(settings, secrets, http, state, now):
    return iter(())


def probe(settings, secrets, http, state):  # a branch for each way to hang
    if settings.how == "gil":
        ctypes.PyDLL(None).sleep(600)
    elif settings.how == "lock":
        fcntl.flock(os.open(settings.path, os.O_RDONLY), fcntl.LOCK_EX)
    elif settings.how == "memory":
        hoard = []
        while True:
            hoard.append(bytes(50_000_000))
    elif settings.how == "segfault":
        ctypes.string_at(0)
    elif settings.how == "exit":
        raise SystemExit(0)
    elif settings.how == "swallow":
        while True:
            try:
                ctypes.CDLL(None).sleep(600)
            except BaseException:
                pass
    raise RuntimeError("it is \x1b[31mbroken\nhere")
