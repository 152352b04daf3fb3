"""SQLite's errors as this program's, by what can be done next (https://www.sqlite.org/rescode.html)."""

import os
import sqlite3
from pathlib import Path

from runtime import files, system_commands
from runtime.errors import Busy, Damaged, StorageError, Unavailable, Unfinished, Unusable
from storage import lost_database

PERMANENT = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_SCHEMA,
             sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE)
INTERRUPTED = sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY
LONGEST_PATH = 504  # bytes: MAX_PATHNAME of SQLite's os_unix.c (512), less "-journal" (3.40, 2026-12)
FORBIDDEN = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


def translate(error: sqlite3.Error, path: Path) -> StorageError:
    if path.is_dir():
        return Unusable(f"{path} is a folder, not a database", "set storage.database_path in config.yaml to a file")
    code = error.sqlite_errorcode & 0xFF
    reason = f"{error} ({error.sqlite_errorname})"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another process holds {path}: {reason}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"{path} is damaged or not a database: {reason}", lost_database.replace_remedy())
    if code in PERMANENT:
        return Damaged(f"{path} does not have the form this program expects: {reason}", lost_database.replace_remedy())
    if error.sqlite_errorcode in INTERRUPTED and files.permitted(path):
        return Unfinished(f"{path} was being written when its writer was killed ({error.sqlite_errorname}): the next cycle "
                          "completes it", lost_database.migrate_command())
    if code == sqlite3.SQLITE_CANTOPEN and len(os.fsencode(path)) > LONGEST_PATH:
        return Unusable(f"the path {path} is too long for SQLite, which takes {LONGEST_PATH} bytes",
                        "set storage.database_path in config.yaml to a shorter one")
    # SQLite opens a file for reading if it cannot write it, for any reason, and reports read-only later.
    may_pass = code == sqlite3.SQLITE_CANTOPEN or error.sqlite_errorcode == sqlite3.SQLITE_READONLY
    if not files.permitted(path) if may_pass else code in FORBIDDEN:
        return Unusable(f"not permitted to use {path}: {reason}", files.chown_file_command(path))
    hint, remedy = "", f"if it lasts: {system_commands.unprotect(path)}" if code == sqlite3.SQLITE_READONLY else ""
    # SQLite reports an I/O error where a full disk has no room for the -shm file.
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        is_full = system_commands.is_full(path.parent)
        hint = "; its disk is full" if is_full else "; is the disk full?" if code != sqlite3.SQLITE_CANTOPEN else ""
        remedy = files.make_room(path.parent) if is_full else ""
    return Unavailable(f"{path} cannot be used now: {reason}{hint}", remedy)
