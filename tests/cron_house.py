"""A house whose collectors are started by the real cron daemon, every minute, as an ordinary user.

The daemon runs in its own mount and process namespace: it sees no crontab but crontab.example, its mail goes to a
stand-in for sendmail that keeps it, and everything it started ends when this process closes its pipe, or dies. The
machine is not changed. It needs Linux and root.

Minutes cannot be sped up, so this is a pytest plugin, too: it starts the house as soon as a collected test uses it, and
runs that test last.
"""

import os
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.checkout import edited_crontab, make_checkout, write_script
from tests.demo import simulated_house

USER, UID = "household", 54321  # exists inside the namespace only
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MINUTES = 3
TIMEOUT_SECONDS = 270
CANARY = "the canary sings"
HOUSE = pytest.StashKey["CronHouse"]()

# The daemon needs only itself and sendmail from /usr/sbin, so a folder with these two is mounted over it.
NAMESPACE = f"""
set -eu
cd /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/cron.d
mount -t tmpfs -o "mode=1730,gid=$(stat -c %g /var/spool/cron/crontabs)" tmpfs /var/spool/cron/crontabs
if [ -e /etc/crontab ]; then mount --bind "$1/etc/crontab" /etc/crontab; fi
mount --bind "$1/etc/passwd" /etc/passwd
mount --bind "$1/sbin" /usr/sbin
eval "$2"
echo mounted
setpriv --reuid={UID} --regid={UID} --clear-groups crontab "$1/crontab"
cron -f &
echo started
read -r _ || exit 0
"""


class Unavailable(Exception):
    """Cron cannot be tested on this machine; says why."""


class CronHouse:
    """`start` it, `wait` until cron has run for three minutes, `stop` it."""

    def __init__(self) -> None:
        self.running = False
        self._stack = ExitStack()
        self._deadline = 0.0

    def start(self) -> None:
        """Start the simulated house and the daemon. Raise Unavailable if that is impossible here."""
        _require_tools()
        try:
            self._furnish(Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cron house "))))
            self._stack.enter_context(simulated_house(self.home))
            self._hand_over()
            self._start_cron()
        except BaseException:
            self.stop()
            raise
        self.running, self._deadline = True, monotonic() + TIMEOUT_SECONDS

    def wait(self) -> None:
        """Wait for rows and canaries of three minutes. Raise TimeoutError if that takes too long."""
        while min(sum(bool(hue and air) for _, hue, air in self.minutes()), len(self.canaries())) < MINUTES:
            if monotonic() > self._deadline:
                raise TimeoutError(f"after {TIMEOUT_SECONDS} s there are only {self.minutes()}, and these mails: "
                                   f"{self.mails()}; the daemon printed: {self._output.read_text(errors='replace')!r}")
            sleep(0.5)

    def stop(self) -> None:
        self._stack.close()
        self.running = False

    def minutes(self) -> list[tuple[str, int, int]]:
        """Return each minute and the numbers of rows of both collectors, in order."""
        path = self.home / "data" / "readings.db"
        if not path.exists():
            return []
        with suppress(sqlite3.OperationalError), \
                closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("""
                SELECT
                    substr(timestamp, 1, 16) AS minute,
                    SUM(device_type = 'hue_sensor'),
                    SUM(device_type = 'alexa_aqm')
                FROM readings
                GROUP BY minute
                ORDER BY minute
            """).fetchall()
        return []  # the database is being created

    def mails(self) -> list[str]:
        return [path.read_text(errors="replace") for path in sorted(self._mails.iterdir())]

    def canaries(self) -> list[str]:
        return [mail for mail in self.mails() if CANARY in mail]

    def _furnish(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder, self.home = folder, folder / "home monitor"
        self._mails, self._output = folder / "mails", folder / "output"
        make_checkout(self.home)
        for path in (self._mails, folder / "etc", folder / "sbin"):
            path.mkdir()
        write_script(folder / "sbin" / "sendmail", f'exec cat > "$(mktemp {shlex.quote(str(self._mails))}/XXXXXX)"')
        shutil.copy(_which("cron") or "", folder / "sbin" / "cron")
        (folder / "etc" / "crontab").touch()
        accounts = Path("/etc/passwd").read_text(encoding="utf-8") + f"{USER}:*:{UID}:{UID}::{folder}:/bin/sh\n"
        (folder / "etc" / "passwd").write_text(accounts, encoding="utf-8")
        (folder / "crontab").write_text(_every_minute(self.home), encoding="utf-8")

    def _hand_over(self) -> None:
        for top in (self.home, self._mails):
            for path in (top, *top.rglob("*")):
                os.chown(path, UID, UID, follow_symlinks=False)

    def _start_cron(self) -> None:
        needed = [Path(sys.base_prefix), Path(sys.prefix), self.folder]
        with self._output.open("w") as output:
            daemon = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", NAMESPACE, "sh",
                 str(self.folder), _opened(needed)], env={"PATH": PATH}, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output)
        self._stack.enter_context(daemon)  # closes the pipe, at which the namespace ends, and waits for that
        assert daemon.stdout is not None
        if daemon.stdout.readline() != "mounted\n":
            raise Unavailable(f"a namespace for cron was refused: {self._output.read_text().strip()}")
        if daemon.stdout.readline() != "started\n":
            raise RuntimeError(f"crontab.example was refused: {self._output.read_text().strip()}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_wants_house)


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(map(_wants_house, session.items)) and not session.config.option.collectonly:
        house = session.config.stash[HOUSE] = CronHouse()
        session.config.add_cleanup(house.stop)
        with suppress(Exception):  # the test starts it again, and then fails or is skipped
            house.start()


def _wants_house(item: pytest.Item) -> bool:
    return "cron_house" in getattr(item, "fixturenames", ())


def _require_tools() -> None:
    """Install cron if it is missing. Raise Unavailable if this cannot work."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("cron is tested in a namespace, which needs Linux and root")
    if not _which("cron") and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "cron"], capture_output=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
    missing = [tool for tool in ("cron", "crontab", "unshare", "setpriv", "mount") if not _which(tool)]
    if missing:
        raise Unavailable(f"this machine has no {', '.join(missing)}")


def _which(tool: str) -> str | None:
    return shutil.which(tool, path=PATH)


def _every_minute(home: Path) -> str:
    return f"{edited_crontab(home, minutes=1)}* * * * * echo {CANARY}\n"


def _opened(paths: list[Path]) -> str:
    """Return commands that let other users reach these folders, if a folder above them is root's only."""
    closed = {path.resolve(): ancestor for path in paths if (ancestor := _closed_ancestor(path))}
    holds = [(shlex.quote(str(path)), f"/run/hold-{number}") for number, path in enumerate(closed)]
    return "\n".join([
        *(f"mkdir {hold}; mount --bind {path} {hold}" for path, hold in holds),
        *(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(path))}" for path in set(closed.values())),
        *(f"mkdir -p {path}; mount --move {hold} {path}" for path, hold in holds),
    ])


def _closed_ancestor(path: Path) -> Path | None:
    ancestors = reversed(path.resolve().parents)
    return next((folder for folder in ancestors if not folder.stat().st_mode & stat.S_IXOTH), None)
