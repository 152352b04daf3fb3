"""Runs of the real scripts that hang in different ways, each in a separate home, started side by side.

Silent networks are real sockets of this machine, and so is a name server that never answers, which only the script sees
(in a mount namespace). Everything else hangs in a source made for it (tests/trial/hanging.py), or in a system call
that strace delays.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from storage import spool
from storage.state import State
from tests.checkout import CHECKOUT, make_checkout
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator
from tests.storage.legacy_databases import leave, many_rows

DEADLINE = 10  # seconds, the smallest that the configuration allows
NAME_SERVER = "127.0.0.253"
NAMESPACE = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null")
OLD_READINGS = 3_000
SLOW_SECONDS = 0.3  # as memory cards take during garbage collection
SIGNAL_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Hang:
    """A run that will hang. `repair` removes the cause for the next run; `signal` is sent to it while it hangs."""

    home: Home
    module: str
    repair: Callable[[], None]
    before: Sequence[str] = ()
    folder: Path = CHECKOUT
    signal: int | None = None

    @property
    def collector(self) -> str:
        return self.module.rpartition(".")[2]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen([*self.before, *self.home.command(module=self.module)], cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=unmeasured())  # coverage writes its files when a process ends, which takes time


@dataclass(frozen=True)
class Ended:
    """How a run ended: the seconds since its process was created, and since its cycle started.

    `waiting` and `rows` count readings in the spool and in the database; `remembered` are the kinds of problems that
    the next run will not print again.
    """

    code: int
    err: str
    all_seconds: float
    seconds: float
    waiting: int
    rows: int
    remembered: frozenset[str]


def run(hangs: dict[str, Hang]) -> dict[str, Ended]:
    started = time.time()
    running = {name: hang.start() for name, hang in hangs.items()}
    signals = {name: hang.signal for name, hang in hangs.items() if hang.signal is not None}
    ended: dict[str, Ended] = {}
    while running:
        time.sleep(0.01)
        now = time.time()
        for name in [name for name in signals if now > _cycle_start(hangs[name], now) + SIGNAL_AFTER_SECONDS]:
            running[name].send_signal(signals.pop(name))
        for name in [name for name, process in running.items() if process.poll() is not None]:
            _, err = running[name].communicate()
            home = hangs[name].home
            memory = State(home.data / f"{hangs[name].collector}.session.json")
            ended[name] = Ended(running.pop(name).returncode, err, now - started, now - _cycle_start(hangs[name], now),
                                spool.status(home.data).readings, len(home.rows()),
                                frozenset(cast("dict[str, str]", memory.get("said", {}))))
    return ended


def _cycle_start(hang: Hang, now: float) -> float:
    """Return when the run took its collector's lock; `now` if it has not yet."""
    lock = hang.home.data / f"{hang.collector}.lock"
    return lock.stat().st_mtime if lock.exists() else now


@contextmanager
def silent_name_server() -> Iterator[None]:
    """Listen for name look-ups without answering. Raise OSError if the port is not available."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((NAME_SERVER, 53))
        yield


@cache
def why_no_name_server() -> str:
    """Return why a script cannot have another name server here; empty if it can."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "it takes root and unshare to give a script another name server"
    try:
        with silent_name_server():
            done = subprocess.run([*NAMESPACE, "/dev/null", "true"], capture_output=True, text=True)
    except OSError as error:
        return f"port 53 of {NAME_SERVER} is not available: {error.strerror}"
    return f"no mount namespace is available: {done.stderr.strip()}" if done.returncode else ""


@cache
def why_no_strace() -> str:
    """Return why there can be no slow disk here; empty if there can."""
    if not shutil.which("strace"):
        return "it takes strace to make a disk slow"
    done = subprocess.run([*STRACE, "true"], capture_output=True, text=True)
    return f"strace may not trace here: {done.stderr.strip()}" if done.returncode else ""


