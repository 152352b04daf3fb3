"""One connection to PostgreSQL through psycopg 3 (https://www.psycopg.org/psycopg3/docs/), and what its errors mean."""

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from runtime.commands import command
from runtime.deadline import Deadline, time_limit
from runtime.errors import CannotReach, HomeMonitorError, NotAuthorised, NotTrusted, NotUnderstood, Unusable

if TYPE_CHECKING:
    import psycopg

PACKAGE = "psycopg[binary]>=3.2"
CONNECT_SECONDS, CLOSE_SECONDS = 10, 0.5
DSN = "correct postgres.dsn in secrets.yaml"
# SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html): the connection, a conflict, too many clients,
# a timeout, a restart, a standby.
TRANSIENT = ("08", "40001", "40P01", "53300", "55P03", "57014", "57P0", "25006")
# While one connects there is no SQLSTATE, only a text (psycopg 3.3.9, PgBouncer 1.18).
BUSY = ("too many", "slots are reserved", "starting up", "shutting down", "recovery", "not accepting", "no more connections",
        "timeout", "terminating", "server login", "cannot connect", "server conn crashed", "server closed")
REFUSED = ("fatal", "no password supplied", "invalid sslmode", "invalid integer value", "invalid port number", "option value")

T = TypeVar("T")


class NoTables(Unusable):
    """`--setup` has not been run."""


class Where(NamedTuple):
    """A database as people know it, without its password."""

    dsn: str
    name: str
    schema: str


def locate(dsn: str, schema: str) -> Where:
    """Raise NotAuthorised for a wrong DSN, Unusable without psycopg."""
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise Unusable("publishing to PostgreSQL needs the package psycopg",
                       shlex.join([sys.executable or "python3", "-m", "pip", "install", PACKAGE])) from error
    try:
        parts = conninfo_to_dict(dsn)
    except Error:  # from None: its text may hold the password
        raise NotAuthorised("the DSN is neither key=value pairs nor a postgresql:// address", DSN) from None
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return Where(dsn, f"PostgreSQL at {host}", schema)


class Connection:
    """Connects when first used, and again after an error. Everything ends at the deadline."""

    def __init__(self, where: Where, deadline: Deadline) -> None:
        self.where, self._deadline = where, deadline
        self._psycopg: psycopg.Connection[Any] | None = None

    def transact(self, work: "Callable[[psycopg.Cursor[Any]], T]") -> T:
        """Return what `work` returns once that is committed; otherwise nothing of it has happened.

        Raise CannotReach, which another attempt may solve (a commit may have succeeded all the same), or another error.
        """
        import psycopg
        try:
            with ExitStack() as undo, time_limit(self._deadline.remaining()):
                undo.callback(self.close)  # which ends a transaction without waiting for an answer
                connection = self._psycopg = self._psycopg or self._connect()
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    result = work(cursor)
                    cursor.execute("COMMIT")
                undo.pop_all()
                return result
        except TimeoutError:
            raise CannotReach(f"{self.where.name} did not answer in time") from None
        except psycopg.Error as error:
            raise _meaning(error, self.where) from error

    def close(self) -> None:
        connection, self._psycopg = self._psycopg, None
        if connection is not None:
            with suppress(TimeoutError), time_limit(CLOSE_SECONDS):
                connection.close()

    def _connect(self) -> "psycopg.Connection[Any]":
        import psycopg
        seconds = max(2, min(CONNECT_SECONDS, int(self._deadline.remaining())))
        try:
            # PgBouncer in transaction mode keeps no prepared statements.
            return psycopg.connect(self.where.dsn, autocommit=True, prepare_threshold=None, connect_timeout=seconds,
                                   client_encoding="utf8", fallback_application_name="home_monitor")
        except psycopg.OperationalError as error:
            raise _refusal(error, self.where) from None
        except psycopg.Error:  # from None: its text may hold the password
            raise NotAuthorised("PostgreSQL's client does not accept the DSN", DSN) from None


def _refusal(error: "psycopg.OperationalError", where: Where) -> HomeMonitorError:
    text = _sentence(str(error))
    reason = f"{where.name} cannot be used: {text}"
    lower = text.lower()
    if "certificate" in lower or "does not support ssl" in lower:
        return NotTrusted(reason, "correct its certificate, or sslmode and sslrootcert of postgres.dsn in secrets.yaml")
    is_refused = any(sign in lower for sign in REFUSED) or error.pgconn is not None and error.pgconn.used_password
    if is_refused and not any(sign in lower for sign in BUSY):
        return NotAuthorised(reason, f"{DSN}, or what the server permits this account")
    return CannotReach(reason)


def _meaning(error: "psycopg.Error", where: Where) -> HomeMonitorError:
    state, text = error.sqlstate or "", _sentence(error.diag.message_primary or str(error))
    reason = f"{where.name}: {text}"
    if state.startswith(TRANSIENT) or not state and _is_lost(error):
        return CannotReach(reason)
    if state.startswith("28") or state == "42501":
        return NotAuthorised(reason, "grant this account what docs/fleet.md lists, and use the house_id that is its own")
    if state in ("42P01", "3F000"):
        return NoTables(f"{where.name} has no tables in the schema {where.schema}",
                        f"with an account that may create them: {command('publishers.postgres', '--setup')}")
    if state.startswith("42"):
        return Unusable(reason, f"compare its tables with: {command('publishers.postgres', '--setup', '--dry-run')}")
    return NotUnderstood(reason, "free space on the disk of the server" if state == "53100" else "")


def _is_lost(error: "psycopg.Error") -> bool:
    import psycopg
    return isinstance(error, psycopg.OperationalError)


def _sentence(text: str) -> str:
    return " ".join(text.split())[:300]
