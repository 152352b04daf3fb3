"""Exchanges the refresh token for session cookies, as the Alexa app does.

Form and answer as in alexa-cookie-cli (adn77, README, 2026-08) and thorsten-gehrig/alexa-remote-control. How Amazon
answers a dead token is undocumented; a refusing status or an answer without cookies is taken for that.
"""

import re
from collections.abc import Mapping
from typing import NoReturn

from collectors.amazon_aqm.addresses import Hosts
from collectors.amazon_aqm.queries import objects, part, short_message
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotUnderstood
from runtime.http_client import HttpClient, JsonResponse, Request

APP = "Amazon Alexa"
OTHER_SITE = "set collectors.amazon_aqm.domain in config.yaml to the Amazon site of the account's own country"
COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]+=[!-:<-~]*", re.ASCII)


def exchange(http: HttpClient, hosts: Hosts, refresh_token: str, timeout_seconds: float,
             share: float = 1.0) -> JsonResponse:
    form = {"app_name": APP, "requested_token_type": "auth_cookies", "source_token_type": "refresh_token",
            "source_token": refresh_token, "domain": f".{hosts.site}"}
    try:
        return http.fetch_json(Request(
            f"{hosts.www}/ap/exchangetoken/cookies", timeout_seconds, method="POST", form=form, compressed=True,
            headers={"x-amzn-identity-auth-domain": f"api.{hosts.site}"}, share=share, retry_on=(CannotReach,),
            operation="exchange", endpoint="exchangetoken", check=lambda document: _check(document, hosts.site)))
    except NotUnderstood as error:
        if error.status != 400:
            raise
        raise NotAuthorised("the refresh token was rejected (HTTP 400): it has expired or was revoked") from None
    except NotAuthorised as error:
        raise_refusal(error)


def raise_refusal(error: NotAuthorised) -> NoReturn:
    """Raise BadAnswer for a redirect elsewhere than to the sign-in, else the refusal."""
    if error.location is None:
        raise error
    if "signin" in error.location.casefold():
        raise NotAuthorised(str(error)) from None
    raise BadAnswer(str(error), error.remedy) from None


def issued_cookies(document: object, site: str) -> dict[str, str]:
    tokens = part(part(document, "response"), "tokens")
    cookies = {}
    for cookie in objects(part(tokens, "cookies"), f".{site}"):
        match cookie:
            case {"Name": str(name), "Value": str(value)}:
                cookies[name] = value
    return valid_cookies(cookies)


def valid_cookies(cookies: Mapping[str, object]) -> dict[str, str]:
    """Return the cookies that a header can hold, without the quotes around some values."""
    bare = {name: value.strip().strip('"') for name, value in cookies.items() if isinstance(value, str)}
    return {name: value for name, value in bare.items() if COOKIE.fullmatch(f"{name}={value}")}


def _check(document: object, site: str) -> None:
    if not isinstance(document, dict):
        raise NotUnderstood("Amazon's answer to the token exchange is no JSON object")
    error = part(part(document, "response"), "error")
    if error.get("code") == "ServerError":
        raise BadAnswer("Amazon reports an internal error")
    if not issued_cookies(document, site):
        message = short_message(error.get("message"))
        raise NotAuthorised(message) if message else NotAuthorised(f"Amazon sent no cookies for {site}", OTHER_SITE)
