"""Is the write-ahead log on and small, who owns the files, and does this SQLite have a known bug?"""

from pathlib import Path

from health import database
from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import system_commands
from runtime.errors import StorageError, Unfinished
from storage import inspection

LARGE_WAL_BYTES = 16 * 2 ** 20


def check(installation: Installation) -> Findings:
    path = database.locate(installation)
    if isinstance(path, Finding):
        yield path
        return
    yield library()
    yield f"opening {path}"
    try:
        mode = inspection.journal_mode(path)
    except StorageError as error:
        yield failure("warn" if isinstance(error, Unfinished) else "fail", error)
        return
    if mode != "wal":
        yield _no_wal(mode, installation)
    yield _size(path)
    pages = installation.configuration.storage.wal_checkpoint_interval
    yield Finding("pass", f"journal_mode {mode}, checkpoint every {pages} pages, {inspection.owners(path)}")


def _no_wal(mode: str, installation: Installation) -> Finding:
    problem = f"write-ahead logging is off (journal_mode is {mode})"
    if not installation.configuration.storage.enable_wal_mode:
        return Finding("warn", f"{problem}, as storage.enable_wal_mode in config.yaml has it: readers and writers block "
                       "each other", "set storage.enable_wal_mode to true in config.yaml, and storage.database_path to a "
                       "disk of this machine if it is on a network disk")
    return Finding("fail", f"{problem}: readers and writers block each other", f"run a collector: "
                   f"{installation.collect_command}; if that does not turn it on, set storage.database_path in "
                   "config.yaml to a disk of this machine: network disks cannot do it")


def library(version: tuple[int, int, int] = inspection.LIBRARY_VERSION) -> Finding:
    """Judge whether a version of SQLite has the bug that can lose data when several connections write at once.

    https://www.sqlite.org/wal.html#walresetbug: fixed in 3.51.3 and from 3.53.0 on (3.52.0 was withdrawn), and in the
    older 3.44.6 and 3.50.7.
    """
    name = ".".join(map(str, version))
    is_fixed = version >= (3, 53) or any(start <= version < (*start[:2], 1000) for start in (
        (3, 51, 3), (3, 50, 7), (3, 44, 6)))
    if is_fixed or version < (3, 7):  # which introduced write-ahead logging
        return Finding("pass", f"SQLite {name}")
    return Finding("pass", f"SQLite {name} has the WAL-reset bug, which does no harm as long as only this program writes "
                   "to the database")


def _size(path: Path) -> Finding:
    size = inspection.wal_bytes(path)
    figures = (f"'wal'={size}B;{LARGE_WAL_BYTES}",)
    if size <= LARGE_WAL_BYTES:
        return Finding("pass", f"-wal {size} bytes", figures=figures)
    return Finding("warn", f"-wal has grown to {size / 1e6:.0f} MB: a long-running reader keeps it from shrinking",
                   f"{system_commands.users_of(path)} shows which process has the database open; after that has "
                   "ended, the next cycle shrinks the -wal", figures)
