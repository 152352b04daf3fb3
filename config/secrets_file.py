"""The section `email` of secrets.yaml."""

from collections.abc import Iterator
from dataclasses import dataclass, field


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
