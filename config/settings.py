"""The sections of config.yaml that every collector shares, as frozen types: names, defaults and ranges.

This is the only place where the defaults stand. A collector's own section is described in the same way by its own
`Settings`. A field may say in its metadata: `range` (lowest, highest), `choices`, `path` (relative to the folder above
config.yaml's), `key` (its name in the file, where Python could not use that). They do without `repr`, which nobody
reads and each process would pay for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, repr=False)
class Collection:
    """How often cron starts a collector, and how long one cycle may take, all retries included."""

    interval_seconds: int = field(default=300, metadata={"range": (30, 86_400)})
    cycle_deadline_seconds: float = field(default=30.0, metadata={"range": (10, 300)})


@dataclass(frozen=True, repr=False)
class Retry:
    """How everything that may pass is tried again: requests, database writes and log rotation alike."""

    max_attempts: int = field(default=3, metadata={"range": (1, 10)})
    base_delay_seconds: float = field(default=1.0, metadata={"range": (0, 60)})
    multiplier: float = field(default=2.0, metadata={"range": (1, 10)})
    max_delay_seconds: float = field(default=30.0, metadata={"range": (0, 300)})
    jitter: float = field(default=0.0, metadata={"range": (0, 1)})


@dataclass(frozen=True, repr=False)
class Storage:
    """Where the readings are kept, and how SQLite keeps them."""

    database_path: Path = field(default=Path("data/readings.db"), metadata={"path": True})
    enable_wal_mode: bool = True
    wal_checkpoint_interval: int = field(default=1000, metadata={"range": (0, 100_000)})
    busy_timeout_ms: int = field(default=5000, metadata={"range": (0, 60_000)})
    keep_cycles_days: int = field(default=90, metadata={"range": (1, 3650)})

    def __post_init__(self) -> None:
        # To the predecessor 0 meant "SQLite decides"; to SQLite it means "never", and the log grows without end.
        if self.wal_checkpoint_interval == 0:
            object.__setattr__(self, "wal_checkpoint_interval", 1000)


@dataclass(frozen=True, repr=False)
class Logging:
    """The one log file of all scripts."""

    level: str = field(default="INFO", metadata={"choices": LEVELS})
    log_file_path: Path = field(default=Path("data/logs/home_monitor.log"), metadata={"path": True})
    max_bytes: int = field(default=10_000_000, metadata={"range": (10_000, 1_000_000_000)})
    backup_count: int = field(default=5, metadata={"range": (0, 100)})
    min_free_mb: int = field(default=100, metadata={"range": (0, 1_000_000)})


class Configuration(NamedTuple):
    """config.yaml, checked. All paths are absolute; `root` is the folder above the one that holds the file."""

    path: Path
    root: Path
    collection: Collection
    retry: Retry
    storage: Storage
    logging: Logging
    collectors: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """Where the program writes, whatever the database's own path."""
        return self.root / "data"

    @property
    def secrets_path(self) -> Path:
        """Beside config.yaml, whether it exists or not."""
        return self.path.with_name("secrets.yaml")
