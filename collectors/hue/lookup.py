"""Finds a bridge that does not answer at its last address.

Bridges are identified by id (the certificate's common name), never by address, which the router may change. Signify's
discovery service lists the bridges behind one's own internet connection; a bridge found there must show its id before
it is given the key. Nothing here falls back from https to http.
"""

import hashlib
import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collectors.hue.bridge import (
    FIND_IT,
    Bridge,
    base_address,
    is_address,
    normal_id,
    pair_command,
    trusted,
    with_remedy,
)
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError, Throttled
from runtime.http_client import HttpClient, JsonResponse, Request
from runtime.tls import Trust
from storage.state import State

if TYPE_CHECKING:
    from collectors.hue import Settings

log = logging.getLogger(__name__)


def locate(bridge: Bridge, settings: "Settings", state: State,
           failure: RemoteError | None) -> tuple[Bridge, JsonResponse]:
    """Try the configured address, then the discovery service; if both fail, raise the last address's `failure`."""
    configured = bridge.configured and base_address(bridge.configured)
    if failure is not None and configured and configured != bridge.address and _may_have_moved(bridge, failure):
        bridge = bridge._replace(address=trusted(configured, bridge.trust))
        try:
            answer = bridge.fetch_sensors()
        except RemoteError as error:
            failure = error
        else:
            remember(state, bridge.configured, bridge.address)
            return bridge, answer
    if isinstance(failure, NotTrusted) and not failure.remedy and os.path.exists(settings.ca_file):
        _report_replacement(bridge, settings)
    can_look_up = bridge.bridge_id is not None and settings.discovery_url is not None
    if failure is not None and not (can_look_up and _may_have_moved(bridge, failure)):
        raise with_remedy(failure, bridge.address)
    return _look_up(bridge._replace(share=1.0), settings, state, failure)


def discover_bridges(http: HttpClient, discovery_url: str, timeout_seconds: float) -> dict[str, str]:
    """Return the bridges behind this internet connection: host[:port] by id."""
    answer = http.fetch_json(Request(discovery_url, timeout_seconds, endpoint="discovery", retry_on=()))
    hosts = {}
    for entry in answer.document if isinstance(answer.document, list) else []:
        match entry:
            case {"id": str(identity), "internalipaddress": str(host)}:
                port = entry.get("port")
                hosts[normal_id(identity) or identity] = f"{host}:{port}" if type(port) is int else host
    return {identity: host for identity, host in hosts.items() if is_address(host)}


def remember(state: State, configured: str | None, address: str) -> None:
    """Remember where the bridge was found until the configured address changes."""
    state["bridge"] = {"configured": configured, "found": address}


def _may_have_moved(bridge: Bridge, error: RemoteError) -> bool:
    if isinstance(error, BadAnswer | Throttled):
        return False
    if isinstance(error, CannotReach | NotTrusted):
        return True
    if bridge.address.startswith("https://"):  # the certificate has proved that it is ours
        return False
    try:
        return bridge.fetch_id() != bridge.bridge_id
    except NotUnderstood:
        return True
    except RemoteError:
        return False


def certificate_fingerprint(address: str, timeout_seconds: float) -> str:
    """Return the SHA-256 of the certificate shown at an address, which is not verified. Raise CannotReach."""
    parts = urlsplit(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((parts.hostname, parts.port or 443), timeout_seconds) as plain:
            with context.wrap_socket(plain) as secure:
                certificate = secure.getpeercert(binary_form=True)
    except OSError as error:
        reason = "it speaks no https" if isinstance(error, ssl.SSLError) else error.strerror or "no answer"
        round_bridge = pair_command("--bridge", address.replace("https", "http", 1))
        raise CannotReach(f"{address} cannot be reached: {reason}",
                          f"check the address; for an old round bridge: {round_bridge}") from None
    return hashlib.sha256(certificate or b"").hexdigest()


def _report_replacement(bridge: Bridge, settings: "Settings") -> None:
    """Raise NotTrusted if a bridge to which ours was transferred answers, proven by Signify's certificate."""
    try:
        unverified = bridge._replace(trust=Trust(
            fingerprint=certificate_fingerprint(bridge.address, settings.timeout_seconds)))
        identity, replaced = unverified.fetch_ids()
        if identity is None or replaced is None or replaced != bridge.bridge_id:
            return
        bridge._replace(trust=Trust(settings.ca_file, identity)).fetch_ids()
    except RemoteError:
        return
    raise NotTrusted(f"bridge {bridge.bridge_id} was replaced by {identity}, to which its settings were transferred",
                     pair_command("--bridge", bridge.address))


def _look_up(bridge: Bridge, settings: "Settings", state: State,
             failure: RemoteError | None) -> tuple[Bridge, JsonResponse]:
    if bridge.bridge_id is None or settings.discovery_url is None:
        raise NotAuthorised("the bridge's address is unknown", f"set collectors.hue.bridge_ip, or {pair_command()}")
    try:
        hosts = discover_bridges(bridge.http, settings.discovery_url, settings.timeout_seconds)
        if bridge.bridge_id not in hosts:
            raise CannotReach(f"the discovery service does not know bridge {bridge.bridge_id}",
                              "check that the bridge has power and network, and its bridge_id")
        bridge = bridge._replace(address=trusted(_with_scheme(hosts[bridge.bridge_id], bridge), bridge.trust))
        if bridge.fetch_id() != bridge.bridge_id:
            raise NotTrusted(f"another bridge than {bridge.bridge_id} is at {bridge.address}")
    except RemoteError as error:
        log.warning("looking up the bridge did not help: %s", error)
        failure = with_remedy(failure or error, bridge.address)
        failure.remedy = failure.remedy or FIND_IT
        raise failure from None
    answer = bridge.fetch_sensors()
    log.warning("bridge %s has moved to %s", bridge.bridge_id, bridge.address)
    remember(state, bridge.configured, bridge.address)
    return bridge, answer


def _with_scheme(host: str, bridge: Bridge) -> str:
    """Add the scheme of the configured address; over http a discovered port 443 means 80."""
    if bridge.configured and base_address(bridge.configured).startswith("http://"):
        return "http://" + host.removesuffix(":443")
    return base_address(host)
