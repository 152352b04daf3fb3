"""The exchange of the refresh token for session cookies, as the Alexa app makes it.

Form and answer as in alexa-cookie-cli (adn77, README, 2026-08) and thorsten-gehrig/alexa-remote-control. What Amazon
says to a token that is dead is not known to anybody; a refusal by status, or no cookies, is taken for that.
"""

import re
from collections.abc import Mapping

from collectors.amazon_aqm.addresses import Hosts
from collectors.amazon_aqm.queries import brief, objects, part
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.http_client import HttpClient, JsonResponse, Request

APP = "Amazon Alexa"
OTHER_SITE = "set collectors.amazon_aqm.domain in config.yaml to the Amazon site of the account's own country"
COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]+=[!-:<-~]*", re.ASCII)


def exchange(http: HttpClient, hosts: Hosts, refresh_token: str, timeout_seconds: float, share: float = 1.0) -> JsonResponse:
    """Return Amazon's answer, which holds cookies for our site. Raise NotAuthorised if the token is refused."""
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
        raise NotAuthorised("the refresh token is no longer taken (HTTP 400): it has expired or was revoked") from None
    except NotTrusted:
        raise
    except NotAuthorised as error:
        raise meaning(error) from None


def meaning(error: NotAuthorised) -> RemoteError:
    """Return what a refusal comes to: being sent anywhere but to the sign-in (maintenance, say) says nothing of us."""
    if error.location is None:
        return error
    if "signin" in error.location.casefold():
        return NotAuthorised(str(error))
    return BadAnswer(str(error), error.remedy)


def issued(document: object, site: str) -> dict[str, str]:
    """Return the cookies for a site among those that an answer holds, by name."""
    tokens = part(part(document, "response"), "tokens")
    cookies = {}
    for each in objects(part(tokens, "cookies"), f".{site}"):
        match each:
            case {"Name": str(name), "Value": str(value)}:
                cookies[name] = value
    return fit(cookies)


def fit(cookies: Mapping[str, object]) -> dict[str, str]:
    """Return the cookies that a header can hold. Some values come in quotes, which are not theirs."""
    bare = {name: value.strip().strip('"') for name, value in cookies.items() if isinstance(value, str)}
    return {name: value for name, value in bare.items() if COOKIE.fullmatch(f"{name}={value}")}


def _check(document: object, site: str) -> None:
    """Raise what an answer without cookies for our site means."""
    if not isinstance(document, dict):
        raise NotUnderstood("the exchange of our token for cookies was answered with no JSON object")
    error = part(part(document, "response"), "error")
    if error.get("code") == "ServerError":
        raise BadAnswer("Amazon reports an internal error")
    if not issued(document, site):
        said = brief(error.get("message"))
        raise NotAuthorised(said) if said else NotAuthorised(f"no cookies for {site} came in exchange", OTHER_SITE)
