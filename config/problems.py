"""What is said about a file that a human must correct: one error for all of its problems, and how it names things.

Messages travel into logs, terminals and e-mails. So nothing is quoted raw or at length, and nothing at all is quoted
of a private file: there, a value pasted in the wrong place may be a key or a password.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import HomeMonitorError

LENGTH_LIMIT = 60
PLAIN_KEY = re.compile(r"[\w.:-]{1,60}")
HARMLESS_KEY = re.compile(r"[a-z][a-z_-]{0,30}")


class ConfigurationError(HomeMonitorError):
    """All that is wrong with one file: a line per problem, and the remedy as something to do."""

    exit_code = 2

    def __init__(self, path: Path, problems: Iterable[str], remedy: str) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{path}: {'; '.join(self.problems)}", remedy)


def shown(value: object) -> str:
    """Return a value as its file has it, on one line and not at length."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a mapping"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # Python refuses to print integers of more than 4 300 digits, and a hexadecimal one may be that long.
    if isinstance(value, int) and abs(value) > 10 ** LENGTH_LIMIT:
        return "a very large number"
    return _shortened(repr(value))


def named(key: object, private: bool = False) -> str:
    """Return a key as it may be printed; in a private file only one that cannot be a secret itself."""
    text = key if isinstance(key, str) else shown(key)
    if private:
        return text if HARMLESS_KEY.fullmatch(text) else "(a key not shown here)"
    return text if PLAIN_KEY.fullmatch(text) else _shortened(repr(text))


def unknown(key: object, known: Iterable[str], private: bool = False) -> str:
    """Return the sentence about a key that nobody reads, with the nearest one that somebody does."""
    from difflib import get_close_matches  # Slow to import, and a right file never needs it.

    name = named(key, private)
    nearest = get_close_matches(name, list(known), n=1)
    return "unknown key, ignored" + (f"; did you mean {nearest[0]}?" if nearest else "")


def _shortened(text: str) -> str:
    return text if len(text) <= LENGTH_LIMIT else text[:LENGTH_LIMIT] + "…"
