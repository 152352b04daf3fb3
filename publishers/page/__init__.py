"""One HTML file with the present values, charts, gaps and alerts of a home; it needs no network and no server.

It draws with uPlot, whose files are in uplot/ (https://github.com/leeoniya/uPlot, MIT; `make uplot` renews them).
"""

from dataclasses import dataclass
from pathlib import Path

from publishers import NoSecrets as Secrets
from publishers import PublisherSettings, Run
from publishers.page import content, document
from runtime import files
from runtime.formats import pluralize
from runtime.time_zones import find_zone
from storage.changes import Changes
from storage.state import State

__all__ = ["Secrets", "Settings", "probe", "publish"]


@dataclass(frozen=True)
class Settings(PublisherSettings):
    enabled: bool = False
    path: Path = Path("data/page.html")
    title: str | None = None


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Write the page beside the old one and put it in its place. Raise a StorageError."""
    page = content.gather(changes, state, run.now, find_zone(changes.home.time_zone))
    text = document.compose(page, settings.title or changes.home.name)
    files.write_readable(settings.path, text)
    return f"wrote {settings.path} with {pluralize(len(page.devices), 'device')} ({len(text.encode()) / 1000:.0f} kB)"


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    """Raise a StorageError if the page cannot be replaced."""
    files.check_replaceable(settings.path)
    return f"{settings.path} can be written"
