"""Lines on stdout and stderr, which may be closed or full."""

import os
import sys
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads the stream directly."""
    return stream is not None and not stream.closed and stream.isatty()


def write_line(stream: TextIO | None, text: str) -> None:
    """Write one line; replace characters that the stream cannot encode."""
    if stream is None or stream.closed:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except OSError:
        # Or Python flushes again at exit, fails, and changes the exit code to 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def show_progress(step: str, done: int, total: int) -> None:
    """Show progress on a terminal, on one line that is written over."""
    if is_terminal(sys.stderr):
        sys.stderr.write(f"\r{step}: {done} of {total}" + ("\n" if done >= total else ""))
        sys.stderr.flush()
