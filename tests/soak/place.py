"""Where a phase is lived through: a checkout with its crontab, a house, a mail server, and a clock that is stepped."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.checkout import edited_crontab, make_checkout
from tests.fake_clock import starting_at, tidy_up_after
from tests.faults.disks import ext4, mounted
from tests.home import Home
from tests.mail_server import MailServer
from tests.person import sign_in
from tests.simulator.server import Simulator
from tests.soak.plan import Phase

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Place:
    """A home under its crontab. `moment` is the cycle it is at; the house's clock runs on from there."""

    def __init__(self, phase: Phase, home: Home, simulator: Simulator, mail: MailServer) -> None:
        self.phase, self.home, self.simulator, self.mail = phase, home, simulator, mail
        self.crontab = _lines(edited_crontab(home.folder, phase.minutes))
        self.zone = ZoneInfo(phase.zone)
        self.be_at(phase.start)
        cloud = simulator.cloud_url
        home.settings = {"collection": {"interval_seconds": 60 * phase.minutes},
                         "storage": {"busy_timeout_ms": phase.busy_timeout_ms},
                         "collectors": {"amazon_aqm": {"enabled": True, "base_url": cloud, "auth_url": cloud}}}
        home.point_at(simulator)
        home.write_secrets({
            "hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id}, "email": mail.section(),
            "amazon_aqm": {"refresh_token": simulator.alexa.refresh_token}})

    def be_at(self, moment: datetime) -> None:
        """Let it be that moment; time passes from there as it does outside."""
        self.moment, started = moment, time.monotonic()
        self.simulator.clock = lambda: moment + timedelta(seconds=time.monotonic() - started)

    def due(self) -> list[str]:
        """Return the commands that cron starts at this moment, in local time, as the crontab has them."""
        local = self.moment.astimezone(self.zone)
        return [command for minute, hour, command in self.crontab
                if _matches(minute, local.minute) and _matches(hour, local.hour)]

    def start(self, command: str) -> "subprocess.Popen[bytes]":
        """Start a command as cron does, in a session of its own; what it prints is kept in a file that has no name."""
        said = tempfile.TemporaryFile()
        process = subprocess.Popen(["/bin/sh", "-c", command], cwd="/", env=self.environment(), start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        process.stdout = said  # for whoever waits for it
        return process

    def environment(self) -> dict[str, str]:
        """Return what a process of cron's is told, and what gives it its time."""
        return {"PATH": PATH, "HOME": str(self.home.folder), "SHELL": "/bin/sh", "TZ": self.phase.zone,
                "HOME_MONITOR": str(self.home.folder), "PYTHONDONTWRITEBYTECODE": "1", **starting_at(self.moment)}

    def pair_with_amazon(self) -> None:
        """Do what the alert's remedy says. Raise RuntimeError where that does not work."""
        command = [str(self.home.folder / ".venv" / "bin" / "python"), "devices.py", "pair", "amazon_aqm"]
        code = sign_in(command, self.simulator, self.home.folder, self.environment())
        if code:
            raise RuntimeError(f"python devices.py pair amazon_aqm ended with {code}")


@contextmanager
def furnished(phase: Phase) -> Iterator[Place]:
    """Make the place, and remove it at the end; its data lies on a small disk of its own if the phase wants one."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with ExitStack() as stack:
            mail, simulator = stack.enter_context(MailServer()), stack.enter_context(Simulator())
            home = Home(folder / "home monitor")
            make_checkout(home.folder)
            subprocess.run([sys.executable, "-m", "compileall", "-q", home.folder], check=True)
            if phase.disk_megabytes:
                stack.enter_context(mounted(ext4(folder / "disk.img", phase.disk_megabytes), home.data))
                shutil.rmtree(home.data / "lost+found")
            yield Place(phase, home, simulator, mail)
    finally:
        shutil.rmtree(folder)


def waited_for(process: "subprocess.Popen[bytes]") -> tuple[int, str] | None:
    """Return exit code and what was printed, if a process of `Place.start` has ended."""
    if process.poll() is None:
        return None
    tidy_up_after(process.pid)
    assert process.stdout is not None
    with process.stdout as said:
        said.seek(0)
        return process.returncode, said.read().decode(errors="replace")


def _lines(crontab: str) -> list[tuple[str, str, str]]:
    """Return minute, hour and command of each line that starts something."""
    entries = [line.split(maxsplit=5) for line in crontab.splitlines() if line and line[0] in "*0123456789"]
    return [(minute, hour, command) for minute, hour, _, _, _, command in entries]


def _matches(field: str, value: int) -> bool:
    """Tell whether a field of a crontab, `*`, `*/5` or a number, is about that minute or hour."""
    every, _, step = field.partition("/")
    return value % int(step or 1) == 0 if every == "*" else value == int(field)
