"""The log file that several short-lived processes write, rotate and delete at once, without losing a line.

Each line is one write, appended to the file that has the log's name at that moment; the kernel keeps such writes apart
(network file systems do not). A lock is taken only to rotate, and for long lines: locking every line made the slowest
hundredth three times slower. The standard library's handler lost up to 30 % of the lines of four processes. Nothing
here logs: a handler that does may wait for itself.
"""

import contextlib
import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import files
from runtime.streams import write_line

if TYPE_CHECKING:
    from runtime.log import Line
    from runtime.retry import RetryPolicy

SHORT = 256  # bytes; longer lines are written one at a time
MARGIN = 65_536  # bytes kept free for the short lines that other processes write at the same moment
GRACE = 2_000_000  # bytes that the file may grow beyond its limit when it cannot be rotated
TRIES, PAUSE_SECONDS = 100, 0.005  # for the lock, which is held for a few renames only


class RotationRefused(OSError):
    """The files could not be locked or renamed; a short wait may be enough."""

    level = logging.CRITICAL


class DiskNearlyFull(Exception):
    """Rotating would fill the disk further."""

    level = logging.WARNING


class RotatingLog(logging.Handler):
    """Appends records to a file. When rotation is impossible it grows by GRACE at most, then lines are lost."""

    def __init__(self, path: Path, line: "Line", *, max_bytes: int, backup_count: int, min_free_mb: int,
                 retry: "RetryPolicy | None" = None) -> None:
        super().__init__()
        self.setFormatter(line)
        self._path, self._line = os.path.abspath(path), line
        self._room = max_bytes - min(MARGIN, max_bytes // 8)
        self._backup_count, self._min_free_mb = backup_count, min_free_mb
        self._file, self._inode = -1, (0, 0)
        self._stuck = False
        self.trouble: str | None = None  # the first problem of the log's own, printed on stderr when it is closed
        self._append_alone: Callable[[bytes], None] = self._append_locked
        if retry:
            self._append_alone = retry(on=RotationRefused, operation="log rotation")(self._append_locked)
        try:
            self._size()
        except (OSError, ValueError) as error:
            remedy = f". Remedy: {files.chown_file_command(Path(path))}" if isinstance(error, PermissionError) else ""
            self._note(f"The log cannot be opened: {error}{remedy}")

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        try:
            self._write(f"{line}\n".encode())
        except (OSError, ValueError) as error:
            self._note(f"The log {self._path} loses lines ({error}). The first one: {line}")

    def close(self) -> None:
        """Close the file, and print the log's own problem on stderr in one line."""
        if self.trouble:
            write_line(sys.stderr, self._line.clean(self.trouble))
        self.trouble = None
        if self._file >= 0:
            os.close(self._file)
        self._file, self._inode = -1, (0, 0)
        super().close()

    def _write(self, line: bytes) -> None:
        if len(line) <= SHORT and self._append(line):
            return
        if not self._stuck:
            try:
                return self._append_alone(line)
            except (RotationRefused, DiskNearlyFull) as error:
                self._stop_rotating(error)
        if not self._append(line):
            raise OSError("it cannot be rotated and must not grow any further")

    def _stop_rotating(self, reason: RotationRefused | DiskNearlyFull) -> None:
        self._stuck = True
        self._room += GRACE
        text = f"{reason}; lines go on in this file, up to {self._room} bytes"
        record = logging.LogRecord(__name__, reason.level, __file__, 0, text, None, None)
        self._append(f"{self.format(record)}\n".encode())

    def _append_locked(self, line: bytes) -> None:
        with self._lock():
            while not self._append(line):  # again if other processes have filled the new file
                self._rotate()

    def _append(self, line: bytes) -> bool:
        """Write all of the line or nothing. Return False if the file has no room for it."""
        size = self._size()
        if size and size + len(line) > self._room:
            return False
        written = os.write(self._file, line)
        if written < len(line):
            self._finish(line, written)
        return True

    def _finish(self, line: bytes, written: int) -> None:
        """Write the rest of a line that the disk took in part, or remove that part."""
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            end = os.lseek(self._file, 0, os.SEEK_CUR)
            if os.fstat(self._file).st_size == end:
                os.ftruncate(self._file, end - written)
            raise

    def _size(self) -> int:
        """Open the file that has the log's name now, if it is another one; return its size."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._inode:
            opened = _open(self._path, os.O_WRONLY | os.O_APPEND, 0o640)
            if self._file >= 0:
                os.close(self._file)
            status = os.fstat(opened)
            self._file, self._inode = opened, (status.st_dev, status.st_ino)
        return status.st_size

    def _rotate(self) -> None:
        """Give every file the next older name. Raise DiskNearlyFull or RotationRefused."""
        try:
            disk = os.statvfs(os.path.dirname(self._path))
            if disk.f_bavail * disk.f_frsize < self._min_free_mb * 1_000_000:
                raise DiskNearlyFull(f"The log is not rotated: less than {self._min_free_mb} MB of the disk are free")
            self._rename()
        except FileNotFoundError:
            return  # the folder was deleted: nothing is left to rotate
        except OSError as error:
            raise RotationRefused(f"The log cannot be rotated: {error}") from error

    def _rename(self) -> None:
        oldest = self._backup_count
        while os.path.isfile(self._numbered(oldest + 1)):  # a larger backup_count was configured before
            os.unlink(self._numbered(oldest + 1))
            oldest += 1
        if not self._backup_count:
            os.unlink(self._path)
        for number in range(self._backup_count, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._numbered(number - 1), self._numbered(number))

    def _numbered(self, number: int) -> str:
        return f"{self._path}.{number}" if number else self._path

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        folder, name = os.path.split(self._path)
        try:
            lock = _open(os.path.join(folder, f".{name}.lock"), os.O_RDONLY, 0o600)
        except OSError as error:
            raise RotationRefused(f"The log cannot be locked: {error}") from error
        try:
            if not any(_locked(lock) for _ in range(TRIES)):
                raise RotationRefused("The log cannot be locked: another process does not release it")
            yield
        finally:
            os.close(lock)

    def _note(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble


def _open(path: str, flags: int, mode: int) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # A pipe in place of the file would be opened only once someone reads it.
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, mode)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        time.sleep(PAUSE_SECONDS)
        return False
    return True
