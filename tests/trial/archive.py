"""A file of JSON lines, to show what a further publisher takes: this one file, dropped into `publishers/`.

`how` makes it fail: "refuse", "bug" or "crash".
"""

import ctypes
import json
import sys
from dataclasses import dataclass, field

import jobs.publish
from publishers import NoSecrets as Secrets
from publishers import PublisherSettings, Run
from runtime.errors import NotAuthorised
from storage.changes import Changes, Cursor
from storage.state import State


@dataclass(frozen=True)
class Settings(PublisherSettings):
    """Its section of config.yaml."""

    enabled: bool = False
    path: str = ""
    batch_rows: int = field(default=2, metadata={"range": (1, 1000)})
    how: str = ""


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Append the new readings to the file."""
    if settings.how == "refuse":
        raise NotAuthorised("the archive refused us", "unlock the archive")
    if settings.how == "bug":
        raise ZeroDivisionError("a mistake of ours")
    if settings.how == "crash":
        ctypes.string_at(0)
    count, cursor = 0, Cursor.load(state.get("cursor"))
    with open(settings.path, "a", encoding="utf-8") as file:
        for batch in changes.batches(cursor, settings.batch_rows):
            file.writelines(json.dumps(row) + "\n" for row in batch.rows)
            count, state["cursor"] = count + len(batch.rows), batch.cursor
    return f"archived {count} readings"


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    """Open the file."""
    with open(settings.path, "a", encoding="utf-8"):
        return "the archive can be written"


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
