"""secrets.yaml as frozen types, and which of its texts must never be seen anywhere else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Shorter texts are too common: masking every "1" or "on" would make logs unreadable and protect nothing.
SHORTEST_SECRET = 4
NOT_SECRET = frozenset({
    "bridge_id", "bridge_ip", "certificate_fingerprint", "domain", "from", "location", "provider", "security",
    "smtp_host", "smtp_port", "to", "username",
})


@dataclass(frozen=True, repr=False)
class Email:
    """The section `email`: how to send a mail when a human is needed."""

    smtp_host: str
    from_address: str = field(metadata={"key": "from"})
    to: tuple[str, ...]
    smtp_port: int = field(default=0, metadata={"range": (1, 65_535)})  # 0, which is no port: the one of `security`
    security: str = field(default="starttls", metadata={"choices": ("starttls", "tls", "none")})
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # RFC 8314, section 3.3: 465 where TLS comes first, 587 where it is asked for.
        if self.smtp_port == 0:
            object.__setattr__(self, "smtp_port", 465 if self.security == "tls" else 587)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that do not go together, each with a sentence."""
        if self.username and not self.password:
            yield "password", "is missing, though there is a username"
        if self.password and not self.username:
            yield "username", "is missing, though there is a password"


@dataclass(frozen=True, repr=False)
class Secrets:
    """secrets.yaml, checked; `values` and `logins` are what has to be masked wherever text leaves the program."""

    path: Path
    found: bool
    sections: Mapping[str, Any] = field(repr=False)
    values: tuple[str, ...] = field(repr=False)
    logins: tuple[tuple[str, str], ...] = field(repr=False)
    email: Email | None = None
    warnings: tuple[str, ...] = ()


def values(document: Mapping[object, object]) -> tuple[str, ...]:
    """Return every secret text of every section, known or not: the longest first, for one may contain another."""
    found = {text for section in document.values() for text in _texts(section)}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def logins(document: object) -> tuple[tuple[str, str], ...]:
    """Return the pairs of username and password, which travel together as one base64 text."""
    return tuple(_pairs(document))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = [each for key, each in value.items() if key not in NOT_SECRET]
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and len(value) >= SHORTEST_SECRET:
        yield value


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        username, password = value.get("username"), value.get("password")
        if isinstance(username, str) and isinstance(password, str):
            yield username, password
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _pairs(each)
