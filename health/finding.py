"""What the health check asks of storage: each question a generator, which leaves no trace behind.

It yields, in the order of its work, what it is about to do (a text, told if it never gets any further) and what it has
found (a `Finding`). Nothing here prints or stops at the first trouble.

    database.py     is it sound, can it be written, how large is its -wal
    silence.py      which device has told nothing for too long
    folder.py       the disk, the readings that wait in the spool, the files that ask for a human
"""

from collections.abc import Iterator
from typing import NamedTuple

LEVELS = ("skipped", "pass", "warn", "fail", "critical")


class Finding(NamedTuple):
    """What was found as a sentence, how bad it is (one of LEVELS), and the exact command or key that helps.

    `figures` are numbers for whoever draws curves of them, as monitoring plugins write them:
    `'label'=value[unit];[warn];[fail]`.
    """

    level: str
    sentence: str
    remedy: str = ""
    figures: tuple[str, ...] = ()


Findings = Iterator[Finding | str]
