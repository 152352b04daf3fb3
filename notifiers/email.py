"""E-mail over SMTP. With `starttls` nothing is sent before the connection is encrypted."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifiers import Message, NotifierSettings
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotUnderstood

if TYPE_CHECKING:
    from smtplib import SMTP

log = logging.getLogger(__name__)

GREETING = "[127.0.0.1]"  # smtplib would look up this machine's name in DNS


@dataclass(frozen=True, repr=False)
class Settings(NotifierSettings):
    """The section `email` of secrets.yaml."""

    smtp_host: str
    from_address: str = field(metadata={"key": "from"})
    to: tuple[str, ...]
    smtp_port: int = field(default=0, metadata={"range": (1, 65_535)})  # 0: the port of `security`
    security: str = field(default="starttls", metadata={"choices": ("starttls", "tls", "none")})
    username: str | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        # RFC 8314, section 3.3: 465 where TLS comes first, 587 where it is asked for.
        if self.smtp_port == 0:
            object.__setattr__(self, "smtp_port", 465 if self.security == "tls" else 587)

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.username and not self.password:
            yield "password", "is missing, though there is a username"
        if self.password and not self.username:
            yield "username", "is missing, though there is a password"


def notify(settings: Settings, message: Message, deadline: Deadline) -> None:
    """Send the message to all recipients. Raise CannotReach, or NotUnderstood for an invalid address."""
    try:
        refused = _send(settings, message, deadline)
    except OSError as error:  # as smtplib's errors are
        raise CannotReach(f"{settings.smtp_host}: {type(error).__name__}: {error}") from error
    except (ValueError, LookupError, AttributeError) as error:  # for an invalid address
        raise NotUnderstood(f"an address for e-mail is invalid: {type(error).__name__}: {error}") from error
    if refused:
        log.warning("%s takes no e-mail for %s", settings.smtp_host, ", ".join(refused))


def _send(settings: Settings, message: Message, deadline: Deadline) -> list[str]:
    """Return the recipients that the server refused."""
    from email.message import EmailMessage
    from email.utils import format_datetime, make_msgid, parseaddr
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = message.subject, settings.from_address, ", ".join(settings.to)
    if message.sent_at:
        mail["Date"] = format_datetime(message.sent_at)
    # Of the sender's domain: make_msgid would look up this machine's name in DNS.
    mail["Message-ID"] = make_msgid(domain=parseaddr(settings.from_address)[1].rpartition("@")[2] or "localhost")
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no one's out-of-office answers it
    mail.set_content(message.text)
    with _connect(settings, max(deadline.remaining(), 0.1)) as server:
        if settings.username and settings.password:
            server.login(settings.username, settings.password)
        return list(server.send_message(mail))


def _connect(settings: Settings, seconds: float) -> "SMTP":
    import smtplib
    import ssl
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, GREETING, timeout=seconds,
                                context=ssl.create_default_context())
    server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, GREETING, timeout=seconds)
    try:
        if settings.security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except (OSError, ValueError):
        server.close()
        raise
    return server
