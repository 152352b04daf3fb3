"""One log file for all scripts, and the mask: the one place where text leaves the program.

Nothing here ever raises into the program, and about its own trouble it says one line on stderr per process at most.

    set_up ── RotatingLog (the file), and a stream handler when stderr is asked for
                 └── Line (time, level, collector, module, message: one line, masked)
                        └── Redactor
"""

import logging
from typing import TYPE_CHECKING

from runtime.log.line import Line
from runtime.log.rotating import RotatingLog
from runtime.redaction import Redactor, escaped
from runtime.retry import RetryPolicy

if TYPE_CHECKING:
    import config

__all__ = ["Redactor", "RotatingLog", "escaped", "set_up", "shut_down", "troubled"]


def set_up(settings: "config.Logging | None", collector: str, mask: Redactor, *, retry: RetryPolicy | None = None,
           stderr: bool = False) -> RotatingLog | None:
    """Send log records to the file from the settings' level on, and all of them to stderr too if asked for.

    Without settings touch no file: return None. `retry`, called with `on`, `operation` and `listener`, makes the
    decorator for the rotation.
    """
    shut_down()
    logging.raiseExceptions = False  # or a full disk prints a traceback per line, and cron mails megabytes of them
    line = Line(collector, mask)
    level = settings.level if settings else "INFO"
    logging.getLogger().setLevel("DEBUG" if stderr else level)
    # Without any handler Python would print warnings on stderr by itself.
    _attach(logging.StreamHandler() if stderr else logging.NullHandler(), line, "DEBUG")
    if settings is None:
        return None
    handler = RotatingLog(settings.log_file_path, line, max_bytes=settings.max_bytes, retry=retry,
                          backup_count=settings.backup_count, min_free_mb=settings.min_free_mb)
    _attach(handler, line, level)
    return handler


def troubled() -> RotatingLog | None:
    """Return the log that `set_up` attached if it has trouble of its own, which stderr will be told of at its end."""
    logs = (each for each in logging.getLogger().handlers if isinstance(each, RotatingLog))
    return next((each for each in logs if each.trouble), None)


def shut_down(has_spoken: bool = False) -> None:
    """Close and detach what `set_up` attached. A run that has spoken on stderr keeps the log's trouble to itself."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, Line):
            root.removeHandler(handler)
            if has_spoken and isinstance(handler, RotatingLog):
                handler.trouble = None
            handler.close()


def _attach(handler: logging.Handler, line: Line, level: str) -> None:
    handler.setFormatter(line)
    handler.setLevel(level)
    logging.getLogger().addHandler(handler)