class Houses:
    """Makes homes whose next run hangs; runs the servers they need until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, ExitStack()
        self._checkout, self._resolver = folder / "checkout", folder / "resolv.conf"
        folder.mkdir(exist_ok=True)
        self._resolver.write_text(f"nameserver {NAME_SERVER}\noptions timeout:30 attempts:5\n", encoding="ascii")
        make_checkout(self._checkout, "collectors/hanging")
        self._sound = self._stack.enter_context(Simulator(tls=None))
        if not why_no_name_server():  # the check above uses the same port
            self._stack.enter_context(silent_name_server())

    def __enter__(self) -> "Houses":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def without_answer(self, kind: str, collector: str) -> Hang:
        """Return a run whose source does not answer in that way, and neither does the discovery service.

        The kinds are those of the simulator, and "black hole", which neither accepts nor refuses connections.
        """
        home = self._home(f"{collector} {kind}")
        if kind == "black hole":
            hole = self._black_hole()
            self._point(home, collector, hole, hole)
        else:
            mute = self._simulator(tls="ca" if kind == "silent-handshake" else None)
            for face in ["hue"] if mute.secure else ["hue", "alexa", "discovery"]:
                mute.faults.add(kind, face=face)
            url = mute.cloud_url if collector == "amazon_aqm" else mute.https_url if mute.secure else mute.http_url
            self._point(home, collector, url, mute.discovery_url, mute.fingerprint if mute.secure else None)
        return Hang(home, f"collectors.{collector}", partial(self._repair, home, collector))

    def name_unknown(self, whose: str) -> Hang:
        """Return a run that has to look up the name of a bridge, discovery service, cloud, or mail server.

        The mail reports a refused key.
        """
        home, collector = self._home(f"name of {whose}"), "amazon_aqm" if whose == "cloud" else "hue"
        if whose == "discovery":
            self._point(home, collector, f"http://127.0.0.1:{_closed_port()}", "https://discovery.example/")
        elif whose == "mail":
            refusing = self._simulator(tls=None)
            refusing.faults.add("key-refused")
            self._point(home, collector, refusing.http_url, None, email={
                "smtp_host": "mail.example", "security": "none", "from": "a@b.example", "to": "c@d.example"})
        else:
            self._point(home, collector, f"https://{whose}.example", None, "0" * 64 if whose == "bridge" else None)
        return Hang(home, f"collectors.{collector}", partial(self._repair, home, collector), self._without_names())

    def after_two_values(self, how: str, number: int | None = None) -> Hang:
        """Return a run that yields two readings, then hangs in that way, and may be sent a signal."""
        before = self._without_names() if how == "look-up" else ()
        return self._thermometer(how if number is None else f"{how}, signal {number}", how, before, number)

    def on_a_disk(self, kind: str) -> Hang:
        """Return a run on a "slow" disk, or one with a long migration."""
        if kind == "slow":
            return self._thermometer(kind, "lock", (*STRACE, *_delayed("fdatasync", SLOW_SECONDS)))
        hang = self._thermometer(kind, "")
        leave(hang.home.database, many_rows(OLD_READINGS))
        copy = f"{hang.home.database}.before-v1.copying"
        return replace(hang, before=(*STRACE, "-P", copy, *_delayed("rename,renameat", DEADLINE)))

    def _thermometer(self, name: str, how: str, before: Sequence[str] = (), number: int | None = None) -> Hang:
        home = self._home(name)
        _choose(home, how, 20.0)
        return Hang(home, "collectors.hanging", partial(_choose, home, "", 30.0, 30), before, self._checkout, number)

    def _home(self, name: str) -> Home:
        home = Home(self._folder / name.replace(" ", "-"))
        home.write_config(collection={"cycle_deadline_seconds": DEADLINE})
        return home

    def _point(self, home: Home, collector: str, url: str, discovery_url: str | None,
               fingerprint: str | None = None, **more: Any) -> None:
        """Point the collector to that address, with the working simulator's key and token and more secrets."""
        settings: dict[str, Any] = {"enabled": True, "timeout_seconds": 300}
        if collector == "hue":
            settings |= {"bridge_ip": url, "discovery_url": discovery_url, "certificate_fingerprint": fingerprint}
        else:
            settings |= {"base_url": url, "auth_url": url}
        home.write_config(collectors={collector: settings})
        home.write_secrets({"hue": {"api_key": self._sound.key, "bridge_id": self._sound.bridge_id},
                            "amazon_aqm": {"refresh_token": self._sound.alexa.refresh_token}, **more})

    def _repair(self, home: Home, collector: str) -> None:
        home.write_config(collection={})
        self._point(home, collector, self._sound.http_url if collector == "hue" else self._sound.cloud_url, None)

    def _simulator(self, tls: str | None) -> Simulator:
        return self._stack.enter_context(Simulator(tls=tls))

    def _without_names(self) -> Sequence[str]:
        return *NAMESPACE, str(self._resolver)

    def _black_hole(self) -> str:
        """Return the address of a queue so full that the kernel does not answer further callers at all."""
        queue = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            caller = self._stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(queue.getsockname())
        return f"http://127.0.0.1:{queue.getsockname()[1]}"


def _choose(home: Home, how: str, first: float, deadline: int = DEADLINE) -> None:
    home.write_config(collectors={"hanging": {"how": how, "first": first}},
                      collection={"cycle_deadline_seconds": deadline})


def _delayed(call: str, seconds: float) -> Sequence[str]:
    """Return the strace options that delay such a system call."""
    return "-e", f"trace={call}", "-e", f"inject={call}:delay_enter={int(seconds * 1_000_000)}"


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
