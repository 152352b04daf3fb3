"""A real PostgreSQL on the loopback, with one database per test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from hashlib import sha256
from pathlib import Path
from socket import create_server
from typing import Any, NamedTuple

import pytest

from publishers import postgres
from publishers.postgres import schema
from tests.home import Home
from tests.publishers.mosquitto import wait_for
from tests.publishers.running import enable, run
from tests.storage.samples import a_cycle, a_reading, at, store

PROGRAMS = max(glob("/usr/lib/postgresql/*/bin"), default=os.path.dirname(shutil.which("postgres") or ""))
needs_postgresql = pytest.mark.skipif(not PROGRAMS, reason="needs Debian's package postgresql")
ROOMS = ("attic", "hall")
PASSWORD = "a-canary's password"
QUIET = ("-c", "fsync=off", "-c", "log_min_messages=fatal", "-c", "max_connections=100")


class Server:
    """Runs as an ordinary account, which PostgreSQL demands."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        with create_server(("127.0.0.1", 0)) as unused:
            self.port = int(unused.getsockname()[1])
        self._account = ordinary_account()
        self.process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        if self._account:
            os.chown(self.folder, pwd.getpwnam(self._account).pw_uid, -1)
        subprocess.run([f"{PROGRAMS}/initdb", "-D", self.folder / "data", "-U", "owner", "--auth-local=trust",
                        "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"], check=True,
                       user=self._account, cwd="/", stdout=subprocess.DEVNULL)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [f"{PROGRAMS}/postgres", "-D", self.folder / "data", "-p", str(self.port), "-h", "127.0.0.1",
             "-k", self.folder, *QUIET, *self.options], user=self._account, cwd="/", stderr=subprocess.DEVNULL)
        wait_for(self._answers)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT lets no client finish, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def execute(self, statement: str, database: str = "postgres", user: str = "owner") -> list[tuple[Any, ...]]:
        from psycopg import connect
        with connect(host=str(self.folder), port=self.port, dbname=database, user=user, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        from psycopg import OperationalError
        try:
            return bool(self.execute("SELECT 1"))
        except OperationalError:
            return False


def ordinary_account() -> str | None:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return ("postgres" if "postgres" in names else "nobody") if os.geteuid() == 0 else None


@contextmanager
def running(*options: str) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    server = Server(folder, *options)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class Centre(NamedTuple):
    """One test's database, with an account for the houses."""

    server: Server
    database: str

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        return self.server.execute(statement, self.database)

    def dsn(self, user: str = "house", password: str = PASSWORD, **more: str | int) -> str:
        parts = {"host": "127.0.0.1", "port": self.server.port, "dbname": self.database, "user": user, "password": password,
                 **more}
        return " ".join(f"{name}='" + str(value).replace("'", "\\'") + "'" for name, value in parts.items())

    @property
    def owners_dsn(self) -> str:
        return self.dsn("owner", host=str(self.server.folder))

    def rows(self, columns: str, table: str = "readings", order: str = "device_id, timestamp") -> list[tuple[Any, ...]]:
        return self.execute(f"SELECT {columns} FROM home_monitor.{table} ORDER BY {order}")


def make_centre(server: Server, request: pytest.FixtureRequest) -> Centre:
    database = f"centre_{sha256(request.node.name.encode()).hexdigest()[:20]}"
    server.execute(f"CREATE DATABASE {database}")
    centre = Centre(server, database)
    if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'house'"):
        server.execute(f"""CREATE ROLE house LOGIN PASSWORD '{PASSWORD.replace("'", "''")}'""")
    for statement in schema.statements("home_monitor"):
        centre.execute(statement)
    centre.execute("GRANT USAGE ON SCHEMA home_monitor TO house")
    centre.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA home_monitor TO house")
    return centre


def settle(home: Home, centre: Centre, house_id: str = "harbour-5", dsn: str | None = None, **settings: Any) -> None:
    """Let the home publish to the centre."""
    home.write_secrets({"postgres": {"dsn": dsn or centre.dsn()}})
    enable(home, "postgres", house_id=house_id, **settings)


def fill(home: Home, hours: range, **values: Any) -> None:
    """Measure in both rooms at these hours; the hour is the temperature."""
    store(home.database, *(a_cycle(*(
        a_reading(f"hue:{room}", at(hours=hour), **{"temperature_celsius": float(hour), **values}) for room in ROOMS),
        at=at(hours=hour)) for hour in hours))


def publish(home: Home, *arguments: str) -> Any:
    return run(home, postgres, *arguments)
