"""Calls a human: the alert file that stands while one is needed, and the e-mails that go with it.

One e-mail when an alert is raised and one when it clears, never one per cycle. E-mail is a courtesy: where it is not
configured, or its server fails, the file is there all the same, and the trouble is a line in the log.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime.deadline import Deadline, time_limit
from runtime.errors import HomeMonitorError
from runtime.formats import format_time
from storage import alert_files as alerts
from storage.alert_files import Alert

if TYPE_CHECKING:
    from smtplib import SMTP

    from config import Email

log = logging.getLogger(__name__)

SENDING_SECONDS = 4.0
GREETING = "[127.0.0.1]"  # as smtplib greets from a machine without a name in DNS, but without asking for the name

Redactor = Callable[[str], str]


class Desk(NamedTuple):
    """Where one cycle's calls are made: whose it is, when, and with whose e-mail."""

    folder: Path
    collector: str
    now: datetime
    email: "Email | None"
    mask: Redactor
    deadline: Deadline

    def settle(self, about: tuple[str, str], what: str, error: Exception | None, kind: type[HomeMonitorError]) -> None:
        """Raise the alert (file name and address of help) for an error of that kind, clear it where there is none.

        An error of another kind tells nothing about whether a human is still needed.
        """
        name, url = about
        path, seconds = self.folder / name, max(0.1, self.deadline.remaining())
        if isinstance(error, kind):
            now = format_time(self.now)
            call(path, Alert(
                occurrences=1, sentence=f"The home monitor needs a human: {error}.", raised_at=now, last_seen_at=now,
                collector=self.collector, error=str(error), remedy=error.remedy, url=url),
                self.email, self.mask, seconds)
        elif error is None:
            call_off(path, what, self.email, self.mask, seconds)


def call(path: Path, alert: Alert, email: "Email | None", mask: Redactor, seconds: float = SENDING_SECONDS) -> None:
    """Raise the alert, or count it on if it stands; mail it if it is new. Nothing is raised into the cycle."""
    alert = alert._replace(sentence=mask(alert.sentence), error=mask(alert.error), remedy=mask(alert.remedy))
    try:
        is_new = alerts.raise_alert(path, alert)
    except OSError as error:
        log.critical("cannot write the alert %s: %s", path.name, error.strerror)
        return
    if is_new:
        log.critical("alert raised: %s", path.name)
        text = alert.text()
        _mail(email, text.partition("\n")[0], text, mask, seconds)


def call_off(path: Path, what: str, email: "Email | None", mask: Redactor, seconds: float = SENDING_SECONDS) -> None:
    """Clear the alert if there is one, and mail that it is over."""
    try:
        stood = alerts.clear(path)
    except OSError as error:
        log.error("cannot remove the alert %s: %s", path.name, error.strerror)
        return
    if stood:
        log.info("alert cleared: %s", path.name)
        text = f"{what} works again. {path.name} has been removed.\n"
        _mail(email, f"Home monitor: {what} is well again", text, mask, seconds)


def _mail(email: "Email | None", subject: str, text: str, mask: Redactor, seconds: float) -> None:
    if email is None:
        log.debug("no e-mail is sent: secrets.yaml has no section email")
        return
    try:
        with time_limit(min(seconds, SENDING_SECONDS)):
            send(email, mask(subject), mask(text))
    except (OSError, ValueError, LookupError, AttributeError) as error:  # the last two tell of an address that is none
        log.error("no e-mail could be sent by %s: %s: %s", email.smtp_host, type(error).__name__, mask(str(error)))
    else:
        log.info("an e-mail was sent: %s", mask(subject))


def send(email: "Email", subject: str, text: str) -> None:
    """Send one plain message. Raise OSError (smtplib's errors are such) where the server cannot be reached or refuses.

    For an address that is none Python's e-mail package raises ValueError, LookupError or AttributeError.
    """
    from email.message import EmailMessage
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, email.from_address, ", ".join(email.to)
    message.set_content(text)
    with _connect(email) as server:
        if email.username and email.password:
            server.login(email.username, email.password)
        refused = server.send_message(message)
    if refused:
        log.warning("%s takes no e-mail for %s", email.smtp_host, ", ".join(refused))


def _connect(email: "Email") -> "SMTP":
    """Return a connection secured as configured; with starttls nothing is sent in the clear."""
    import smtplib
    import ssl
    if email.security == "tls":
        return smtplib.SMTP_SSL(email.smtp_host, email.smtp_port, GREETING, timeout=SENDING_SECONDS,
                                context=ssl.create_default_context())
    server = smtplib.SMTP(email.smtp_host, email.smtp_port, GREETING, timeout=SENDING_SECONDS)
    try:
        if email.security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except (OSError, ValueError):
        server.close()
        raise
    return server
