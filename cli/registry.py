"""The device registry and the readings as a person at the terminal looks at them and changes them.

Like a collector, it holds the database for moments only: what takes long is done a few rows at a time, with the lock
free in between for long enough that whoever waits for it gets it.
"""

import glob
import logging
import os
import re
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import config
from jobs.persist import writer
from jobs.problems import Problems
from jobs.retries import RetryRecorder
from runtime.deadline import Stopwatch
from runtime.errors import Busy, Unavailable, Unusable
from runtime.retry import Attempt, retry_policy
from runtime.streams import show_progress
from storage import gaps, lost_database, manager, readings, registry
from storage.cycle_history import Window
from storage.reading import Cycle
from storage.readings import Work
from storage.registry import Device

FULL_ID = re.compile(r"[a-z][a-z_]{2,}:\S+")  # a hardware address without our prefix begins with two digits
CANDIDATES = 8  # as many as one reads
CHUNK = 5_000  # rows looked for at once, without any lock
FEWEST, MOST = 20, 2_000  # rows changed at once
LONGEST_MS = 60.0  # for which the database is held on purpose; less than anybody notices
TIMES = 3  # as long as for the fewest rows, which is little more than an empty commit takes
PAUSE_SECONDS = 0.02  # four times as long as those who wait sleep between two looks at the lock


class NotOneDevice(Unusable):
    """What was given to name a device names several, or none."""


class NoDevice(NotOneDevice):
    """What was given to name a device names none."""


