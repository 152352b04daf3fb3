"""A house that exists only as arithmetic: its state depends on the seed, the room and the moment alone.

Nothing is stored and nothing is random, so a restart changes nothing and any stored reading can be checked years later.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import UUID

REPORT_SECONDS = 300
JITTER_SECONDS = 20
DAY_SECONDS = 86_400
ROOMS = (
    "Utility", "Küche", "Außen", "Living room", "Büro", "Bedroom", "Salle à manger", "Kinderzimmer", "Bathroom",
    "Flur", "Keller", "Łazienka", "Guest room", "Dachboden", "Studio", "Spülküche", "Library", "Wäschekeller",
)
OUTDOORS = frozenset({"Außen"})
MONITOR_ROOMS = ("Living room", "Bedroom", "Küche", "Büro", "Kinderzimmer", "Studio")
REPUBLISHED = 72  # a monitor publishes an unchanged value after so many measurements
CLUSTERS: Mapping[str, str] = {"temperature": "0402", "presence": "0406", "light": "0400"}


def chance(*key: object) -> float:
    """Return a number in [0, 1) that depends on the key alone."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def drift(seconds: float, period: float, *key: object) -> float:
    """Return a smooth curve between -1 and 1 that takes a new direction every `period` seconds."""
    step, part = divmod(seconds / period, 1.0)
    ease = part * part * (3.0 - 2.0 * part)
    before, after = (2.0 * chance(key, int(step) + turn) - 1.0 for turn in (0, 1))
    return before + (after - before) * ease


@dataclass(frozen=True)
class Sensor:
    """One motion sensor: three logical sensors in one box, tied by the MAC. `number` counts from 1 in pairing order."""

    number: int
    room: str
    mac: str
    outdoor: bool

    def uniqueid(self, quantity: str = "temperature") -> str:
        """Given temperature, presence or light, return the address the bridge shows: MAC, end point, cluster."""
        return f"{self.mac}-02-{CLUSTERS[quantity]}"


@dataclass(frozen=True)
class Monitor:
    """One air quality monitor; `uuid` is what a cloud calls it. `number` counts from 1."""

    number: int
    room: str
    serial: str
    uuid: str


