"""Commands for remedies, as this system has them: macOS lacks fuser -v, findmnt and timedatectl."""

import shlex
import sys
from pathlib import Path

IS_MACOS = sys.platform == "darwin"
CLOCK_STATUS = "sntp time.apple.com" if IS_MACOS else "timedatectl status"


def users_of(*paths: Path) -> str:
    """Return the command that shows which processes have the files open."""
    return " ".join(["lsof" if IS_MACOS else "fuser -v", *map(_quoted, paths)])


def make_writable(path: Path) -> str:
    """Return the command that makes the read-only disk of a file writable."""
    if IS_MACOS:
        return f"sudo mount -uw \"$(df -P {_quoted(path)} | sed '1d; s/.*% *//')\""
    return f'sudo mount -o remount,rw "$(findmnt -n -o TARGET -T {_quoted(path)})"'


def largest_files(folder: Path) -> str:
    """Return the command that lists files and folders, the largest last."""
    return f"du -ax {_quoted(folder)} | sort -n | tail"


def fullest_folders(folder: Path) -> str:
    """Return the command that lists folders, the one with the most files last."""
    return f"find {_quoted(folder)} -xdev | sed 's,/[^/]*$,,' | sort | uniq -c | sort -n | tail"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