class Registry:
    """The devices in one configuration's database. Every method may raise StorageError."""

    def __init__(self, configuration: config.Configuration, problems: Problems, recorder: RetryRecorder) -> None:
        storage = configuration.storage
        self._path = storage.database_path
        self._reading = partial(manager.reading, storage.database_path, busy_timeout_ms=storage.busy_timeout_ms,
                                marker=configuration.data / lost_database.MARKER)
        self._writing = writer(configuration, show_progress)
        self._persistent = retry_policy(configuration.retry)(
            on=Busy, operation="store", listener=self._wait, endpoint=storage.database_path.name)
        self._problems, self._recorder, self._has_told = problems, recorder, False

    def devices(self) -> list[Device]:
        """Return every device there is a trace of."""
        with self._reading() as connection:
            return registry.all_devices(connection)

    def newest(self, listed: Iterable[Device]) -> list[readings.Newest | None]:
        """Return the newest reading of each of the devices."""
        with self._reading() as connection:
            return [readings.newest(connection, each.device_id) for each in listed]

    def coverage(self, listed: Iterable[Device], window: Window, waiting: Collection[Cycle]) -> list[gaps.Coverage]:
        """Return what the devices' readings are and what is missing of them, given what waits in the spool."""
        with self._reading() as connection:
            return gaps.report(connection, listed, window, waiting)

    def one(self, text: str) -> Device:
        """Given an id, a name or an unambiguous part of either, return the device. Raise NotOneDevice."""
        return the_one(text, self.devices())

    def one_or_new(self, text: str) -> Device:
        """Return the same, or a new device for the full id of one that nobody has seen yet."""
        try:
            return the_one(text, self.devices() if os.path.exists(self._path) else [])
        except NoDevice as error:
            if FULL_ID.fullmatch(text) and text.isprintable():
                return Device(device_id=text)
            raise NoDevice(str(error), f"{error.remedy}; to name one before it is seen, give its full id, hue:... or "
                           "alexa:..., as --discover shows it") from None

    def change(self, device_id: str, alter: Callable[[Device], Device]) -> Device:
        """Register what a person decides about a device, new or known; return it as it is now."""
        changed: list[Device] = []

        def decide(connection: manager.Writer) -> None:
            changed[:] = [registry.change(connection, device_id, alter)]
        self._write(decide)
        return changed[0]

    def _wait(self, attempt: Attempt) -> None:
        """Tell the person, once, why nothing happens: when the first wait was in vain."""
        self._recorder.record(attempt)
        if attempt.outcome == "retrying" and not self._has_told:
            self._has_told = True
            self._problems.say(f"{attempt.endpoint} is in use by another program, which is waited for")

    def count(self, work: Work) -> int:
        """Return how many rows there are to do."""
        with self._reading() as connection:
            return work.count(connection)

    def batches(self, work: Work) -> Iterator[int]:
        """Do the work a few rows at a time; yield how many rows each time. What is done stays done if it is broken off.

        The batches grow and shrink so that each holds the database as long as it may, whatever the disk and whoever
        else is busy.
        """
        size, latest, hold_ms = FEWEST, "", LONGEST_MS
        while chunk := self._after(work, latest):
            latest = chunk[-1][1]
            while chunk:
                batch, chunk = [each for each, _ in chunk[:size]], chunk[size:]
                with _without_chatter():
                    took_ms = self._write(partial(_do, work, batch))
                if size == FEWEST:
                    hold_ms = min(TIMES * took_ms, LONGEST_MS)
                size = max(size // 2, FEWEST) if took_ms > hold_ms else min(size + size // 2, MOST)
                yield len(batch)
                time.sleep(PAUSE_SECONDS)

    def migrate(self) -> list[str] | None:
        """Bring the database up to date; return the copies of older ones beside it, the latest last.

        Return None where there was nothing to do. Raise Unusable where there is no database.
        """
        try:
            self.devices()
            return None
        except Busy:
            raise
        except Unavailable:  # or it cannot be used at all, which comes to light now
            self._write(lambda connection: None)
        copies = self._path.parent.glob(f"{glob.escape(self._path.name)}.before-v*")
        return [str(each) for each in sorted(copies, key=os.path.getmtime)]

    def _after(self, work: Work, latest: str) -> list[tuple[int, str]]:
        with self._reading() as connection:
            return work.after(connection, latest, CHUNK)

    def _write(self, change: Callable[[manager.Writer], None]) -> float:
        """Make a change in a transaction of its own; return for how many milliseconds it held the database."""
        def write() -> float:
            with self._writing() as connection:
                watch = Stopwatch()
                with manager.transaction(connection):
                    change(connection)
            return watch.elapsed_ms()
        return float(self._persistent(write)())


def the_one(text: str, known: list[Device]) -> Device:
    """Return the device that is meant by an id, a name, or a part of one. Raise NotOneDevice."""
    wanted = _folded(text)
    for is_meant in (_is_called, _is_called_in_part):
        found = [each for each in known if wanted and is_meant(wanted, each)]
        if len(found) == 1:
            return found[0]
        if found:
            more = f" and {len(found) - CANDIDATES} more" if len(found) > CANDIDATES else ""
            candidates = ", ".join(map(label, found[:CANDIDATES]))
            raise NotOneDevice(f"{text!r} may be {candidates}{more}", "give more of the id, or of the name")
    raise NoDevice(f"no device has {text!r} in its id or name{_nearest(wanted, known)}",
                   "`python devices.py list` shows all devices")


def label(device: Device) -> str:
    """Return a device's id and name for a sentence."""
    return f"{device.device_id} ({device.device_name})" if device.device_name else device.device_id


def _folded(text: str) -> str:
    """Return a text as it is compared: letters of either case, however their accents are composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _words(device: Device) -> list[str]:
    return [_folded(each) for each in (device.device_id, device.device_name) if each]


def _is_called(wanted: str, device: Device) -> bool:
    return wanted in _words(device)


def _is_called_in_part(wanted: str, device: Device) -> bool:
    return any(wanted in each for each in _words(device))


def _nearest(wanted: str, known: list[Device]) -> str:
    """Return the devices with the most alike ids and names, as the end of a sentence."""
    from difflib import get_close_matches  # slow to import, and most people know what they look for
    words = {word: each for each in known for word in _words(each)}
    found = {words[word].device_id: words[word] for word in get_close_matches(wanted, words, n=3, cutoff=0)}
    labels = ", ".join(map(label, found.values()))
    return f"; the nearest {'is' if len(found) == 1 else 'are'} {labels}" if found else ""


def _do(work: Work, ids: list[int], connection: manager.Writer) -> None:
    work.do(connection, ids)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep what every opening of the database logs out of the log, where thousands of them follow each other."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
