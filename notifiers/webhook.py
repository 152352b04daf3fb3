"""A webhook: the message is posted as JSON, or as plain text with a title for ntfy (https://docs.ntfy.sh/publish/).

It follows no redirect, since a redirected POST becomes a GET, and uses no proxy. The address is a secret.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from notifiers import Message, NotifierSettings
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotUnderstood
from runtime.formats import format_time


@dataclass(frozen=True, repr=False)
class Settings(NotifierSettings):
    """One section `notify.webhook` of secrets.yaml."""

    url: str
    format: str = field(default="json", metadata={"choices": ("json", "ntfy")})
    headers: dict[str, str] = field(default_factory=dict)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.url.startswith(("https://", "http://")):
            yield "url", "must be an https:// or http:// URL"


def notify(settings: Settings, message: Message, deadline: Deadline) -> None:
    """Post the message once. Raise CannotReach, or NotUnderstood if the server rejects it."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_arguments: Any) -> None:
            pass

    body, headers = _ntfy(message) if settings.format == "ntfy" else _json(message)
    request = Request(settings.url, body, {"User-Agent": "home-temperature-monitoring", **headers, **settings.headers})
    try:
        with build_opener(ProxyHandler({}), NoRedirect()).open(request, timeout=max(deadline.remaining(), 0.1)):
            return
    except HTTPError as error:
        kind = CannotReach if error.code >= 500 or error.code in (408, 429) else NotUnderstood
        raise kind(f"{request.host} answered with HTTP {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:  # from None: its text may hold the address
        raise CannotReach(f"{request.host} cannot be reached: {type(error).__name__}") from None


def _json(message: Message) -> tuple[bytes, dict[str, str]]:
    document = message._asdict() | {"sent_at": message.sent_at and format_time(message.sent_at)}
    return json.dumps(document).encode(), {"Content-Type": "application/json"}


def _ntfy(message: Message) -> tuple[bytes, dict[str, str]]:
    from email.header import Header
    title = Header(message.subject, "us-ascii" if message.subject.isascii() else "utf-8", maxlinelen=10_000).encode()
    urgent = message.event == "raised"
    return message.text.encode(), {
        "Content-Type": "text/plain; charset=utf-8", "Title": title, "Priority": "high" if urgent else "default",
        "Tags": "warning" if urgent else "white_check_mark"}
