"""The validated files, and the sections that all scripts share, with their defaults and ranges.

Plug-ins describe theirs in the same way. No `repr` and no `eq`: every cycle would pay for generating them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from runtime.errors import ConfigurationError
from runtime.plugins import Section

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Shorter texts are too common: masking every "1" or "on" would make logs unreadable and protect nothing.
SHORTEST_SECRET = 4
NOT_SECRET = frozenset({
    "bridge_id", "bridge_ip", "certificate_fingerprint", "domain", "from", "location", "provider", "security",
    "smtp_host", "smtp_port", "to", "username",
})


@dataclass(frozen=True, eq=False, repr=False)
class Collection(Section):
    """How often cron starts a collector, and how long one cycle may take, retries included."""

    interval_seconds: int = field(default=300, metadata={"range": (30, 86_400)})
    cycle_deadline_seconds: float = field(default=30.0, metadata={"range": (10, 300)})


@dataclass(frozen=True, eq=False, repr=False)
class Retry(Section):
    max_attempts: int = field(default=3, metadata={"range": (1, 10)})
    base_delay_seconds: float = field(default=1.0, metadata={"range": (0, 60)})
    multiplier: float = field(default=2.0, metadata={"range": (1, 10)})
    max_delay_seconds: float = field(default=30.0, metadata={"range": (0, 300)})
    jitter: float = field(default=0.0, metadata={"range": (0, 1)})


@dataclass(frozen=True, eq=False, repr=False)
class Storage(Section):
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
class Logging(Section):
    level: str = field(default="INFO", metadata={"choices": LEVELS})
    log_file_path: Path = Path("data/logs/home_monitor.log")
    max_bytes: int = field(default=10_000_000, metadata={"range": (10_000, 1_000_000_000)})
    backup_count: int = field(default=5, metadata={"range": (0, 100)})
    min_free_mb: int = field(default=100, metadata={"range": (0, 1_000_000)})


@dataclass(frozen=True, eq=False, repr=False)
class Display(Section):
    """What people read. Without a name of the house, or a time zone, they have the machine's."""

    house: str | None = None
    time_zone: str | None = None


class Configuration(NamedTuple):
    """config.yaml, validated. All paths are absolute; `root` is the folder above the one of the file."""

    path: Path
    root: Path
    collection: Collection
    retry: Retry
    storage: Storage
    logging: Logging
    display: Display
    collectors: Mapping[str, Any]
    publishers: Mapping[str, Any] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def data(self) -> Path:
        """The folder that the program writes to, wherever the database is."""
        return self.folder or self.root / "data"

    def writing_to(self, folder: Path) -> "Configuration":
        """Return the configuration with another folder in place of data/, for everything but the database."""
        if folder == self.data:
            return self
        log_path = self.logging.log_file_path
        if log_path.is_relative_to(self.data):
            log_path = folder / log_path.relative_to(self.data)
        return self._replace(folder=folder, logging=replace(self.logging, log_file_path=log_path))

    @property
    def secrets_path(self) -> Path:
        return self.path.with_name("secrets.yaml")


class Secrets(NamedTuple):
    """secrets.yaml, validated. `values` and `logins` have to be redacted. `notifiers` lacks the wrong sections."""

    path: Path
    sections: Mapping[str, Any]
    notifiers: Mapping[str, tuple[Any, ...]]
    values: tuple[str, ...]
    logins: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    notifier_error: ConfigurationError | None = None

    def __repr__(self) -> str:
        return f"Secrets({self.path})"


def secret_texts(document: Mapping[object, object]) -> tuple[str, ...]:
    """Return the secret texts of all sections, known or not, longest first: one may contain another."""
    texts = {node for node in _walk(list(document.values())) if isinstance(node, str) and len(node) >= SHORTEST_SECRET}
    return tuple(sorted(sorted(texts), key=len, reverse=True))


def login_pairs(document: Mapping[object, object]) -> tuple[tuple[str, str], ...]:
    """Return each username with its password, which are sent together as one base64 text."""
    mappings = (node for node in _walk(list(document.values())) if isinstance(node, dict))
    pairs = ((mapping.get("username"), mapping.get("password")) for mapping in mappings)
    return tuple((name, password) for name, password in pairs if isinstance(name, str) and isinstance(password, str))


def _walk(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict):
        value = [content for key, content in value.items() if key not in NOT_SECRET]
    for item in value if isinstance(value, list) else ():
        yield from _walk(item)
