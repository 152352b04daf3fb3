"""The small files beside the database: written so that nobody ever sees half of one, locked so that one process writes.

It never opens the database, its -wal or its -shm: closing any handle on them drops the locks that SQLite holds in the
same process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

import errno
import fcntl
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pwd import getpwuid

from runtime.errors import Busy, StorageError, Unavailable, Unusable

POLL_SECONDS = 0.005
FOR_A_HUMAN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
               errno.ELOOP, errno.ENAMETOOLONG, errno.ENOLCK, errno.ENOTSUP}


def write_atomically(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    """Replace the file by `text`, as UTF-8, as a whole: readers see the old one or the new one, also after a power cut.

    The file is never wider than `mode`, whatever the umask or the file it replaces; a link stays, what it points to is
    replaced. Raise OSError when it cannot be done, the old file being intact then.
    """
    target, content = Path(os.path.realpath(path)), text.encode("utf-8") if isinstance(text, str) else text
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync(target.parent)


def write_at(file: int, start: int, content: bytes) -> None:
    """Write all of it into an open file, over what stands there. Raise OSError, which may leave a part of it there."""
    while content:
        written = os.pwrite(file, content, start)
        start, content = start + written, content[written:]


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what CIFS and some FUSE file systems say of folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, wait_seconds: float, sleep: Callable[[float], None] | None = None) -> Iterator[None]:
    """Hold the lock file while the block runs; the kernel frees it when the process dies, however it dies.

    Folder and file are created if missing. Raise Busy when another process still holds it after `wait_seconds` (0 asks
    once), Unusable or Unavailable when the file cannot be opened.
    """
    descriptor = _open(path)
    try:
        _take(descriptor, path, wait_seconds, sleep or time.sleep)
        yield
        with suppress(OSError):  # closing the file frees it too, but where a child that lingers has it open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EROFS):
                raise
            # A file that a run of root's made, or that lies on a disk that has become read-only: locking it asks for no
            # right to write, but on NFS (flock(2), NOTES).
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise translate(error, path) from error


def _take(descriptor: int, path: Path, wait_seconds: float, sleep: Callable[[float], None]) -> None:
    """Poll instead of blocking in the kernel: a blocking flock knows no time limit, and an alarm is not ours to set."""
    for _ in range(int(wait_seconds / POLL_SECONDS)):
        if _taken(descriptor, path):
            return
        sleep(POLL_SECONDS)
    if not _taken(descriptor, path):
        raise Busy(f"another process holds {path}; waited {wait_seconds:g} s for it")


def _taken(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise translate(error, path) from error
    return True


def translate(error: OSError, path: Path) -> StorageError:
    """Given what the operating system said of a file, return it named by what can be done next."""
    reason = error.strerror or type(error).__name__
    if error.errno in FOR_A_HUMAN:
        return Unusable(f"{path} cannot be used: {reason}", chown_file_command(path))
    return Unavailable(f"{path} cannot be used now: {reason}")


def owned_by_other(folder: Path) -> bool:
    """Tell whether root runs this, and the folder belongs to somebody else."""
    return os.geteuid() == 0 and os.path.isdir(folder) and folder.stat().st_uid != 0


def drop_to_owner(folder: Path) -> None:
    """Run as root, become the owner of the folder: files of root's would lock out the account that cron uses.

    Nothing happens for anybody else, or where the folder is root's or not there.
    """
    if owned_by_other(folder):
        owner = folder.stat()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def is_closed(folder: Path) -> bool:
    """Tell whether the present user can make nothing in the folder."""
    return not os.access(folder, os.W_OK | os.X_OK)


def permitted(path: Path) -> bool:
    """Tell whether the present user may write the file and SQLite's beside it, or create them where there are none."""
    if is_closed(path.parent):
        return False
    there = filter(os.path.exists, (f"{path}{end}" for end in ("", "-wal", "-shm", "-journal")))
    return all(os.path.isfile(each) and os.access(each, os.R_OK | os.W_OK) for each in there)


def chown_folder_command(folder: Path) -> str:
    """Return the command that lets the user who asks make files in a folder."""
    quoted = shlex.quote(str(folder))
    return f"sudo chown {os.geteuid()} {quoted} && sudo chmod u+rwx {quoted}"


def make_room(folder: Path) -> str:
    """Return the remedy for a disk that is full."""
    return f"delete what is not needed; the largest come last in: du -ax {shlex.quote(str(folder))} | sort -n | tail"


def chown_file_command(path: Path) -> str:
    """Return the command that lets the present user write the file and its companions, or their folder."""
    if is_closed(path.parent):
        return chown_folder_command(path.parent)
    names = f"{shlex.quote(str(path))}*"
    return f"sudo chown {os.geteuid()} {names} && sudo chmod u+rw {names}"


def owner(path: Path) -> str:
    """Return the name of a file, its owner and its mode."""
    seen = path.stat()
    try:
        owner = getpwuid(seen.st_uid).pw_name
    except KeyError:
        owner = str(seen.st_uid)
    return f"{path.name} {owner} {seen.st_mode & 0o7777:04o}"