class House:
    """Rooms with a motion sensor each; every sixth or so is outdoors, where it freezes. Some have an air monitor."""

    def __init__(self, seed: int = 1, sensors: int = 5, monitors: int = 1) -> None:
        self.seed = seed
        self.sensors = tuple(self._install(number) for number in range(1, sensors + 1))
        self.monitors = tuple(self._hang(number) for number in range(1, monitors + 1))
        self.rooms = tuple(sensor.room for sensor in self.sensors)
        self._by_mac = {sensor.mac: sensor for sensor in self.sensors}
        self._by_serial = {monitor.serial: monitor for monitor in self.monitors}

    def _install(self, number: int) -> Sensor:
        lap, place = divmod(number - 1, len(ROOMS))
        room = f"{ROOMS[place]} {lap + 1}" if lap else ROOMS[place]
        tail = f"{int(chance(self.seed, number) * 65536):04x}{number:04x}"
        mac = ":".join(["00:17:88:01", *(tail[at:at + 2] for at in range(0, 8, 2))])
        return Sensor(number, room, mac, ROOMS[place] in OUTDOORS)

    def _hang(self, number: int) -> Monitor:
        digits = "".join(f"{int(chance(self.seed, 'monitor', number, part) * 2**44):011x}" for part in range(4))
        return Monitor(number, MONITOR_ROOMS[(number - 1) % len(MONITOR_ROOMS)], f"GAJ2{digits[-12:].upper()}",
                       str(UUID(digits[:32], version=4)))

    def sensor(self, uniqueid: str) -> Sensor:
        """Given a uniqueid or its MAC, return the sensor. Raise KeyError for one that is not in this house."""
        return self._by_mac[uniqueid[:23]]

    def truth(self, uniqueid: str, when: datetime) -> float:
        """Return the °C that the sensor measures at that moment."""
        return self.temperature(self.sensor(uniqueid).room, when)

    def last_report(self, uniqueid: str, when: datetime) -> datetime:
        """Return the moment of the logical sensor's last report, whole seconds, at or before `when`.

        Sensors report about every five minutes, each at its own time (azogue/fasthue#4).
        """
        phase = REPORT_SECONDS * chance(self.seed, uniqueid, "phase")
        turn = math.floor((when.timestamp() - phase) / REPORT_SECONDS)
        moment = self._report(uniqueid, phase, turn)
        if moment > when.timestamp():
            moment = self._report(uniqueid, phase, turn - 1)
        return datetime.fromtimestamp(moment, timezone.utc)

    def _report(self, uniqueid: str, phase: float, turn: int) -> int:
        return math.floor(turn * REPORT_SECONDS + phase + JITTER_SECONDS * chance(self.seed, uniqueid, turn))

    def temperature(self, room: str, when: datetime) -> float:
        """Return the room's °C, to the hundredth that a sensor resolves: a daily wave, slow weather, a little noise."""
        seconds = when.timestamp()
        mean, wave, weather = 20.5 + 3.0 * (chance(self.seed, room) - 0.5), 0.9, 1.4
        if room.partition(" ")[0] in OUTDOORS:
            mean, wave, weather = 1.0, 3.5, 6.0
        celsius = mean + wave * math.cos(2.0 * math.pi * (seconds / DAY_SECONDS - 15 / 24))
        celsius += weather * drift(seconds, 2 * DAY_SECONDS, self.seed, room, "weather")
        return round(celsius + 0.25 * drift(seconds, 1200, self.seed, room, "noise"), 2)

    def occupied(self, room: str, when: datetime) -> bool:
        hour = when.timestamp() % DAY_SECONDS / 3600
        likely = 0.35 if 6 <= hour < 23 else 0.03
        return chance(self.seed, room, "presence", when.timestamp() // 600) < likely

    def lux(self, room: str, when: datetime) -> float:
        """Return the illuminance in lux: the sun through the window, and a lamp in an occupied dark room."""
        seconds = when.timestamp()
        sun = max(0.0, math.cos(2.0 * math.pi * (seconds / DAY_SECONDS - 0.5)))
        clouds = 0.6 + 0.4 * drift(seconds, 7200, self.seed, "clouds")
        lamp = 80.0 if sun < 0.2 and self.occupied(room, when) else 0.0
        return 400.0 * sun * clouds + lamp

    def light_level(self, room: str, when: datetime) -> int:
        """Return the illuminance as the bridge shows it: 10000 log10(lux) + 1, and 0 for darkness."""
        lux = self.lux(room, when)
        return int(10_000 * math.log10(lux) + 1) if lux >= 1 else 0

    def battery(self, room: str, when: datetime) -> int:
        """Return the charge in percent, falling from 100 to 20 in two years, then replaced."""
        age = when.timestamp() / (730 * DAY_SECONDS) + chance(self.seed, room, "battery")
        return max(20, 100 - int(90 * (age % 1.0)))

    def monitor(self, serial: str) -> Monitor:
        """Return the monitor. Raise KeyError for one that is not in this house."""
        return self._by_serial[serial]

    def air(self, quantity: str, room: str, when: datetime) -> float:
        """Return what a monitor in the room would measure, to the step that it resolves.

        Whole numbers for humidity (%), pm25, pm10 (µg/m³), voc (index, 0 to 100), co (ppm) and iaq (score, 100 is
        best); quarters of a °C for temperature, a little too warm because the monitor warms itself.
        """
        if quantity == "temperature":
            warmth = 0.5 + 0.5 * chance(self.seed, room, "warmth")
            return round(4.0 * (self.temperature(room, when) + warmth)) / 4.0
        return float(round(min(max(self._air(quantity, room, when.timestamp()), 0.0), 100.0)))

    def _air(self, quantity: str, room: str, seconds: float) -> float:
        """Return the true value, unrounded: slow weather, fast changes, and cooking that raises dust and vapours."""
        if quantity == "humidity":
            return (48.0 + 9.0 * drift(seconds, 2 * DAY_SECONDS, self.seed, room, "damp")
                    + 3.0 * drift(seconds, 5400, self.seed, room, "breath"))
        cooking = max(0.0, drift(seconds, 7200, self.seed, "cooking")) ** 3
        dust = 4.0 + 3.0 * drift(seconds, 14400, self.seed, room, "dust") + 22.0 * cooking
        vapours = 24.0 + 16.0 * drift(seconds, 10800, self.seed, room, "vapours") + 20.0 * cooking
        return {"pm25": dust, "pm10": 2.0 + 1.4 * dust, "voc": vapours, "co": 3.0 * cooking,
                "iaq": 100.0 - 0.6 * vapours - 0.7 * dust}[quantity]

    def air_truth(self, serial: str, quantity: str, when: datetime) -> float:
        return self.air(quantity, self.monitor(serial).room, when)

    def last_sample(self, serial: str, quantity: str, when: datetime) -> datetime:
        """Return the moment of the monitor's last published sample at or before `when`.

        It measures about every five minutes, and publishes an unchanged value only every REPUBLISHED measurements.
        """
        name = f"{serial} {quantity}"
        phase = REPORT_SECONDS * chance(self.seed, name, "phase")
        turn = math.floor((self.last_report(name, when).timestamp() + 1.0 - phase) / REPORT_SECONDS)
        value = self._measured(serial, quantity, name, phase, turn)
        while turn % REPUBLISHED and self._measured(serial, quantity, name, phase, turn - 1) == value:
            turn -= 1
        return datetime.fromtimestamp(self._report(name, phase, turn), timezone.utc)

    def _measured(self, serial: str, quantity: str, name: str, phase: float, turn: int) -> float:
        moment = datetime.fromtimestamp(self._report(name, phase, turn), timezone.utc)
        return self.air_truth(serial, quantity, moment)
