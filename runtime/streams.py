"""Lines on stdout and stderr, which may be closed, full, or stopped by Ctrl-S: no run waits long for a reader."""

import os
import select
import sys
import time
from contextlib import suppress
from typing import TextIO

READER_SECONDS = 2.0
CHUNK_BYTES = 512  # select calls a pipe writable if it takes so many at once (PIPE_BUF of POSIX)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads the stream directly."""
    return stream is not None and not stream.closed and stream.isatty()


def write_line(stream: TextIO | None, text: str) -> None:
    """Write one line; replace characters that the stream cannot encode. Give up a stream that takes nothing."""
    write(stream, text + "\n")


def write(stream: TextIO | None, text: str) -> None:
    if stream is None or stream.closed:
        return
    encoding = stream.encoding or "utf-8"
    content = text.encode(encoding, "replace")
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file but memory
        stream.write(content.decode(encoding))
        return
    try:
        stream.flush()
        _write(descriptor, content)
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _write(descriptor: int, content: bytes) -> None:
    """Write to a file. Raise OSError, a TimeoutError if no one reads it."""
    end = time.monotonic() + READER_SECONDS
    while content:
        if not select.select([], [descriptor], [], max(end - time.monotonic(), 0))[1]:
            raise TimeoutError
        content = content[os.write(descriptor, content[:CHUNK_BYTES]):]


def show_progress(step: str, done: int, total: int) -> None:
    """Show progress on a terminal, on one line that is written over."""
    if is_terminal(sys.stderr):
        write(sys.stderr, f"\r{step}: {done} of {total}" + ("\n" if done >= total else ""))
