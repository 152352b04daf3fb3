"""The program's errors, named by what can be done next.

    HomeMonitorError            exit code 1: the next run may succeed
    ├── RemoteError             a source or a destination
    │   ├── CannotReach         transient: wait and try again
    │   │   └── BadAnswer       it answered, but with 5xx or a body that cannot be read
    │   │       └── WebPage     it answered with a page for people
    │   ├── Throttled           it asked us to wait (HTTP 429)
    │   ├── Interrupted         this run was asked to stop before the answer was complete
    │   ├── NotUnderstood       valid JSON of the wrong shape, or too much of it: a retry would change nothing
    │   └── NotAuthorised       exit code 2: a human is needed
    │       └── NotTrusted      the certificate is not the one we were told to trust
    ├── StorageError
    │   ├── Unavailable         the next cycle may succeed: disk full, an I/O error
    │   │   └── Busy            another process holds the lock: wait and try again
    │   └── Unusable            exit code 2: newer than the program, not permitted, missing, spool full
    │       └── Damaged         not a database, or not one of ours: it has to be replaced
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
    """A source or destination did not do what was asked. `outcome` is what the cycle's row records."""

    outcome = "not_understood"


class CannotReach(RemoteError):
    """No answer, or none that can be used. `retry_after` is the wait in seconds it asked for, if any."""

    outcome = "unreachable"

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class BadAnswer(CannotReach):
    """An answer with a server error, or with a body that cannot be read."""


class WebPage(BadAnswer):
    """HTTP 200 with a page for people. `page` is its text, which is not to be trusted."""

    def __init__(self, message: str, page: str = "") -> None:
        super().__init__(message)
        self.page = page


class Throttled(RemoteError):
    """HTTP 429 or its equivalent. `retry_after` is the wait in seconds it asked for, if any."""

    outcome = "throttled"

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class Interrupted(RemoteError):
    """The run received a signal before the source's answer was complete."""

    outcome = "interrupted"


class NotAuthorised(RemoteError):
    """The source refused us, or we have no credentials for it.

    With `retry_after`, in seconds, asking sooner is useless unless a human has changed something. `location` is the
    target of the redirect that was refused, if there was one.
    """

    outcome = "not_authorised"
    exit_code = 2

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None,
                 location: str | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after
        self.location = location


class NotTrusted(NotAuthorised):
    """The certificate is not the one we were told to trust."""


class NotUnderstood(RemoteError):
    """A readable answer in an unknown form. `status` is its HTTP status, if that was the problem."""

    def __init__(self, message: str, remedy: str = "", status: int | None = None) -> None:
        super().__init__(message, remedy)
        self.status = status


class StorageError(HomeMonitorError):
    """The database, the spool or another file of ours could not be used."""


class Unavailable(StorageError):
    """Nothing can be stored now; what is stored is safe."""


class Busy(Unavailable):
    """Another process holds the lock; a short wait may be enough."""


class Unusable(StorageError):
    """Nothing can be stored until a human has acted."""

    exit_code = 2


class Damaged(Unusable):
    """Not a database, or not in the expected form: it has to be replaced."""


class ConfigurationError(HomeMonitorError):
    """Everything that is wrong with one file, and the remedy."""

    exit_code = 2

    def __init__(self, path: Path, problems: Iterable[str], remedy: str) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{path}: {'; '.join(self.problems)}", remedy)
