"""The errors of every collector, named by what can be done next.

    CollectorError
    ├── CannotReach         transient: wait and try again
    │   ├── Interrupted     the run was asked to end before the source had told all
    │   ├── Throttled       the source asks for patience (429)
    │   └── BadAnswer       the source answered, but with 5xx, a torn or unreadable body
    │       └── WebPage     the source answered with a page for people
    ├── NotAuthorised       permanent: a human is needed
    │   └── NotTrusted      whoever answers is not who we were told to trust
    └── NotUnderstood       valid JSON of the wrong shape, or far too much of it: trying again would change nothing
"""


class CollectorError(Exception):
    """What went wrong as a sentence, and the remedy as something to do (empty when time is the remedy)."""

    outcome = "not_understood"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class CannotReach(CollectorError):
    """The source did not answer, or not usefully; `retry_after` is the wait in seconds that it asked for, if it did."""

    outcome = "unreachable"

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class Interrupted(CannotReach):
    """The run was asked to end before the source had told all; the name is what `gaps` knows it by."""


class Throttled(CannotReach):
    """The source answered 429 or its like."""

    outcome = "throttled"


class BadAnswer(CannotReach):
    """The source answered, but with an error of its own or a body that cannot be read."""


class WebPage(BadAnswer):
    """The source answered 200 with a page for people; `page` is its text, which may hold anything."""

    def __init__(self, message: str, page: str = "") -> None:
        super().__init__(message)
        self.page = page


class NotAuthorised(CollectorError):
    """The source refused us, or we have nothing to show it.

    With `retry_after`, in seconds, there is no use in asking sooner unless a human has changed something. `location` is
    where a redirect wanted to send us.
    """

    outcome = "not_authorised"

    def __init__(self, message: str, remedy: str = "", retry_after: float | None = None,
                 location: str | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after
        self.location = location


class NotTrusted(NotAuthorised):
    """The source's certificate is not the one we were told to trust."""


class NotUnderstood(CollectorError):
    """The source answered readably, but not in a form we know; `status` is its HTTP status if that was the trouble."""

    def __init__(self, message: str, remedy: str = "", status: int | None = None) -> None:
        super().__init__(message, remedy)
        self.status = status
