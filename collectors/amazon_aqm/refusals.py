"""What Amazon's refusals mean: a dead login, a page for people, a firewall, throttling, or an internal error."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from collectors.amazon_aqm.queries import part
from runtime.errors import BadAnswer, NotAuthorised, Throttled

if TYPE_CHECKING:
    from runtime.http_client import JsonResponse

THROTTLED = re.compile(r"TOO_MANY_REQUESTS|Throttling|rate exceeded|too many requests", re.IGNORECASE)
TRANSIENT = re.compile(r"server|internal|unavailable|throttl", re.IGNORECASE)  # error codes of an exchange
DEAD_TOKEN = re.compile(r"invalid_?token|invalid_?grant|credential|tokens? (?:is|are|has|was)\b", re.IGNORECASE)
SIGN_IN = re.compile(r"<form[^<>]{0,500}?(?:/ap/signin|sign-?in)|id=[\"']?ap_email|<title>[^<]{0,200}sign[ -]?in",
                     re.IGNORECASE)
VERIFICATION = re.compile(r"/ap/(?:cvf|mfa|captcha)|validateCaptcha", re.IGNORECASE)
VERIFICATION_FORM = re.compile(rf"<form[^<>]{{0,500}}?(?:{VERIFICATION.pattern})", re.IGNORECASE)
SEARCHED_CHARACTERS = 65_536  # of a page


class DeadToken(NotAuthorised):
    pass


def check_page(page: str) -> None:
    """Raise NotAuthorised for a page that asks people something: others, as for maintenance, are no refusal."""
    if SIGN_IN.search(page, 0, SEARCHED_CHARACTERS):
        raise NotAuthorised("Amazon answered with the sign-in page")
    if VERIFICATION_FORM.search(page, 0, SEARCHED_CHARACTERS):
        raise NotAuthorised("Amazon asks for a verification", "sign in once at your Amazon site in a browser")


def check_refusing_page(status: int, answer: "JsonResponse") -> None:
    """Raise BadAnswer for a firewall's page."""
    if status in (401, 403) and answer.page:
        check_page(answer.page)
        raise BadAnswer(f"Amazon answered with a web page that is no sign-in (HTTP {status})")


def check_query_refusal(is_proven: bool) -> "Callable[[int, JsonResponse], None]":
    """Return a check that raises Throttled for a 400 that means it, as for a query that has worked here."""
    def check(status: int, answer: "JsonResponse") -> None:
        check_refusing_page(status, answer)
        if status == 400 and THROTTLED.search(str(answer.document)):
            raise Throttled("the Alexa cloud is rate-limiting us (HTTP 400)")
        if status == 400 and is_proven:
            raise Throttled("the Alexa cloud rejects a query that is right (HTTP 400), as if to slow us down")
    return check


def check_token_refusal(status: int, answer: "JsonResponse") -> None:
    """Raise DeadToken if the refresh token is blamed, BadAnswer if something else failed."""
    check_refusing_page(status, answer)
    if status not in (400, 401, 403):
        return
    code, message = error_words(answer.document)
    if TRANSIENT.search(code):
        raise BadAnswer(f"Amazon reports an internal error (HTTP {status})")
    if DEAD_TOKEN.search(f"{code} {message}"):
        raise DeadToken(f"the refresh token was rejected (HTTP {status}): it has expired or was revoked")


def error_words(document: object) -> tuple[str, str]:
    """Return code and message, as the exchange has them or OAuth 2 (RFC 6749, section 5.2)."""
    flat = document if isinstance(document, dict) else {}
    error = part(part(flat, "response"), "error")
    return f"{error.get('code') or flat.get('error')}", f"{error.get('message') or flat.get('error_description')}"


def raise_refusal(error: NotAuthorised) -> NoReturn:
    """Raise BadAnswer for a redirect elsewhere than to the sign-in, else the refusal."""
    if error.location is None:
        raise error
    if "signin" in error.location.casefold():
        raise NotAuthorised(str(error)) from None
    if VERIFICATION.search(error.location):
        host = urlsplit(error.location).netloc or "www.amazon.com"
        raise NotAuthorised("Amazon asks for a verification", f"sign in once at {host} in a browser") from None
    raise BadAnswer(str(error), error.remedy) from None
