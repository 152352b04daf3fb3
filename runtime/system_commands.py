"""Commands for remedies: macOS lacks fuser -v, findmnt and timedatectl."""

import shlex
import sys
from pathlib import Path

IS_MACOS = sys.platform == "darwin"
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


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
