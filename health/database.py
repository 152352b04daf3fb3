"""Is there a database at all? What the three checks of the database ask first."""

import os
import shlex
from pathlib import Path

from health.finding import Finding, failure
from health.setup import Installation
from runtime import files
from runtime.errors import StorageError
from storage import inspection, lost_database, stale_wal
from storage.state import Witness
from storage.witness import ensure_present


def locate(installation: Installation) -> Path | Finding:
    """Return the path of the database, or why there is nothing to check."""
    if installation.problems("storage.database_path"):
        return Finding("skipped", "storage.database_path in config.yaml is invalid")
    # SQLite names its own files after the database that a link points to.
    configured, witness = installation.configuration.storage.database_path, Witness(installation.configuration.path)
    path = Path(os.path.realpath(configured))
    try:
        ensure_present(witness, configured)
        if path.is_dir():
            return Finding("critical", f"{path} is a folder, not a database",
                           "set storage.database_path in config.yaml to a file")
        if stale_wal.is_suspect(path):
            return Finding("warn", f"{path} is not the file that was closed last: the next cycle finds out whether its -wal "
                           "belongs to it", installation.collect_command)
        if not lost_database.is_gone(path):
            other = inspection.another_record(path, witness, configured)
            return failure("critical", other) if other else path
        folder = next(parent for parent in path.parents if parent.exists())
    except StorageError as error:
        return failure("critical", error)
    except OSError as error:
        return failure("critical", files.translate(error, path))
    if not files.is_closed(folder):
        return Finding("warn", f"{path} does not exist yet: nothing has been collected", installation.collect_command)
    return Finding("critical", f"{path} does not exist, and cannot be created in {folder}",
                   f"is its disk mounted? If the folder is new: sudo mkdir -p {shlex.quote(str(path.parent))} && "
                   f"{files.chown_folder_command(path.parent)}")
