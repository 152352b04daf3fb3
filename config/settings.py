"""What the two files hold once they are validated: the sections that all scripts share, and the whole of each file.

This is the only place of the defaults and ranges. A plug-in describes its section in the same way, by its own
`Settings`. These dataclasses have no `repr` and no `eq`: nobody reads or compares them, and every cycle would pay.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Shorter texts are too common: masking every "1" or "on" would make logs unreadable and protect nothing.
SHORTEST_SECRET = 4
NOT_SECRET = frozenset({
    "bridge_id", "bridge_ip", "certificate_fingerprint", "domain", "from", "location", "provider", "security",
    "smtp_host", "smtp_port", "to", "username",
})


class SharedSection:
    """A section that is not a plug-in's."""

    def problems(self) -> tuple[()]:
        """Find no combination of values wrong."""
        return ()


@dataclass(frozen=True, eq=False, repr=False)
class Collection(SharedSection):
    """How often cron starts a collector, and how long one cycle may take, retries included."""

    interval_seconds: int = field(default=300, metadata={"range": (30, 86_400)})
    cycle_deadline_seconds: float = field(default=30.0, metadata={"range": (10, 300)})


@dataclass(frozen=True, eq=False, repr=False)
class Retry(SharedSection):
    """How requests, database writes and log rotation are retried."""

    max_attempts: int = field(default=3, metadata={"range": (1, 10)})
    base_delay_seconds: float = field(default=1.0, metadata={"range": (0, 60)})
    multiplier: float = field(default=2.0, metadata={"range": (1, 10)})
    max_delay_seconds: float = field(default=30.0, metadata={"range": (0, 300)})
    jitter: float = field(default=0.0, metadata={"range": (0, 1)})


@dataclass(frozen=True, eq=False, repr=False)
class Storage(SharedSection):
    """Where the readings are kept, and how SQLite keeps them."""

    database_path: Path = Path("data/readings.db")
    enable_wal_mode: bool = True
    wal_checkpoint_interval: int = field(default=1000, metadata={"range": (0, 100_000)})
    busy_timeout_ms: int = field(default=5000, metadata={"range": (0, 60_000)})
    keep_cycles_days: int = field(default=90, metadata={"range": (1, 3650)})

    def __post_init__(self) -> None:
        # To the predecessor 0 meant "SQLite decides"; to SQLite it means "never", and the log grows without end.
        if self.wal_checkpoint_interval == 0:
            object.__setattr__(self, "wal_checkpoint_interval", 1000)


@dataclass(frozen=True, eq=False, repr=False)
class Logging(SharedSection):
    """The one log file of all scripts."""

    level: str = field(default="INFO", metadata={"choices": LEVELS})
    log_file_path: Path = Path("data/logs/home_monitor.log")
    max_bytes: int = field(default=10_000_000, metadata={"range": (10_000, 1_000_000_000)})
    backup_count: int = field(default=5, metadata={"range": (0, 100)})
    min_free_mb: int = field(default=100, metadata={"range": (0, 1_000_000)})


class Configuration(NamedTuple):
    """config.yaml, validated. All paths are absolute; `root` is the folder above the one of the file."""

    path: Path
    root: Path
    collection: Collection
    retry: Retry
    storage: Storage
    logging: Logging
    collectors: Mapping[str, Any]
    publishers: Mapping[str, Any] = MappingProxyType({})
    warnings: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """Where the program writes, wherever the database is."""
        return self.root / "data"

    @property
    def secrets_path(self) -> Path:
        """Beside config.yaml, whether it exists or not."""
        return self.path.with_name("secrets.yaml")


class Secrets(NamedTuple):
    """secrets.yaml, validated. `values` and `logins` must be masked wherever text leaves the program."""

    path: Path
    found: bool
    sections: Mapping[str, Any]
    notifiers: Mapping[str, tuple[Any, ...]]
    values: tuple[str, ...]
    logins: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Secrets({self.path})"


def secret_texts(document: Mapping[object, object]) -> tuple[str, ...]:
    """Return every secret text of every section, known or not: the longest first, for one may contain another."""
    texts = {text for section in document.values() for text in _texts(section)}
    return tuple(sorted(texts, key=lambda text: (-len(text), text)))


def login_pairs(document: object) -> tuple[tuple[str, str], ...]:
    """Return each username with its password: they travel together as one base64 text."""
    return tuple(_pairs(document))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = [content for key, content in value.items() if key not in NOT_SECRET]
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and len(value) >= SHORTEST_SECRET:
        yield value


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        username, password = value.get("username"), value.get("password")
        if isinstance(username, str) and isinstance(password, str):
            yield username, password
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _pairs(item)
