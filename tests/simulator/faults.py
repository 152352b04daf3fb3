"""What can go wrong, and which faults are active.

A fault has a kind and options; the kinds and their defaults are below. It ends after `times` requests, at `end`, or
when it is cleared. `wire` carries out the faults on the wire, `alterations` those in the bridge's content, `alexa` and
its parts those of the cloud.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

ON_THE_WIRE: Mapping[str, Mapping[str, Any]] = {
    "429": {"retry_after": None},  # seconds, an HTTP date as text, or an aware datetime
    "500": {},
    "502": {},  # the bridge's page: "Oops, there appears to be no lighting here"
    "503": {"retry_after": None},
    "not-json": {},
    "body": {"content": "", "status": 200, "content_type": "application/json"},  # text or bytes
    "redirect": {"location": "http://127.0.0.1:9/", "status": 301},
    "gzip-bomb": {"megabytes": 100},
    "oversized": {"megabytes": 20},
    "delay": {"seconds": 1.0},  # then the true answer
    "pace": {"seconds": 0.015, "bytes_per_second": 1_000_000},  # see docs/performance.md
    "silence": {"seconds": 60.0},  # then the connection closes
    "drip-headers": {"pause": 0.1, "chunk": 1},
    "drip-body": {"pause": 0.1, "chunk": 1},
    "reset": {},
    "truncated": {"keep": 0.5},  # the share of the body that is sent
}
IN_THE_HANDSHAKE: Mapping[str, Mapping[str, Any]] = {
    "silent-handshake": {"seconds": 60.0},  # https only: connected, then not a byte of TLS
}
IN_THE_CONTENT: Mapping[str, Mapping[str, Any]] = {
    "key-refused": {},
    "pairing-403": {},  # errors of pairing come with this status, as from deCONZ
    "entries": {"entries": []},  # further entries in the answer to /sensors
    "keys-kept": {"error": 4},  # it lets no program delete a key, as newer bridges do
    "wrong-bridge": {"accepts_key": False},  # another bridge answers, with its certificate and house
    "restarted": {"sensor": None},  # null and "none" until the sensors report again
    "off": {"sensor": None, "frozen": False},  # config.on is false; frozen: the last value stays, else null
    "unreachable": {"sensor": None},
    "stale": {"sensor": None, "seconds": 18_000},  # no report since `start`, or for so many seconds
    "battery-null": {"sensor": None},
    "uniqueid-missing": {"sensor": None},
    "milliseconds": {"sensor": None},
    "state": {"sensor": None, "state": {}, "quantity": "temperature"},  # any JSON, merged into that entry's state
    "future": {"sensor": None, "seconds": 86_400},
    "re-paired": {"sensor": None, "lingering": False},
    "presence-deleted": {"sensor": None},
    "renamed": {"sensor": None, "name": "Thermostat 1"},
    "gone": {"sensor": None},
    "clock": {"seconds": 0.0},  # the bridge's clock is off: Date, lastupdated, config
    "date": {"seconds": 0.0},  # the Date header alone is off
}
AT_THE_EXCHANGE: Mapping[str, Mapping[str, Any]] = {
    "token-refused": {"status": 400},  # or 401, 403
    "still-registered": {},  # a device is not deregistered
    "cookieless": {"names": None},  # status 200 without cookies, or without these prefixes
    "foreign-cookies": {"domain": ".amazon.com"},
}
IN_THE_CLOUD: Mapping[str, Mapping[str, Any]] = {
    "cookies-expired": {},  # those handed out before `start`; without a start, all
    "401": {}, "403": {}, "302": {}, "sign-in": {},  # refused, whatever the cookies: statuses, and the page at 200
    "forbidden": {"operation": None},  # at 200; None for any operation, or "state", "discovery", "groups"
    "throttled": {"operation": None},  # at 200
    "bad-request": {"operation": "state", "monitor": None, "partial": True},  # partial: the other monitors still answer
    "invalid-query": {"field": "configuration"},  # a query for this field is answered: no such field
    "incomplete": {"operation": None, "kept": 0},
    "empty": {"operation": None},
    "groupless": {},
    "unlisted-features": {},  # null in the list of Echo devices
    "offline": {"monitor": None, "features": None, "frozen": False, "seconds": 18_000},  # frozen: old values stay
    "old-samples": {"monitor": None, "features": None, "seconds": 172_800},
    "properties-null": {"monitor": None, "features": None},  # features: names or instances; None for all that measure
    "value-null": {"monitor": None, "features": None},
    "value": {"monitor": None, "features": None, "value": None},  # any JSON, also NaN and Infinity
    "not-found": {"monitor": None, "features": None},
    "not-retrievable": {"monitor": None, "features": None},
    "extra-features": {"monitor": None},
    "uninstanced": {"monitor": None, "features": None},
    "called": {"monitor": None, "name": "Spy"},
    "vanished": {"monitor": None, "replaced": True},
}
KINDS: Mapping[str, Mapping[str, Any]] = {**IN_THE_HANDSHAKE, **ON_THE_WIRE, **IN_THE_CONTENT}
ALEXA_KINDS: Mapping[str, Mapping[str, Any]] = {**ON_THE_WIRE, **AT_THE_EXCHANGE, **IN_THE_CLOUD}
ALEXA_PATHS = {**dict.fromkeys(AT_THE_EXCHANGE, "/ap/exchangetoken"), **dict.fromkeys(IN_THE_CLOUD, "/nexus"),
               "still-registered": "/auth/deregister"}


@dataclass
class Fault:
    """A fault; `paths` are prefixes, on a bridge after /api/<key>, where "/" stands for the full configuration only."""

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    times: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    paths: Sequence[str] = ()
    face: str = "hue"

    def matches(self, face: str, resource: str, now: datetime) -> bool:
        started = self.start is None or self.start <= now
        over = self.times == 0 or self.end is not None and self.end <= now
        return face == self.face and started and not over and (
            not self.paths or any(_within(resource, prefix) for prefix in self.paths))


class Faults:
    """All faults; thread-safe."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, kind: str, *, times: int | None = None, start: datetime | None = None, end: datetime | None = None,
            paths: Sequence[str] = (), face: str | None = None, **options: Any) -> Fault:
        """Add a fault and return it; the default face is the one that has this kind. Raise ValueError if none has."""
        face = face or ("alexa" if kind in ALEXA_PATHS else "hue")
        kinds = ALEXA_KINDS if face == "alexa" else KINDS
        if kind not in kinds:
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(kinds)}")
        unknown = options.keys() - kinds[kind].keys()
        if unknown:
            raise ValueError(f"the fault {kind!r} has no option {', '.join(sorted(unknown))}")
        if not paths and face == "alexa" and kind in ALEXA_PATHS:
            paths = [ALEXA_PATHS[kind]]
        fault = Fault(kind, {**kinds[kind], **options}, times, start, end, paths, face)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        with self._lock:
            self._faults = [fault for fault in self._faults if kind is not None and fault.kind != kind]

    def active(self, face: str, resource: str, now: datetime, *kinds: str) -> list[Fault]:
        """Return the faults of these kinds (default: all) that match a request, oldest first; count nothing."""
        with self._lock:
            return [fault for fault in self._faults if fault.matches(face, resource, now)
                    and (not kinds or fault.kind in kinds)]

    def take(self, face: str, resource: str, now: datetime) -> tuple[Fault | None, list[Fault]]:
        """Return the oldest matching fault on the wire and all matching ones in the content, and count the request."""
        wire = self.active(face, resource, now, *ON_THE_WIRE)[:1]
        content = self.active(face, resource, now, *IN_THE_CONTENT, *ALEXA_PATHS)
        self._count(wire + content)
        return (wire[0] if wire else None), content

    def take_handshake(self, now: datetime) -> Fault | None:
        faults = self.active("hue", "", now, *IN_THE_HANDSHAKE)[:1]
        self._count(faults)
        return faults[0] if faults else None

    def _count(self, faults: list[Fault]) -> None:
        with self._lock:
            for fault in faults:
                fault.times = fault.times - 1 if fault.times else fault.times


def clock_offset(faults: Iterable[Fault], *kinds: str) -> timedelta:
    """Return by how much the bridge's clock is off, faults of further kinds (`date`) included."""
    return timedelta(seconds=sum(fault.options["seconds"] for fault in faults if fault.kind in ("clock", *kinds)))


def _within(resource: str, prefix: str) -> bool:
    return resource == prefix or prefix != "/" and resource.startswith(prefix.rstrip("/") + "/")
