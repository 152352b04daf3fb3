"""The program's errors, named by what can be done next.

    HomeMonitorError            exit code 1: the next run may succeed
    ├── RemoteError             a source or a destination
    │   ├── CannotReach         transient: no usable answer
    │   │   └── BadAnswer       5xx, or a body that cannot be read
    │   │       └── WebPage
    │   ├── Throttled           HTTP 429
    │   ├── Interrupted         by a signal, before the source had answered completely
    │   ├── NotUnderstood       a retry would change nothing
    │   ├── Questionable        an answer that a human should look at; the health check warns
    │   └── NotAuthorised       exit code 2: a human is needed
    │       └── NotTrusted      another certificate
    ├── StorageError            the database, the spool or another file of the program
    │   ├── Unavailable         disk full, an I/O error
    │   │   ├── Busy            transient: another process holds the lock
    │   │   └── Unfinished      the next run that writes completes it
    │   └── Unusable            exit code 2: newer than the program, not permitted, missing, spool full
    │       ├── Damaged
    │       └── Missing         the record is not there, or another one is
    └── ConfigurationError      exit code 2: a file that people write is wrong
"""

from collections.abc import Iterable
from pathlib import Path


class HomeMonitorError(Exception):
    """A problem as a sentence, and a remedy: something to do, empty if only time helps."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def describe(error: Exception) -> str:
    """Format an error and its remedy on one line. Errors that are not ours are reported as bugs."""
    message = " ".join(str(error).split())
    if not isinstance(error, HomeMonitorError):
        return f"a fault in the program, please report it: {type(error).__name__}: {message}"
    end = "" if message.endswith("?") else "."
    return f"{message.rstrip('.')}{end} Remedy: {error.remedy}" if error.remedy else message


class RemoteError(HomeMonitorError):
    """`outcome` is what the cycle's row records, `retry_after` the wait in seconds that was asked for, if any."""

    outcome = "not_understood"

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class CannotReach(RemoteError):
    outcome = "unreachable"


class BadAnswer(CannotReach):
    """A server error, or a body that cannot be read."""


class WebPage(BadAnswer):
    """HTTP 200 with a page for people. `page` is its text, from an untrusted source."""

    def __init__(self, message: str, page: str = "") -> None:
        super().__init__(message)
        self.page = page


class Throttled(RemoteError):
    outcome = "throttled"


class Interrupted(RemoteError):
    outcome = "interrupted"


class NotAuthorised(RemoteError):
    """The source refused us, or we have no credentials.

    Before `retry_after` seconds, asking is useless unless a human has changed something. `location` is the target of a
    redirect that was not followed.
    """

    outcome = "not_authorised"
    exit_code = 2

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None,
                 location: str | None = None) -> None:
        super().__init__(message, remedy, retry_after)
        self.location = location


class NotTrusted(NotAuthorised):
    """The certificate is not the one to trust."""


class NotUnderstood(RemoteError):
    """Valid JSON of the wrong shape, or too much of it. `status` is the HTTP status, if that was the problem."""

    def __init__(self, message: str, remedy: str = "", status: int | None = None) -> None:
        super().__init__(message, remedy)
        self.status = status


class Questionable(RemoteError):
    """A probe's answer works, but is not what the user expects, or will not be for long."""


class StorageError(HomeMonitorError):
    pass


class Unavailable(StorageError):
    """Nothing can be stored now; stored data is safe."""


class Busy(Unavailable):
    """Another process holds the lock; a short wait may be enough."""


class Unfinished(Unavailable):
    """Readable once a run has written: the last one was killed, or another version wrote the database."""


class Unusable(StorageError):
    """Nothing can be stored until a human has acted."""

    exit_code = 2


class Damaged(Unusable):
    """Not a database, or not in the expected form: it has to be replaced."""


class Missing(Unusable):
    """The database with the readings is not in its place, or another one is."""


class ConfigurationError(HomeMonitorError):
    """Everything that is wrong with one file, and the remedy."""

    exit_code = 2

    def __init__(self, path: Path, problems: Iterable[str], remedy: str) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{path}: {'; '.join(self.problems)}", remedy)
