"""The place of a phase: a checkout with its crontab, a house, a mail server, and a clock that is stepped."""

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

from tests.checkout import ROOMS, edited_crontab, make_checkout
from tests.fake_clock import starting_at, tidy_up_after
from tests.faults.disks import ext4, mounted
from tests.home import Home
from tests.mail_server import MailServer
from tests.person import sign_in
from tests.simulator.server import Simulator
from tests.soak.destinations import Destinations, opened
from tests.soak.plan import Phase

DISK = "disk.img"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Place:
    """A home and its crontab. `moment` is the time of the current cycle; the house's clock runs on from there.

    The computer's clock is off by `clock_error`.
    """

    def __init__(self, phase: Phase, home: Home, simulator: Simulator, mail: MailServer, destinations: Destinations) -> None:
        self.phase, self.home, self.simulator, self.mail = phase, home, simulator, mail
        self.destinations, self.clock_error = destinations, timedelta()
        self.crontab = _lines(edited_crontab(home.folder, phase.minutes).replace("sleep 40; ", ""))  # a cycle waits for all
        self.zone = ZoneInfo(phase.zone)
        self.be_at(phase.start)
        cloud = simulator.cloud_url
        home.settings = {"collection": {"interval_seconds": 60 * phase.minutes},
                         "storage": {"busy_timeout_ms": phase.busy_timeout_ms},
                         "publishers": destinations.settings(),
                         "collectors": {"amazon_aqm": {"enabled": True, "base_url": cloud, "auth_url": cloud},
                                        "weather": {"enabled": True, "latitude": 52.5, "longitude": 13.4, "base_url": cloud}}}
        home.point_at(simulator)
        home.write_secrets({
            "hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id}, "email": mail.section(),
            "amazon_aqm": {"refresh_token": simulator.alexa.refresh_token}, **destinations.secrets()})

    def be_at(self, moment: datetime) -> None:
        self.moment, started = moment, time.monotonic()
        self.simulator.clock = lambda: moment + timedelta(seconds=time.monotonic() - started)

    def due(self) -> list[str]:
        """Return the commands of this minute; the publishers come after the first cycle, as they start later in it."""
        local = self.moment.astimezone(self.zone)
        return [command for minute, hour, command in self.crontab
                if _matches(minute, local.minute) and _matches(hour, local.hour)
                and (self.moment != self.phase.start or "publishers" not in command)]

    def start(self, command: str) -> "subprocess.Popen[bytes]":
        """Start a command as cron does, in a new session; its output goes into a nameless file."""
        output = tempfile.TemporaryFile()
        process = subprocess.Popen(["/bin/sh", "-c", command], cwd="/", env=self.environment(), start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        process.stdout = output  # for `ended`
        return process

    def environment(self) -> dict[str, str]:
        return {"PATH": PATH, "HOME": str(self.home.folder), "SHELL": "/bin/sh", "TZ": self.phase.zone,
                "HOME_MONITOR": str(self.home.folder), "PYTHONDONTWRITEBYTECODE": "1",
                **starting_at(self.moment + self.clock_error)}

    def run(self, module: str, *arguments: str) -> str:
        """Run a module as a person would, at the present moment; return what it prints."""
        process = self.start(f'cd "$HOME_MONITOR" && .venv/bin/python -m {module} {" ".join(arguments)}')
        process.wait()
        result = ended(process)
        assert result
        return result[1]

    def update(self) -> None:
        """Put other files of the program in place of these, as `make update` does."""
        for room in ROOMS:
            for path in (self.home.folder / room).rglob("*.py"):
                path.write_text(f"{path.read_text(encoding='utf-8')}# another version\n", encoding="utf-8")
        compile_program(self.home.folder)

    @contextmanager
    def without_data(self) -> Iterator[None]:
        """Unmount the disk of data/, or move the folder away."""
        data, elsewhere = self.home.data, self.home.folder / "elsewhere"
        if self.phase.disk_megabytes:
            subprocess.run(["umount", data], check=True)
            yield
            subprocess.run(["mount", "-o", "loop", self.home.folder.parent / DISK, data], check=True)
        else:
            data.rename(elsewhere)
            data.mkdir()
            yield
            data.rmdir()
            elsewhere.rename(data)

    def pair_with_amazon(self) -> None:
        """Carry out the alert's remedy. Raise RuntimeError if it fails."""
        command = [str(self.home.folder / ".venv" / "bin" / "python"), "devices.py", "pair", "amazon_aqm"]
        code = sign_in(command, self.simulator, self.home.folder, self.environment())
        if code:
            raise RuntimeError(f"python devices.py pair amazon_aqm ended with {code}")


@contextmanager
def furnished(phase: Phase) -> Iterator[Place]:
    """Make the place, and remove it at the end; its data is on a small disk if the phase wants one."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with ExitStack() as stack:
            mail, simulator = stack.enter_context(MailServer()), stack.enter_context(Simulator())
            destinations = stack.enter_context(opened(folder))
            home = Home(folder / "home monitor")
            make_checkout(home.folder)
            compile_program(home.folder)
            if phase.disk_megabytes:
                stack.enter_context(mounted(ext4(folder / DISK, phase.disk_megabytes), home.data))
                shutil.rmtree(home.data / "lost+found")
            yield Place(phase, home, simulator, mail, destinations)
    finally:
        shutil.rmtree(folder)


def compile_program(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str] | None:
    if process.poll() is None:
        return None
    tidy_up_after(process.pid)
    assert process.stdout is not None
    with process.stdout as output:
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def _lines(crontab: str) -> list[tuple[str, str, str]]:
    entries = [line.split(maxsplit=5) for line in crontab.splitlines() if line and line[0] in "*0123456789"]
    return [(minute, hour, command) for minute, hour, _, _, _, command in entries]


def _matches(field: str, value: int) -> bool:
    every, _, step = field.partition("/")
    return value % int(step or 1) == 0 if every == "*" else value == int(field)
