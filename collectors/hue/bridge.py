"""The Hue Bridge as an HTTP server at one address.

Errors come as HTTP 200 with a JSON list, `[{"error": {"type": 1, "description": "unauthorized user"}}]`; success is an
object. Finding a bridge that has moved is left to lookup.py.
"""

import logging
import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.formats import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.hue import Secrets, Settings
    from runtime.http_client import HttpClient, JsonResponse, Request
    from runtime.tls import Trust
    from storage.state import State

log = logging.getLogger(__name__)

FIND_IT = "see that the bridge has power and network, or set collectors.hue.bridge_ip in config.yaml to its address"
LONGEST_QUOTE = 80  # characters of a bridge's error description
KNOWN_ADDRESS_SHARE = 0.6  # of the time; the rest is for looking up a bridge that has moved


class ButtonNotPressed(RemoteError):
    """The link button has to be pressed first."""


# https://developers.meethue.com/develop/hue-api/error-messages/
ERRORS: dict[int, tuple[type[RemoteError], str]] = {
    1: (NotAuthorised, "the bridge refuses our key"),
    101: (ButtonNotPressed, "the bridge's button was not pressed"),
    901: (BadAnswer, "the bridge reports an internal error ({})"),
}


class Bridge(NamedTuple):
    """One bridge at one address: scheme and host, empty if unknown. Requests may take that `share` of the time left."""

    http: "HttpClient"
    address: str
    key: str
    bridge_id: str | None  # that the bridge is expected to have
    trust: "Trust | None"
    timeout_seconds: float
    configured: str | None = None  # the address in config.yaml or secrets.yaml
    share: float = 1.0

    def fetch_sensors(self) -> "JsonResponse":
        """Return all sensors by number; if they are unreadable, from the full configuration."""
        request = self._request(f"/api/{self.key}/sensors", "/sensors", _check_sensors)
        try:
            return self.http.fetch_json(request)
        except (BadAnswer, NotUnderstood) as error:
            if isinstance(error, BadAnswer) and (error.retry_after or 0) > self.timeout_seconds:
                raise  # it asked us to wait
            log.warning("falling back to the full configuration: %s", error)
        return self.fetch_configuration()

    def fetch_configuration(self) -> "JsonResponse":
        """Return the same from an answer three times larger with other people's keys, neither stored nor logged."""
        self.http.tally.endpoint = "fallback"
        answer = self.http.fetch_json(self._request(f"/api/{self.key}", "/", _check_configuration))
        assert isinstance(answer.document, dict)
        return answer._replace(document=answer.document["sensors"])

    def fetch_id(self) -> str | None:
        """Return the id of the bridge at this address, None for other servers."""
        return self.fetch_ids()[0]

    def fetch_ids(self) -> tuple[str | None, str | None]:
        """Return its id and that of the bridge it replaces. Does not reveal the key."""
        try:
            document = self.http.fetch_json(self._request("/api/config", "/config")).document
        except (CannotReach, NotAuthorised) as error:
            raise with_remedy(error, self.address) from None
        values = document if isinstance(document, dict) else {}
        return normal_id(values.get("bridgeid")), normal_id(values.get("replacesbridgeid"))

    def verify_id(self) -> None:
        """Raise NotTrusted for another bridge that accepts our key, over http, where no certificate proves the id."""
        if self.bridge_id is not None and self.address.startswith("http://") and self.fetch_id() != self.bridge_id:
            raise NotTrusted(f"another bridge than {self.bridge_id} is at {self.address}", _introduce())

    def register(self, device_type: str) -> str:
        """Return a new key. Raise ButtonNotPressed until the button is pressed; deCONZ says so inside an HTTP 403."""
        request = self._request("/api", "")._replace(
            method="POST", body={"devicetype": device_type}, retry_on=(),
            check_refusal=lambda _status, answer: _check_errors(answer.document))
        match self.http.fetch_json(request).document:
            case [{"success": {"username": str(key)}}, *_]:
                return key
        raise NotUnderstood(f"{self.address} did not answer with a key")

    def _request(self, path: str, endpoint: str, check: "Callable[[object], None] | None" = None) -> "Request":
        from runtime.http_client import Request  # here: commands that only check addresses need no HTTP client
        return Request(self.address + path, self.timeout_seconds, trust=self.trust, endpoint=endpoint,
                       share=self.share, check=check or _check_errors)


def connect(settings: "Settings", secrets: "Secrets", http: "HttpClient", state: "State") -> Bridge:
    """Return the bridge where it was found last time, else at the configured address."""
    if secrets.api_key is None:
        raise NotAuthorised("there is no hue.api_key in secrets.yaml", pair_command())
    bridge_id = _expected_id(settings, secrets)
    configured = settings.bridge_ip or secrets.bridge_ip
    address = base_address(configured) if configured else ""
    trust = None if address.startswith("http://") else _trust(settings, secrets, bridge_id)
    match state.get("bridge"):
        case {"configured": remembered, "found": str(last)} if remembered == configured and is_address(last):
            address = last
        case _:
            state.pop("bridge", None)
    can_look_up = bridge_id is not None and settings.discovery_url is not None
    return Bridge(http, trusted(address, trust), secrets.api_key, bridge_id, trust, settings.timeout_seconds,
                  configured, KNOWN_ADDRESS_SHARE if can_look_up else 1.0)


