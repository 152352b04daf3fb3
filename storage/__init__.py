"""What outlives a cycle: the database, the device registry, the small files beside them.

It imports nothing else of this project, knows nothing of networks, and never asks what time it is.

Its errors are named by what can be done next:

    StorageError
    ├── Unavailable     the next cycle may mend it: disk full, an I/O error
    │   └── Busy        another process holds the database: wait and try again
    └── Unusable        a human is needed: newer than the program, not permitted, gone, the spool full
        └── Damaged     the file is no database, or none of ours any more: another one has to take its place
"""


class StorageError(Exception):
    """What went wrong as a sentence, and the remedy as something to do (empty when time is the remedy)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Unavailable(StorageError):
    """Nothing can be stored now; nothing is wrong with what is stored."""


class Busy(Unavailable):
    """Another process holds the database; a moment's wait may be enough."""


class Unusable(StorageError):
    """Nothing can be stored until a human has acted."""


class Damaged(Unusable):
    """The file is no database, or has not the form it should have: another one has to take its place."""
