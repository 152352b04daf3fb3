"""Commands for remedies: macOS lacks fuser -v, findmnt, chattr and timedatectl."""

import errno
import os
import shlex
import sys
from pathlib import Path

IS_MACOS = sys.platform == "darwin"
SMALLEST_ROOM = 2 ** 20  # bytes, for SQLite's -wal and -shm
NO_LOCKS = errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS
CLOCK_STATUS = "sntp time.apple.com" if IS_MACOS else "timedatectl status"


def users_of(*paths: Path) -> str:
    return " ".join(["lsof" if IS_MACOS else "fuser -v", *map(_quoted, paths)])


def make_writable(path: Path) -> str:
    if IS_MACOS:
        return f"sudo mount -uw \"$(df -P {_quoted(path)} | sed '1d; s/.*% *//')\""
    return f'sudo mount -o remount,rw "$(findmnt -n -o TARGET -T {_quoted(path)})"'


def largest_files(folder: Path) -> str:
    return f"du -ax {_quoted(folder)} | sort -n | tail"


def fullest_folders(folder: Path) -> str:
    return f"find {_quoted(folder)} -xdev | sed 's,/[^/]*$,,' | sort | uniq -c | sort -n | tail"


def remedy(number: int, path: Path) -> str:
    """Return what helps against an error (errno) that does not pass by itself."""
    if number in NO_LOCKS:
        return f"move this program to a disk of this machine: that of {path.parent} has no locks"
    if number == errno.ENAMETOOLONG:
        return "set a shorter path in config.yaml, or move this program to one"
    if number == errno.EPERM and os.access(path, os.W_OK):  # it can only be appended to
        return unprotect(path)
    if number == errno.ENOENT and not path.parent.exists():
        return f"is its disk mounted? If it is, create the folder: mkdir -p {_quoted(path.parent)}"
    if number == errno.EISDIR:
        return "set the path of a file in config.yaml: this is a folder"
    return open_file(path)


def open_folder(folder: Path) -> str:
    quoted = _quoted(folder)
    return _unlock(folder, quoted) or f"sudo chown {os.geteuid()} {quoted} && sudo chmod u+rwx {quoted}"


def open_file(path: Path) -> str:
    """Return the command that lets this account write a file, and the ones that SQLite names after it."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return open_folder(path.parent)
    names = f"{_quoted(path)}*"
    return _unlock(path, names) or f"sudo chown {os.geteuid()} {names} && sudo chmod u+rw {names}"


def _unlock(path: Path, quoted: str) -> str | None:
    """Return the command for what keeps even the owner from writing: a read-only disk, or a flag of the file."""
    try:
        status, disk = os.stat(path), os.statvfs(path)
    except OSError:
        return None
    if disk.f_flag & os.ST_RDONLY:
        return make_writable(path)
    is_ours = os.geteuid() in (0, status.st_uid) and bool(status.st_mode & 0o200)
    return _unprotect(quoted) if is_ours and not os.access(path, os.W_OK) else None


def unprotect(path: Path) -> str:
    return _unprotect(f"{_quoted(path)}*")


def _unprotect(quoted: str) -> str:
    """Take away the flags that keep even the owner from writing (chattr(1), chflags(1))."""
    return f"sudo {'chflags nouchg,nouappnd,noschg,nosappnd' if IS_MACOS else 'chattr -ia'} {quoted}"


def is_full(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < SMALLEST_ROOM or _lacks_inodes(disk)


def make_room(folder: Path) -> str:
    if _lacks_inodes(os.statvfs(folder)):
        return f"delete files; the folders with the most come last in: {fullest_folders(folder)}"
    return f"delete what is not needed; the largest files come last in: {largest_files(folder)}"


def _lacks_inodes(disk: os.statvfs_result) -> bool:
    return bool(disk.f_files) and disk.f_favail == 0  # some file systems do not count them


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
