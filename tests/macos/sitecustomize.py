"""Makes Linux look like macOS to a Python process that starts with this folder first on its PYTHONPATH.

Names that Python does not have on macOS are removed ("Availability" in its documentation, and its configure script),
`/proc` cannot be opened, RLIMIT_AS is refused, a write to a pipe arrives in pieces of 512 bytes, and looking up the
system's proxies, which crashes after a fork, raises. F_FULLFSYNC exists; it writes what it was called for into the
file named in MACOS_SYNCS, and fails with the errno in MACOS_SYNC_ERROR. Everything else is still Linux: this shows that
no missing name is used, not that all is well on a Mac.
"""

import builtins
import fcntl
import io
import os
import re
import resource
import select
import signal
import socket
import stat
import sys
import time
import types
from collections.abc import Callable
from typing import Any

MISSING = {
    os: r"fdatasync|posix_fadvise|posix_fallocate|copy_file_range|sched_[gs]et\w+|sched_rr\w+|[gs]etres[ug]id|pipe2"
        r"|splice|eventfd\w*|timerfd\w*|memfd_create|pidfd_open|getrandom|\w*xattr|unshare|setns"
        r"|(EFD|GRND|MFD|PIDFD|POSIX_FADV|RWF|SCHED|SPLICE|TFD|XATTR)_\w+|CLONE_\w+|P_PIDFD"
        r"|O_(DIRECT|LARGEFILE|NOATIME|PATH|RSYNC|TMPFILE)|ST_(?!RDONLY|NOSUID)[A-Z]+",
    time: r"CLOCK_(BOOTTIME|TAI)|pthread_getcpuclockid",
    signal: r"SIG(CLD|POLL|PWR|STKFLT|RTMIN|RTMAX)|sigtimedwait|sigwaitinfo|pidfd_send_signal",
    select: r"epoll|EPOLL\w*|POLL(RDHUP|MSG)",
    fcntl: r"F_(OFD|SEAL)_\w+|F_(ADD|GET)_SEALS|F_[GS]ET(LEASE|PIPE_SZ|SIG)|F_NOTIFY|DN_\w+|FICLONE\w*"
           r"|LOCK_(MAND|READ|RW|WRITE)",
    resource: r"prlimit|RLIMIT_(MSGQUEUE|NICE|OFILE|RTPRIO|RTTIME|SIGPENDING)|RUSAGE_THREAD",
    socket: r"AF_(ALG|BLUETOOTH|CAN|KEY|LLC|NETLINK|PACKET|QIPCRTR|RDS|TIPC|VSOCK)|SO_(BINDTODEVICE|DOMAIN|MARK"
            r"|PASSCRED|PASSSEC|PEERCRED|PEERSEC|PRIORITY|PROTOCOL)|SOCK_(CLOEXEC|NONBLOCK)|MSG_(CMSG_CLOEXEC|CONFIRM|ERRQUEUE"
            r"|FASTOPEN|MORE|NOSIGNAL)|TCP_(CONGESTION|CORK|DEFER_ACCEPT|INFO|KEEPIDLE|LINGER2|QUICKACK|SYNCNT"
            r"|USER_TIMEOUT|WINDOW_CLAMP)|(ALG|CAN|PACKET|TIPC|VMADDR|VM_SOCKETS)_\w+",
}
F_FULLFSYNC = 51  # <sys/fcntl.h> of macOS
PIPE_BYTES = 512


def without_proc(call: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that takes a path."""
    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | bytes | os.PathLike) and os.fsencode(path).startswith(b"/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return call(path, *arguments, **options)
    return refuse


def main() -> None:
    """Change the modules of this process."""
    for module, names in MISSING.items():
        for name in [name for name in vars(module) if re.fullmatch(names, name)]:
            delattr(module, name)
    for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "stat"), (os, "listdir"),
                         (os, "readlink")):
        setattr(module, name, without_proc(getattr(module, name)))
    vars(fcntl).update(F_FULLFSYNC=F_FULLFSYNC, fcntl=_control)
    vars(resource).update(setrlimit=_limit)
    vars(os).update(write=_write)
    vars(select).update(PIPE_BUF=PIPE_BYTES)
    proxies = types.ModuleType("_scproxy")
    vars(proxies).update(_get_proxies=_no_proxies, _get_proxy_settings=_no_proxies)
    sys.modules["_scproxy"] = proxies
    sys.platform = "darwin"


_fcntl, _setrlimit, _os_write = fcntl.fcntl, resource.setrlimit, os.write


def _control(descriptor: Any, command: int, argument: Any = 0) -> Any:
    if command != F_FULLFSYNC:
        return _fcntl(descriptor, command, argument)
    if number := int(os.environ.get("MACOS_SYNC_ERROR", "0")):
        raise OSError(number, os.strerror(number))
    os.fsync(descriptor)
    if note := os.environ.get("MACOS_SYNCS"):
        status = os.fstat(descriptor)
        with open(note, "a", encoding="ascii") as stream:
            stream.write(f"{status.st_ino}\n")
    return 0


def _limit(kind: int, limits: tuple[int, int]) -> None:
    if kind == resource.RLIMIT_AS:
        raise ValueError("current limit exceeds maximum limit")
    _setrlimit(kind, limits)


def _write(descriptor: int, content: Any) -> int:
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return _os_write(descriptor, content)
    pieces = range(0, len(content), PIPE_BYTES) or [0]
    return sum(_os_write(descriptor, content[start:start + PIPE_BYTES]) for start in pieces)


def _no_proxies() -> Any:
    raise AssertionError("the system's proxies must not be looked up: after a fork that crashes on macOS")


main()
