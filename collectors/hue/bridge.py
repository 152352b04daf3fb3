"""The Hue Bridge as an HTTP server at one address.

Errors come as HTTP 200 with a JSON list, `[{"error": {"type": 1, "description": "unauthorized user"}}]`; success is an
object. Finding a bridge that has moved is left to lookup.py.
"""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from collectors.hue.address import base_address, is_address, normal_id
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.http_client import HttpClient, JsonResponse, Request
from runtime.tls import Trust

if TYPE_CHECKING:
    from collectors.hue import Secrets, Settings
    from storage.state import State

log = logging.getLogger(__name__)

PAIR = "python devices.py pair hue"
INTRODUCE = f"{PAIR} if this bridge is ours now, else set collectors.hue.bridge_ip in config.yaml to ours"
FIND_IT = "see that the bridge has power and network, or set collectors.hue.bridge_ip in config.yaml to its address"
LONGEST_QUOTE = 80  # characters of a bridge's error description
KNOWN_ADDRESS_SHARE = 0.6  # of the time; the rest is for looking up a bridge that has moved


class ButtonNotPressed(RemoteError):
    """The link button has to be pressed first."""


# https://developers.meethue.com/develop/hue-api/error-messages/
ERRORS: Mapping[int, tuple[type[RemoteError], str]] = {
    1: (NotAuthorised, "the bridge refuses our key"),
    101: (ButtonNotPressed, "the bridge's button was not pressed"),
    901: (BadAnswer, "the bridge reports an internal error ({})"),
}


class Bridge(NamedTuple):
    """One bridge at one address (scheme and host; empty if unknown).

    `bridge_id` is the expected id, `configured` the configured address, `share` the part of the time left that requests
    may take. `in_full` fetches the full configuration at once, for the baseline.
    """

    http: HttpClient
    address: str
    key: str
    bridge_id: str | None
    trust: Trust | None
    timeout_seconds: float
    configured: str | None = None
    share: float = 1.0
    in_full: bool = False

    def fetch_sensors(self) -> JsonResponse:
        """Return all sensors by number; if they are unreadable, from the full configuration.

        That is some three times larger and holds other people's keys: it is neither stored nor logged.
        """
        if self.in_full:
            return self._fetch_configuration()
        try:
            return self.http.fetch_json(self._request(f"/api/{self.key}/sensors", "/sensors")._replace(
                check=_check_sensors))
        except (BadAnswer, NotUnderstood) as error:
            if isinstance(error, BadAnswer) and (error.retry_after or 0) > self.timeout_seconds:
                raise  # it asked us to wait
            log.warning("falling back to the full configuration: %s", error)
        return self._fetch_configuration()

    def fetch_id(self) -> str | None:
        """Return the id of the bridge at this address, None for other servers. Does not reveal the key."""
        try:
            document = self.http.fetch_json(self._request("/api/config", "/config")).document
        except NotAuthorised as error:
            raise with_remedy(error) from None
        return normal_id(document.get("bridgeid")) if isinstance(document, dict) else None

    def verify_id(self) -> None:
        """Raise NotTrusted for another bridge that accepts our key, over http, where no certificate proves the id."""
        if self.bridge_id is not None and self.address.startswith("http://") and self.fetch_id() != self.bridge_id:
            raise NotTrusted(f"another bridge than {self.bridge_id} is at {self.address}", INTRODUCE)

    def register(self, device_type: str) -> str:
        """Return a new key. Raise ButtonNotPressed until the button is pressed."""
        answer = self.http.fetch_json(Request(
            f"{self.address}/api", self.timeout_seconds, method="POST", body={"devicetype": device_type},
            trust=self.trust, retry_on=(), check=_check_errors))
        match answer.document:
            case [{"success": {"username": str(key)}}, *_]:
                return key
        raise NotUnderstood(f"{self.address} did not answer with a key")

    def _fetch_configuration(self) -> JsonResponse:
        self.http.tally.endpoint = "fallback"
        answer = self.http.fetch_json(self._request(f"/api/{self.key}", "/")._replace(check=_check_configuration))
        assert isinstance(answer.document, dict)
        return JsonResponse(answer.document["sensors"], answer.date)

    def _request(self, path: str, endpoint: str) -> Request:
        return Request(self.address + path, self.timeout_seconds, trust=self.trust, endpoint=endpoint,
                       share=self.share, check=_check_errors)


