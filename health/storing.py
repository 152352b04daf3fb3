"""All that is asked of the storage, planned by a brief in plain values: whoever plans it need not know the house.

So the process that asks can import SQLite and all that belongs to it while another one still reads the configuration.
"""

import urllib.parse  # noqa: F401  # for addresses of files, which pathlib imports it for as late as in Python 3.13
from datetime import datetime
from pathlib import Path
from typing import Any

from health import database, folder, freshness
from health.finding import Finding, Findings
from runtime.deadline import Deadline
from storage import lost_database, spool  # noqa: F401  # what is imported now needs no right later

SEARCH_SECONDS = 0.5  # for damage in the database; one of two million rows takes as long


def plan(brief: dict[str, Any]) -> dict[str, Findings]:
    """Return the checks of the storage, none of which has begun yet."""
    path, data, now = Path(brief["database"]), Path(brief["data"]), datetime.fromisoformat(brief["now"])
    marker, half = data / lost_database.MARKER, Deadline.at(brief["end"]).remaining() / 2
    end, patience = Deadline(min(SEARCH_SECONDS, half)), min(database.PATIENCE_SECONDS, half)
    checks = {
        "database_wal": database.wal(path, marker),
        "database_write": database.write(path, marker, lambda: end.remaining() < 0, patience),
        "freshness": freshness.freshness(path, marker, now, brief["interval_seconds"], brief["enabled"]),
    }
    if brief["is_placeless"]:
        checks = {name: _placeless() for name in checks}
    return checks | {"spool": folder.waiting(data, now)}


def _placeless() -> Findings:
    yield Finding("skipped", "storage.database_path in config.yaml is wrong: nobody knows where the database is")
