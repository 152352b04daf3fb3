"""Small files beside the database: atomic writes, locks, and permissions.

Never the database, its -wal or its -shm: closing a handle on them drops SQLite's locks in the same process
(https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from runtime.errors import Busy, StorageError, Unavailable, Unusable

POLL_SECONDS = 0.005
HOLDER_BYTES = 48
FOR_A_HUMAN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
               errno.ELOOP, errno.ENAMETOOLONG, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
FULL = errno.ENOSPC, errno.EDQUOT
FULL_SYNC = fcntl.F_FULLFSYNC if hasattr(fcntl, "F_FULLFSYNC") else None  # macOS only
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOTTY)  # by file systems of networks, in user space, and of FAT


def write_atomically(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    """Replace a file: readers see the old or the new one, also after a power cut.

    A link stays, its target is replaced. Raise OSError, the old file being intact.
    """
    target, content = Path(os.path.realpath(path)), text.encode("utf-8") if isinstance(text, str) else text
    beside = temporary(target)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as stream:
            stream.write(content)
            stream.flush()
            sync_file(stream.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync(target.parent)


def write_readable(path: Path, text: str) -> None:
    """Replace a file that other accounts read, whatever this one's umask is. Raise a StorageError."""
    umask = os.umask(0o022)
    try:
        write_atomically(path, text, 0o644)
    except OSError as error:
        raise translate(error, path) from error
    finally:
        os.umask(umask)


