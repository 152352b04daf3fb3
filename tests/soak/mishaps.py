"""The mishaps: how each is caused, which readings it costs, and which collectors may fail or print."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Timer

from tests.faults.disks import fill
from tests.simulator.house import REPORT_SECONDS, House
from tests.soak.place import Place
from tests.soak.plan import COLLECTORS, LEFT_ALONE, Mishap, Phase, asked_while_left_alone

HUE, AMAZON, BOTH = ("hue",), ("amazon_aqm",), ("hue", "amazon_aqm")
ALL = (*COLLECTORS, "publishers")
STALE_AFTER = timedelta(seconds=10_800)  # as shipped: older values of a monitor are not stored
AIR = {"temperature_celsius": "temperature", "humidity_percent": "humidity", "voc_index": "voc", "pm25_ugm3": "pm25",
       "pm10_ugm3": "pm10", "co_ppm": "co", "iaq_score": "iaq"}
Play = Callable[[Place, Mishap], AbstractContextManager[None]]
Lost = tuple[str, datetime]  # a device, and the cycle in which it has no reading


@dataclass(frozen=True)
class Kind:
    """`costs` are the collectors that lose readings, `prints` those that may fail although they lose none.

    `alarms` says that the health check must report it; it may report any. `alert` is the file that stands meanwhile.
    """

    play: Play
    costs: tuple[str, ...] = ()
    prints: tuple[str, ...] = ()
    alarms: bool = False
    alert: str | None = None


def devices(house: House, collector: str) -> list[str]:
    if collector == "hue":
        return [f"hue:{sensor.uniqueid()}" for sensor in house.sensors]
    if collector == "amazon_aqm":
        return [f"alexa:{monitor.serial}" for monitor in house.monitors]
    return ["weather:outside"] if collector == "weather" else []


def lost(mishap: Mishap, phase: Phase, house: House) -> Iterator[Lost]:
    moments = [moment for moment in phase.moments() if mishap.start <= moment]
    if mishap.kind == "sensor off":
        yield from ((_sensor_off(mishap, house), moment) for moment in moments if moment < mishap.end)
        return
    if mishap.kind == "monitor frozen":
        yield from ((f"alexa:{serial}", moment) for serial, old in _frozen(mishap, house)
                    for moment in moments if old + STALE_AFTER < moment < mishap.end)
        return
    until = dict.fromkeys((each for name in KINDS[mishap.kind].costs for each in devices(house, name)), mishap.end)
    if mishap.kind == "bridge restarts":
        until = {each: _first_report(mishap, phase, house, each.removeprefix("hue:")) for each in devices(house, "hue")}
    if mishap.kind in LEFT_ALONE:
        until = dict.fromkeys(until, [*asked_while_left_alone(mishap, phase.every)][-1])
    yield from ((each, moment) for each, end in until.items() for moment in moments if moment < end)


def slack(mishap: Mishap, phase: Phase, house: House) -> Iterator[Lost]:
    """Yield readings that may be lost: whether a pause ends before a cycle, or a value becomes too old in it, depends on the
    machine's speed.
    """
    if mishap.kind == "monitor frozen":
        yield from ((f"alexa:{serial}", phase.cycle_of((old + STALE_AFTER).isoformat()))
                    for serial, old in _frozen(mishap, house))
    if mishap.kind in LEFT_ALONE:
        for asked in asked_while_left_alone(mishap, phase.every):
            if asked >= mishap.end:
                yield from ((each, asked) for each in devices(house, "amazon_aqm"))


def _frozen(mishap: Mishap, house: House) -> Iterator[tuple[str, datetime]]:
    """Yield each monitor's serial number, and the time of its newest value."""
    for monitor in house.monitors:
        yield monitor.serial, max(house.last_sample(monitor.serial, quantity, mishap.start) for quantity in AIR.values())


def _at_start(act: Callable[[Place], object]) -> Play:
    """Return a mishap that happens once, at its start."""
    @contextmanager
    def play(place: Place, mishap: Mishap) -> Iterator[None]:
        act(place)
        yield
    return play


def _throughout(kind: str, *faces: str) -> Play:
    @contextmanager
    def play(place: Place, mishap: Mishap) -> Iterator[None]:
        for face in faces:
            place.simulator.faults.add(kind, face=face, start=mishap.start, end=mishap.end)
        yield
    return play


_network_away = _throughout("reset", "hue", "discovery", "alexa", "weather")


@contextmanager
def _network_and_database(place: Place, mishap: Mishap) -> Iterator[None]:
    with _network_away(place, mishap), _held(place, mishap):
        yield


def _once(kind: str, times: int, faces: tuple[str, ...] = ("hue", "alexa")) -> Play:
    @contextmanager
    def play(place: Place, mishap: Mishap) -> Iterator[None]:
        wanted = str(mishap.options.get("answer", kind))
        for face in faces:
            place.simulator.faults.add(wanted, face=face, times=times, start=mishap.start, end=mishap.end)
        yield
    return play


@contextmanager
def _rate_limited(place: Place, mishap: Mishap) -> Iterator[None]:
    """The bridge sends a Retry-After of more than a cycle, so that every other cycle makes no request."""
    seconds = round(1.5 * place.phase.every.total_seconds())
    place.simulator.faults.add("429", retry_after=seconds, start=mishap.start, end=mishap.end)
    yield


