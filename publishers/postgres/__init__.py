"""PostgreSQL: the whole record of many houses in one database, each reading exactly once (docs/fleet.md).

The house's cursor is in the destination's table `houses`, and moves in the transaction that writes the rows.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from publishers import Action, NoSecrets, PublisherSettings, Run
from runtime.errors import CannotReach, NotAuthorised
from runtime.formats import format_time, pluralize

if TYPE_CHECKING:
    from publishers.postgres.connection import Connection
    from storage.changes import Changes
    from storage.state import State


@dataclass(frozen=True, repr=False)
class Settings(PublisherSettings):
    """A run takes up to `deadline_seconds`, after it has waited for its share of `splay_seconds`."""

    enabled: bool = False
    house_id: str | None = None
    schema: str = "home_monitor"
    batch_rows: int = field(default=5000, metadata={"range": (1, 100_000)})
    deadline_seconds: float = field(default=60.0, metadata={"range": (10, 3600)})
    splay_seconds: int = field(default=0, metadata={"range": (0, 3600)})

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.enabled and not self.house_id:
            yield "house_id", "is missing: what this house is called among the others"
        if not self.schema.replace("_", "a").isalnum() or len(self.schema) > 63:
            yield "schema", f"{self.schema!r} may have only letters, digits and _"

    def time_limit_seconds(self, cycle_seconds: float) -> float:
        return self.splay_seconds + self.deadline_seconds

    def wait_seconds(self) -> int:
        """Return this house's share of the splay, always the same, so that houses do not come at once."""
        from hashlib import sha256
        return int(sha256((self.house_id or "").encode()).hexdigest(), 16) % self.splay_seconds if self.splay_seconds else 0


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """`dsn` is https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING."""

    dsn: str | None = None

    def missing(self) -> str | None:
        return None if self.dsn else "dsn"


def publish(settings: Settings, secrets: Secrets, changes: "Changes", state: "State", run: Run) -> str:
    """Send what the destination lacks, until the deadline. Raise a RemoteError, Unusable or a StorageError."""
    time.sleep(settings.wait_seconds())
    return _send(settings, secrets, changes, run)


def probe(settings: Settings, secrets: Secrets, state: "State", run: Run) -> str:
    """Look at the house's row. Raise a RemoteError or Unusable."""
    from publishers.postgres.house import House
    with closing(_connection(settings, secrets, run)) as connection:
        published_at = House(settings.house_id or "", connection).look()
        text = f"last published at {format_time(published_at)}" if published_at else "has not published yet"
        return f"{connection.where.name} answers; the house {settings.house_id} {text}"


def _adopt(settings: Settings, secrets: Secrets, changes: "Changes", state: "State", run: Run) -> str:
    return _send(settings, secrets, changes, run, adopts=True)


def _set_up(settings: Settings, secrets: Secrets, changes: "Changes", state: "State", run: Run) -> str:
    from publishers.postgres import schema
    with closing(_connection(settings, secrets, run)) as connection:
        return schema.execute(connection)


def _preview(settings: Settings) -> str:
    from publishers.postgres import schema
    return schema.script(settings.schema)


def _verify(settings: Settings, secrets: Secrets, changes: "Changes", state: "State", run: Run) -> str:
    from publishers.postgres import verify
    with closing(_connection(settings, secrets, run)) as connection, changes.reading() as record:
        return verify.compare(record, connection, settings.house_id or "")


ACTIONS = {
    "setup": Action("make the tables; a dry run prints the SQL", _set_up, _preview),
    "verify": Action("compare every reading with the destination's", _verify),
    "adopt": Action("send this record in place of the one that had the house_id before", _adopt),
}


def _send(settings: Settings, secrets: Secrets, changes: "Changes", run: Run, *, adopts: bool = False) -> str:
    from publishers.postgres.house import House
    with closing(_connection(settings, secrets, run)) as connection, changes.reading() as record:
        house = House(settings.house_id or "", connection)
        again = run.retry(on=CannotReach, operation="publish", endpoint=connection.where.name)
        again(house.look)()
        count, slowest, left = 0, 0.0, run.deadline.remaining()
        while batch := again(house.advance)(record, settings.batch_rows, adopts=adopts):
            count += len(batch.rows)
            slowest, left = max(slowest, left - run.deadline.remaining()), run.deadline.remaining()
            if left < 2 * slowest:
                return f"sent {pluralize(count, 'reading')}; the next run goes on"
        while again(house.add_cycles)(record, settings.batch_rows) == settings.batch_rows:
            pass
        again(house.finish)(record, run.now)
        return f"sent {pluralize(count, 'reading')} to {connection.where.name}"


def _connection(settings: Settings, secrets: Secrets, run: Run) -> "Connection":
    from publishers.postgres.connection import Connection, locate
    if not secrets.dsn:
        raise NotAuthorised("secrets.yaml has no postgres.dsn", "add it; the config/secrets.yaml.example shows its form")
    return Connection(locate(secrets.dsn, settings.schema), run.deadline)
