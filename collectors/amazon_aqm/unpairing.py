"""Unpairing: the device that pairing has registered in the Amazon account is deregistered, which revokes its tokens.

There is no official documentation; requests as in Audible (auth.py and register.py, mkb79, 2026): the refresh token is
exchanged for an access token, which deregisters its own device only.
"""

from typing import TYPE_CHECKING

from collectors.amazon_aqm.addresses import HEADERS, Hosts, hosts
from collectors.amazon_aqm.login import APP
from collectors.amazon_aqm.queries import part
from collectors.amazon_aqm.refusals import DeadToken, check_refusing_page, check_token_refusal
from runtime.errors import NotAuthorised, NotTrusted, NotUnderstood
from runtime.http_client import HttpClient, Request

if TYPE_CHECKING:
    from collectors.amazon_aqm import Secrets, Settings

DEVICE = "Home temperature monitoring"
GONE = "Amazon had revoked our login before."


def deregister(settings: "Settings", secrets: "Secrets", http: HttpClient) -> str:
    """Deregister our device; return the result. Raise NotAuthorised if Amazon refuses."""
    if not secrets.refresh_token:
        return "Amazon has no device to deregister; the cookies expire within a day."
    account = hosts(settings, secrets.domain)
    try:
        token = _access_token(account, secrets.refresh_token, http, settings.timeout_seconds)
    except DeadToken:
        return GONE
    except NotTrusted:
        raise
    except (NotAuthorised, NotUnderstood) as error:
        raise NotAuthorised(f"Amazon does not let us deregister our device ({error})", _by_hand(account)) from None
    http.learn_secrets([token])
    try:
        answer = http.fetch_json(Request(
            f"{account.api}/auth/deregister", settings.timeout_seconds, method="POST",
            body={"deregister_all_existing_accounts": False},
            headers={**HEADERS, "Authorization": f"Bearer {token}", "x-amz-access-token": token},
            operation="deregister", endpoint="deregister", check_refusal=check_refusing_page))
    except NotTrusted:
        raise
    except (NotAuthorised, NotUnderstood) as error:
        raise NotAuthorised(f"Amazon does not deregister our device ({error})", _by_hand(account)) from None
    if "success" not in part(answer.document, "response"):
        raise NotAuthorised("Amazon does not confirm that our device is deregistered", _by_hand(account))
    return "Amazon has deregistered our device."


def _access_token(account: Hosts, refresh_token: str, http: HttpClient, timeout_seconds: float) -> str:
    form = {"app_name": APP, "app_version": "2.2.663733.0", "source_token": refresh_token,
            "source_token_type": "refresh_token", "requested_token_type": "access_token"}
    answer = http.fetch_json(Request(
        f"{account.api}/auth/token", timeout_seconds, method="POST", form=form, headers=HEADERS,
        operation="exchange", endpoint="token", check_refusal=check_token_refusal))
    token = answer.document.get("access_token") if isinstance(answer.document, dict) else None
    if not isinstance(token, str) or not token:
        raise NotAuthorised("Amazon sent no access token")
    return token


def _by_hand(account: Hosts) -> str:
    return (f"at https://www.{account.site}/mycd open Devices, choose {DEVICE!r} and deregister it; "
            "then remove amazon_aqm from secrets.yaml")