def check_replaceable(path: Path) -> None:
    """Make and remove a file beside the one to replace. Raise a StorageError."""
    beside = temporary(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        beside.touch(exist_ok=False)
        beside.unlink()
    except OSError as error:
        raise translate(error, path) from error


def temporary(target: Path) -> Path:
    """Return a new name beside the target, which `.gitignore` has; what a killed writer left there is removed."""
    remove_leftovers(target.parent, f".{target.name}.")
    return target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


def remove_leftovers(folder: Path, prefix: str = ".") -> None:
    """Remove the temporary files of processes that are gone."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(prefix) and name.endswith(".tmp"):
                process, _, mark = name.split(".")[-2].partition("-")
                if mark and process.isdecimal() and not is_alive(int(process)):
                    os.unlink(folder / name)


def write_or_create(path: Path, text: str) -> None:
    """Replace a file; where that fails, as on a full disk, create an empty one: its name is enough. Raise OSError."""
    try:
        write_atomically(path, text, 0o644)
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def write_at(file: int, start: int, content: bytes) -> None:
    """Overwrite an open file from `start` on. Raise OSError, possibly after writing a part."""
    while content:
        written = os.pwrite(file, content, start)
        start, content = start + written, content[written:]


def sync_file(descriptor: int) -> None:
    """Flush an open file to the disk. On macOS fsync leaves it in the drive's own cache (man 2 fcntl, F_FULLFSYNC)."""
    if FULL_SYNC is not None:
        try:
            fcntl.fcntl(descriptor, FULL_SYNC)
            return
        except OSError as error:
            if error.errno not in NO_SYNC:
                raise
    os.fdatasync(descriptor) if hasattr(os, "fdatasync") else os.fsync(descriptor)


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:  # CIFS and some FUSE file systems do not sync folders
            raise
    finally:
        os.close(descriptor)


def exists(path: Path) -> bool:
    """Return whether there is such a file. Raise OSError if we may not know; from Python 3.14 on, Path.exists says no."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


class Holder(NamedTuple):
    """A process that holds a lock file, and since when (ISO 8601, UTC)."""

    process: int
    since: str


@contextmanager
def locked(path: Path, wait_seconds: float, sleep: Callable[[float], None] | None = None,
           since: str = "") -> Iterator[None]:
    """Hold the lock file, which names its holder; `since` is the start of the run.

    Raise Busy if another process still holds it after `wait_seconds`, or another StorageError.
    """
    descriptor = _open(path)
    try:
        _take(descriptor, path, wait_seconds, sleep or time.sleep)
        with suppress(OSError):  # on a full disk, for instance: the lock counts
            os.pwrite(descriptor, f"{os.getpid()} {since}".ljust(HOLDER_BYTES).encode() + b"\n", 0)
        yield
        with suppress(OSError):  # closing the file frees it too, unless a child still has it open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Return who took the lock file last, if that is another process that is still alive."""
    with suppress(OSError, ValueError):
        number, _, since = path.read_bytes().strip().decode().partition(" ")
        process = int(number)
        if process > 0 and process != os.getpid() and is_alive(process):
            return Holder(process, since or _modified(path))
    return None


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another account's
        pass
    return True


def is_held(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _modified(path: Path) -> str:
    from datetime import datetime, timezone

    from runtime.formats import format_time
    return format_time(datetime.fromtimestamp(int(path.stat().st_mtime), timezone.utc))


def _open(path: Path) -> int:
    """Open a lock file, private to this account: reading is enough to hold it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EROFS):
                raise
            # On a read-only disk, for instance: locking needs no write permission, except on NFS (flock(2), NOTES).
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(OSError):
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
            if owned_by_other(path.parent):
                folder = os.stat(path.parent)
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
        return descriptor
    except OSError as error:
        raise translate(error, path) from error


def _take(descriptor: int, path: Path, wait_seconds: float, sleep: Callable[[float], None]) -> None:
    """Poll: a blocking flock has no time limit, and the alarm may be in use."""
    for _ in range(int(wait_seconds / POLL_SECONDS)):
        if _try_lock(descriptor, path):
            return
        sleep(POLL_SECONDS)
    if not _try_lock(descriptor, path):
        other = holder(path)
        whose = "" if other is None else f"; it is process {other.process}, since {other.since}"
        raise Busy(f"another process holds {path}; waited {wait_seconds:g} s for it{whose}")


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise translate(error, path) from error
    return True


def translate(error: OSError, path: Path) -> StorageError:
    reason = error.strerror or type(error).__name__
    if error.errno in FOR_A_HUMAN:
        from runtime import system_commands
        return Unusable(f"{path} cannot be used: {reason}", system_commands.remedy(error.errno, path))
    return Unavailable(f"{path} cannot be used now: {reason}", make_room(path.parent) if error.errno in FULL else "")


def owned_by_other(folder: Path) -> bool:
    return os.geteuid() == 0 and os.path.isdir(folder) and folder.stat().st_uid != 0


def drop_to_owner(folder: Path, needed: Iterable[str] = ()) -> None:
    """Root becomes the folder's owner, if that account can read the files that are `needed`, such as Python's own.

    Files owned by root would lock out the account that cron uses.
    """
    if owned_by_other(folder):
        status = folder.stat()
        if not all(_can_read(file, status) for file in needed):
            return
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)


def _can_read(file: str, account: os.stat_result) -> bool:
    """Return whether the account that owns something may read a file, given the status of what it owns."""
    os.setegid(account.st_gid)
    os.seteuid(account.st_uid)
    try:
        return os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids) and bool(os.stat(file))
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())


def is_closed(folder: Path) -> bool:
    """Return whether we may not create files in the folder."""
    return not os.access(folder, os.W_OK | os.X_OK)


def permitted(path: Path) -> bool:
    """Return whether we may write, or create, the database and SQLite's files beside it."""
    if is_closed(path.parent):
        return False
    existing = filter(os.path.exists, (f"{path}{end}" for end in ("", "-wal", "-shm", "-journal")))
    return all(os.path.isfile(file) and os.access(file, os.R_OK | os.W_OK) for file in existing)


def chown_folder_command(folder: Path) -> str:
    from runtime import system_commands  # here and below: for remedies only
    return system_commands.open_folder(folder)


def chown_file_command(path: Path) -> str:
    from runtime import system_commands
    return system_commands.open_file(path)


def make_room(folder: Path) -> str:
    from runtime import system_commands
    return system_commands.make_room(folder)


def owner(path: Path) -> str:
    """Return the file's name, owner and mode."""
    from pwd import getpwuid
    status = path.stat()
    try:
        account = getpwuid(status.st_uid).pw_name
    except KeyError:
        account = str(status.st_uid)
    return f"{path.name} {account} {status.st_mode & 0o7777:04o}"