@contextmanager
def _restarting(place: Place, mishap: Mishap) -> Iterator[None]:
    """The bridge is away, then lists its sensors without values until each has reported."""
    house, back = place.simulator.house, mishap.start + place.phase.every
    place.simulator.faults.add("reset", start=mishap.start, end=back)
    for sensor in house.sensors:
        place.simulator.faults.add("restarted", sensor=sensor.mac, start=back,
                                   end=_first_report(mishap, place.phase, house, sensor.uniqueid()))
    yield


def _first_report(mishap: Mishap, phase: Phase, house: House, uniqueid: str) -> datetime:
    """Return the first cycle at which a sensor has reported to a bridge that was away for a cycle."""
    back = mishap.start + phase.every
    report = next(moment for moment in (back + timedelta(seconds=each) for each in range(2 * REPORT_SECONDS))
                  if house.last_report(uniqueid, moment) > back)
    return back - (back - report) // phase.every * phase.every


@contextmanager
def _sensor_is_off(place: Place, mishap: Mishap) -> Iterator[None]:
    mac = _sensor_off(mishap, place.simulator.house).removeprefix("hue:")[:23]
    place.simulator.faults.add("off", sensor=mac, start=mishap.start, end=mishap.end)
    yield


def _sensor_off(mishap: Mishap, house: House) -> str:
    return devices(house, "hue")[int(str(mishap.options["sensor"]))]


@contextmanager
def _revoked(place: Place, mishap: Mishap) -> Iterator[None]:
    """The login is dead, until a script carries out the alert's remedy."""
    place.simulator.alexa.revoke()
    yield
    place.pair_with_amazon()


@contextmanager
def _held(place: Place, mishap: Mishap) -> Iterator[None]:
    with closing(sqlite3.connect(place.home.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def _held_for_seconds(place: Place, mishap: Mishap) -> Iterator[None]:
    with closing(sqlite3.connect(place.home.database, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        timer = Timer(float(str(mishap.options["seconds"])), connection.rollback)
        timer.start()
        yield
        timer.join()


@contextmanager
def _unmounted(place: Place, mishap: Mishap) -> Iterator[None]:
    with place.without_data():
        yield


@contextmanager
def _clock_behind(place: Place, mishap: Mishap) -> Iterator[None]:
    """A computer whose clock stood still while it was off, as it starts before it has asked for the time."""
    place.clock_error = timedelta(hours=-3)
    yield
    place.clock_error = timedelta()


@contextmanager
def _broker_down(place: Place, mishap: Mishap) -> Iterator[None]:
    place.destinations.stop_broker()
    yield
    place.destinations.start_broker()


@contextmanager
def _full(place: Place, mishap: Mishap) -> Iterator[None]:
    bulk, rest = place.home.data / "ballast", place.home.data / "more-ballast"
    disk = os.statvfs(place.home.data)
    with open(bulk, "wb") as file:
        if sys.platform != "darwin":
            os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - 4_000_000))
    fill(rest)
    yield
    bulk.unlink()
    rest.unlink()


KINDS: Mapping[str, Kind] = {
    "computer off": Kind(_at_start(lambda place: None), costs=COLLECTORS),
    "clock behind": Kind(_clock_behind, prints=ALL),
    "update": Kind(_at_start(lambda place: place.update())),
    "broker down": Kind(_broker_down, prints=("publishers",)),
    "disk unmounted": Kind(_unmounted, prints=ALL, alarms=True, alert="ALERT_STORAGE_FAILING.txt"),
    "monitor frozen": Kind(_throughout("old-samples", "alexa")),
    "refused for a while": Kind(_throughout("403", "alexa"), costs=AMAZON),
    "network away": Kind(_network_away, costs=COLLECTORS),
    "network and database": Kind(_network_and_database, costs=COLLECTORS, prints=("publishers",)),
    "429": Kind(_once("429", 2, ("hue",))),  # the cloud's own is "cloud throttles"
    "429 with a time": Kind(_rate_limited, costs=HUE),
    "cloud throttles": Kind(_throughout("throttled", "alexa"), costs=AMAZON),
    "503": Kind(_once("503", 2)),
    "bad answers": Kind(_once("500", 2)),
    "a drip": Kind(_once("drip-body", 1)),
    "drips": Kind(_throughout("drip-body", "hue", "alexa"), costs=BOTH),
    "bridge restarts": Kind(_restarting, costs=HUE),
    "bridge moves": Kind(_at_start(lambda place: place.simulator.move())),
    "sensor off": Kind(_sensor_is_off),
    "monitor offline": Kind(_throughout("offline", "alexa"), costs=AMAZON),
    "cookies expire": Kind(_at_start(lambda place: place.simulator.alexa.expire_cookies())),
    "login revoked": Kind(_revoked, costs=AMAZON, alarms=True, alert="ALERT_TOKEN_REFRESH_NEEDED.txt"),
    "database held": Kind(_held, prints=ALL, alarms=True),
    "database held for seconds": Kind(_held_for_seconds),
    "disk full": Kind(_full, prints=ALL, alarms=True),
    "kill -9": Kind(_at_start(lambda place: None)),
}
