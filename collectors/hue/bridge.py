"""The Hue Bridge as an HTTP server, at one address: the requests it answers, and what its refusals mean.

Errors come as HTTP 200 with a JSON list, `[{"error": {"type": 1, "description": "unauthorized user"}}]`; success is an
object. It does not know where the bridge is or whom to trust: lookup.py does.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from collectors.hue.address import normal_id
from runtime.errors import BadAnswer, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.formats import one_line
from runtime.http_client import HttpClient, JsonResponse, Request
from runtime.tls import Trust

log = logging.getLogger(__name__)

PAIR = "python devices.py pair hue"
INTRODUCE = f"{PAIR} if this bridge is ours now, else set collectors.hue.bridge_ip in config.yaml to ours"

# The error types that mean something to us: https://developers.meethue.com/develop/hue-api/error-messages/
UNAUTHORISED, NOT_PRESSED, INTERNAL = 1, 101, 901
LONGEST_QUOTE = 80  # characters of a bridge's own words


class ButtonNotPressed(RemoteError):
    """The bridge waits for somebody to press its link button."""


class Bridge(NamedTuple):
    """One bridge at one address (scheme and host), and what is needed to ask it.

    `bridge_id` is the id it ought to have, in lower case, None if nobody has said. `share` is how much of the cycle's
    time its requests may take. `in_full` has it asked for its full configuration at once, as the baseline is.
    """

    http: HttpClient
    address: str
    key: str
    bridge_id: str | None
    trust: Trust | None
    timeout_seconds: float
    share: float = 1.0
    in_full: bool = False

    def fetch_sensors(self) -> JsonResponse:
        """Return the object of all sensors, by number. If it is unreadable, take it from the full configuration.

        The full configuration is some three times larger and holds other people's keys: it is neither kept nor logged.
        """
        if self.in_full:
            return self._fetch_all()
        try:
            return self._fetch(f"/api/{self.key}/sensors", "/sensors", _check_sensors)
        except (BadAnswer, NotUnderstood) as error:
            if (getattr(error, "retry_after", None) or 0) > self.timeout_seconds:
                raise  # it asks for patience, and another request would show none
            log.warning("falling back to the full configuration: %s", error)
        return self._fetch_all()

    def fetch_id(self) -> str | None:
        """Return the id that whoever is at this address goes by, in lower case; None for no Hue bridge.

        Asked without the key, so that a stranger does not learn it.
        """
        document = self._fetch("/api/config", "/config", _check_errors).document
        return normal_id(document.get("bridgeid")) if isinstance(document, dict) else None

    def register(self, device_type: str) -> str:
        """Ask for a key of our own and return it. Raise ButtonNotPressed while nobody has pressed the button."""
        answer = self.http.fetch_json(Request(
            f"{self.address}/api", self.timeout_seconds, method="POST", body={"devicetype": device_type},
            trust=self.trust, retry_on=(), check=_check_errors))
        match answer.document:
            case [{"success": {"username": str(key)}}, *_]:
                return key
        raise NotUnderstood(f"{self.address} did not answer with a key")

    def _fetch_all(self) -> JsonResponse:
        self.http.tally.endpoint = "fallback"
        answer = self._fetch(f"/api/{self.key}", "/", _check_configuration)
        assert isinstance(answer.document, dict)
        return JsonResponse(answer.document["sensors"], answer.date)

    def _fetch(self, path: str, endpoint: str, check: Callable[[object], None]) -> JsonResponse:
        try:
            return self.http.fetch_json(Request(
                self.address + path, self.timeout_seconds, trust=self.trust, endpoint=endpoint, share=self.share,
                check=check))
        except NotAuthorised as error:
            remedy = INTRODUCE if isinstance(error, NotTrusted) else PAIR
            raise type(error)(str(error), error.remedy or remedy) from None


def _check_sensors(document: object) -> None:
    _check_errors(document)
    if not isinstance(document, dict):
        raise NotUnderstood("the bridge's sensors are no JSON object")


def _check_configuration(document: object) -> None:
    _check_errors(document)
    if not isinstance(document, dict) or not isinstance(document.get("sensors"), dict):
        raise NotUnderstood("the bridge's configuration holds no JSON object of sensors")


def _quotable(description: object) -> str:
    """Return what the bridge says of an error if it is short: cut, it might hold half a key, which no mask knows."""
    text = one_line(description, 2 * LONGEST_QUOTE) or ""
    return text if 0 < len(text) <= LONGEST_QUOTE else "no short reason given"


def _check_errors(document: object) -> None:
    """Raise what the first error in the bridge's list means; any other document passes."""
    match document:
        case [{"error": {"type": int(kind), **rest}}, *_] if kind is not True:
            description = _quotable(rest.get("description"))
        case _:
            return
    if kind == UNAUTHORISED:
        raise NotAuthorised("the bridge refuses our key", PAIR)
    if kind == NOT_PRESSED:
        raise ButtonNotPressed("the bridge's button was not pressed")
    if kind == INTERNAL:
        raise BadAnswer(f"the bridge reports an internal error ({description})")
    raise NotUnderstood(f"the bridge answers with error {kind} ({description})")