def connect(settings: "Settings", secrets: "Secrets", http: HttpClient, state: "State", in_full: bool) -> Bridge:
    """Return the bridge where it was found last time, else at the configured address."""
    if secrets.api_key is None:
        raise NotAuthorised("there is no hue.api_key in secrets.yaml", PAIR)
    bridge_id = _expected_id(settings, secrets)
    configured = settings.bridge_ip or secrets.bridge_ip
    trust = _trust(settings, secrets, bridge_id)
    match state.get("bridge"):
        case {"configured": remembered, "found": str(address)} if remembered == configured and is_address(address):
            pass
        case _:
            address = configured and base_address(configured) or ""
            state.pop("bridge", None)
    can_look_up = bridge_id is not None and settings.discovery_url is not None
    return Bridge(http, trusted(address, trust), secrets.api_key, bridge_id, trust, settings.timeout_seconds,
                  configured, KNOWN_ADDRESS_SHARE if can_look_up else 1.0, in_full)


def trusted(address: str, trust: Trust | None) -> str:
    if trust is None and address.startswith("https://"):
        raise NotAuthorised("no fingerprint or certificate authority identifies the bridge at " + address,
                            f"{PAIR} (or, for a bridge without https, write its bridge_ip as http://...)")
    return address


def with_remedy(error: RemoteError) -> RemoteError:
    remedies = {NotTrusted: INTRODUCE, NotAuthorised: PAIR, CannotReach: FIND_IT}
    error.remedy = error.remedy or remedies.get(type(error), "")
    return error


def _expected_id(settings: "Settings", secrets: "Secrets") -> str | None:
    ids = {normal_id(bridge_id) for bridge_id in (settings.bridge_id, secrets.bridge_id) if bridge_id}
    if len(ids) > 1:
        raise NotAuthorised("config.yaml and secrets.yaml name two different bridges",
                            "remove collectors.hue.bridge_id or hue.bridge_id")
    return ids.pop() if ids else None


def _trust(settings: "Settings", secrets: "Secrets", bridge_id: str | None) -> Trust | None:
    """Trust Signify's authority if its file exists, else the fingerprint."""
    if bridge_id is not None and os.path.exists(settings.ca_file):  # False too where access is denied
        return Trust(ca_file=settings.ca_file, common_name=bridge_id)
    fingerprint = settings.certificate_fingerprint or secrets.certificate_fingerprint
    return Trust(fingerprint=fingerprint.replace(":", "").lower()) if fingerprint else None


def _check_sensors(document: object) -> None:
    _check_errors(document)
    if not isinstance(document, dict):
        raise NotUnderstood("the bridge's sensors are no JSON object")


def _check_configuration(document: object) -> None:
    _check_errors(document)
    if not isinstance(document, dict) or not isinstance(document.get("sensors"), dict):
        raise NotUnderstood("the bridge's configuration holds no JSON object of sensors")


def _check_errors(document: object) -> None:
    match document:
        case [{"error": {"type": int(code), **rest}}, *_] if code is not True:
            error, message = ERRORS.get(code, (NotUnderstood, f"the bridge answers with error {code} ({{}})"))
            raise error(message.format(_quotable(rest.get("description"))))


def _quotable(description: object) -> str:
    """Return a short description; a longer one might be cut inside a key, which would then escape redaction."""
    from runtime.formats import one_line
    text = one_line(description, 2 * LONGEST_QUOTE) or ""
    return text if 0 < len(text) <= LONGEST_QUOTE else "no short reason given"
