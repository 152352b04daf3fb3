"""Asks the bridge to delete our key. Newer bridges refuse that to programs; the user's account can do it.

https://developers.meethue.com/develop/hue-api/7-configuration-api/ (behind a log-in), section 7.4.
"""

from typing import TYPE_CHECKING

from collectors.hue.bridge import Bridge, connect
from collectors.hue.lookup import locate
from runtime.errors import CannotReach, NotAuthorised, NotTrusted
from runtime.http_client import HttpClient, Request

if TYPE_CHECKING:
    from collectors.hue import Secrets, Settings
    from storage.state import State

BY_HAND = ("remove home-monitor yourself, at https://account.meethue.com/apps or by resetting the bridge; "
           "then remove hue from secrets.yaml")
KEY_REFUSED = 1  # https://developers.meethue.com/develop/hue-api/error-messages/


def delete_key(settings: "Settings", secrets: "Secrets", http: HttpClient, state: "State") -> str:
    """Delete our key on the bridge; return the result. Raise NotAuthorised if the bridge does not let us."""
    bridge = connect(settings, secrets, http, state)
    try:
        return _delete_anywhere(bridge, settings, state)
    except NotAuthorised as error:
        error.remedy = BY_HAND
        raise


def _delete_anywhere(bridge: Bridge, settings: "Settings", state: "State") -> str:
    try:
        if not bridge.address:
            raise CannotReach("the address of the bridge is unknown")
        return _delete(bridge)
    except (CannotReach, NotTrusted) as error:
        bridge, _ = locate(bridge, settings, state, error)
    return _delete(bridge)


def _delete(bridge: Bridge) -> str:
    bridge.verify_id()
    match _fetch(bridge, "DELETE", f"/config/whitelist/{bridge.key}", "/config/whitelist"):
        case [{"success": _}, *_]:
            return f"The bridge at {bridge.address} has deleted our key."
        case [{"error": {"type": int(code)}}, *_] if code == KEY_REFUSED and _refuses_key(bridge):
            return f"The bridge at {bridge.address} had deleted our key before."
    raise NotAuthorised(f"the bridge at {bridge.address} does not let programs delete keys")


def _refuses_key(bridge: Bridge) -> bool:
    """Return whether the key cannot even read, as a bridge may refuse its deletion with the same error."""
    match _fetch(bridge, "GET", "/sensors", "/sensors"):
        case [{"error": {"type": int(code)}}, *_]:
            return code == KEY_REFUSED
    return False


def _fetch(bridge: Bridge, method: str, path: str, endpoint: str) -> object:
    return bridge.http.fetch_json(Request(
        f"{bridge.address}/api/{bridge.key}{path}", bridge.timeout_seconds, method=method, trust=bridge.trust,
        share=bridge.share, operation="unpair", endpoint=endpoint)).document