def trusted(address: str, trust: "Trust | None") -> str:
    if trust is None and address.startswith("https://"):
        raise NotAuthorised("no fingerprint or certificate authority identifies the bridge at " + address,
                            f"{pair_command()} (or, for a bridge without https, write its bridge_ip as http://...)")
    return address


def pair_command(*arguments: str) -> str:
    from runtime.commands import command
    return command("devices.py", "pair", "hue", *arguments)


def _introduce() -> str:
    return f"{pair_command()} if this bridge is ours now, else set collectors.hue.bridge_ip in config.yaml to ours"


def with_remedy(error: RemoteError, address: str = "") -> RemoteError:
    find_it = FIND_IT
    if address.startswith("http://"):  # newer firmware has closed it, the Bridge Pro never had it
        find_it += f"; newer bridges speak https only: {pair_command('--bridge', 'https' + address[4:])}"
    remedies = {NotTrusted: _introduce(), NotAuthorised: pair_command(), CannotReach: find_it}
    error.remedy = error.remedy or remedies.get(type(error), "")
    return error


def base_address(text: str) -> str:
    """Given a host, host:port or URL, return scheme and host; https by default."""
    scheme, separator, rest = text.rpartition("://")
    if not separator and rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    return f"{scheme.lower() or 'https'}://{rest.rstrip('/')}"


def is_address(text: str) -> bool:
    try:
        parts = urlsplit(base_address(text))
        return (parts.scheme in ("http", "https") and bool((parts.hostname or "").encode("idna"))
                and (parts.port is None or parts.port > 0) and not parts.path and not re.search(r"[\s\\%?#@]", text)
                and _is_name_or_full_ip(parts.hostname or ""))
    except ValueError:
        return False


def normal_id(text: object) -> str | None:
    """Return a bridge id as in its certificate: 16 digits, from the MAC's 12 if `fffe` is missing; else None."""
    digits = text.lower() if isinstance(text, str) else ""
    if re.fullmatch(r"[0-9a-f]{12}", digits):
        digits = f"{digits[:6]}fffe{digits[6:]}"
    return digits if re.fullmatch(r"[0-9a-f]{16}", digits) else None


def _expected_id(settings: "Settings", secrets: "Secrets") -> str | None:
    ids = [normal_id(bridge_id) for bridge_id in (settings.bridge_id, secrets.bridge_id) if bridge_id]
    if len({*ids}) > 1:
        raise NotAuthorised(f"collectors.hue.bridge_id in config.yaml is {ids[0]}, hue.bridge_id in secrets.yaml is {ids[1]}",
                            "remove the wrong one of the two")
    return ids[0] if ids else None


def _trust(settings: "Settings", secrets: "Secrets", bridge_id: str | None) -> "Trust | None":
    """Trust Signify's authority if its file exists, else the fingerprint."""
    is_signed = bridge_id is not None and os.path.exists(settings.ca_file)  # False too where access is denied
    fingerprint = (settings.certificate_fingerprint or secrets.certificate_fingerprint or "").replace(":", "").lower()
    if not is_signed and not fingerprint:
        return None
    from runtime.tls import Trust  # here: not needed over http
    return Trust(settings.ca_file, bridge_id) if is_signed else Trust(fingerprint=fingerprint)


def _check_sensors(document: object) -> None:
    _check_errors(document)
    if not isinstance(document, dict):
        raise NotUnderstood("the bridge's sensors are no JSON object")


def _check_configuration(document: object) -> None:
    _check_errors(document)
    _check_sensors(document.get("sensors") if isinstance(document, dict) else None)


def _check_errors(document: object) -> None:
    match document:
        case [{"error": {"type": int(code), **rest}}, *_] if code is not True:
            reason = one_line(rest.get("description"), 2 * LONGEST_QUOTE) or ""
            if not 0 < len(reason) <= LONGEST_QUOTE:  # cut inside a key, the rest of it would escape redaction
                reason = "no short reason given"
            error, message = ERRORS.get(code, (NotUnderstood, f"the bridge answers with error {code} ({{}})"))
            raise error(message.format(reason))


def _is_name_or_full_ip(host: str) -> bool:
    """Return False for invalid IPv4 addresses such as 192.168.1 or 192.168.1.300."""
    if re.search(r"[^\d.]", host):
        return True
    parts = host.split(".")
    return len(parts) == 4 and all(part and int(part) < 256 for part in parts)
