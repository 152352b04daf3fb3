"""Pairing: the user presses the bridge's round button, and the bridge gives us a key.

Over https from the start: newer bridges redirect http, and a redirected POST becomes a GET. The certificate seen then
is trusted from then on, unless Signify's authority file is present.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from collectors.hue.bridge import Bridge, ButtonNotPressed, base_address, is_address, pair_command
from collectors.hue.lookup import certificate_fingerprint, discover_bridges, remember
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError, Throttled
from runtime.http_client import HttpClient
from runtime.tls import Trust
from storage.state import State

if TYPE_CHECKING:
    from collectors import Human
    from collectors.hue import Secrets, Settings

BUTTON_SECONDS = 30
TELL_EVERY_SECONDS = 5
DEVICE_NAME_LENGTH = 19  # of what follows the # in a devicetype


def pair(settings: "Settings", secrets: "Secrets", http: HttpClient, state: State, human: "Human",
         sleep: Callable[[float], None] | None = None) -> dict[str, str]:
    """Wait for the button; return api_key, bridge_id, bridge_ip and, over https, certificate_fingerprint."""
    address = _address(settings, secrets.bridge_ip, http, human)
    fingerprint = certificate_fingerprint(address, settings.timeout_seconds) if address.startswith("https://") else None
    if fingerprint and not os.path.exists(settings.ca_file):
        _check_configured(settings, fingerprint, address)
    trust = Trust(fingerprint=fingerprint) if fingerprint else None
    bridge = Bridge(http, address, "", None, trust, settings.timeout_seconds)
    identity = bridge.fetch_id()
    if identity is None:
        raise NotUnderstood(f"{address} is no Hue bridge", "check the address")
    if fingerprint and os.path.exists(settings.ca_file):
        bridge = bridge._replace(trust=Trust(ca_file=settings.ca_file, common_name=identity))
    human.tell(f"Found bridge {identity} at {address}. Press the round button on it now.")
    key = _wait_for_key(bridge, human, sleep)
    if settings.bridge_ip is not None and base_address(settings.bridge_ip) != address:
        human.tell(f"Note that config.yaml names another address, collectors.hue.bridge_ip: {settings.bridge_ip}")
        remember(state, settings.bridge_ip, address)
    values = {"api_key": key, "bridge_id": identity, "bridge_ip": address}
    values |= {"certificate_fingerprint": fingerprint} if fingerprint else {}
    human.keep(values)
    return values


def _check_configured(settings: "Settings", fingerprint: str, address: str) -> None:
    """Raise NotTrusted for another fingerprint in config.yaml, which would win over the one that pairing keeps."""
    configured = (settings.certificate_fingerprint or fingerprint).replace(":", "").lower()
    if configured != fingerprint:
        raise NotTrusted(f"{address} presents another certificate than collectors.hue.certificate_fingerprint in config.yaml",
                         f"if it is your bridge, remove that line there, then {pair_command('--bridge', address)}")


def _address(settings: "Settings", last: str | None, http: HttpClient, human: "Human") -> str:
    """Return the given or configured address, else that of the only bridge discovered, else the last one, else ask."""
    given = human.address or settings.bridge_ip
    if given is not None:
        return _checked(given)
    hosts: dict[str, str] = {}
    try:
        if settings.discovery_url:
            hosts = discover_bridges(http, settings.discovery_url, settings.timeout_seconds)
    except RemoteError as error:  # without internet access the user can still type the address
        human.tell(f"Could not look up your bridge: {error}.")
    if len(hosts) == 1:
        return base_address(next(iter(hosts.values())))
    if not hosts and last is not None:
        return _checked(last)
    for identity, host in hosts.items():
        human.tell(f"bridge {identity} at {host}")
    answer = human.ask("What is your bridge's address (in the Hue app: Settings, My Hue system)? ").strip()
    if not answer:
        raise CannotReach("no bridge was found", pair_command("--bridge", "ADDRESS"))
    return _checked(answer)


def _checked(text: str) -> str:
    if not is_address(text):
        raise NotAuthorised(f"{text!r} is no host, host:port, or address such as https://192.168.1.2",
                            "check the address")
    return base_address(text)


def _wait_for_key(bridge: Bridge, human: "Human", sleep: Callable[[float], None] | None) -> str:
    deadline = Deadline(BUTTON_SECONDS)
    trouble: RemoteError = ButtonNotPressed("the bridge was not asked")
    devicetype = f"home-monitor#{socket.gethostname()[:DEVICE_NAME_LENGTH]}"
    for second in range(BUTTON_SECONDS):
        try:
            return bridge.register(devicetype)
        except ButtonNotPressed as error:
            again = pair_command(*(("--bridge", human.address) if human.address else ()))
            trouble = ButtonNotPressed(f"{error} within {BUTTON_SECONDS} s", again)
        except (CannotReach, Throttled) as error:
            trouble = error
        if deadline.remaining() <= 0:
            break
        if second % TELL_EVERY_SECONDS == 0:
            human.tell(f"Waiting for the button: {max(0, round(deadline.remaining()))} s left.")
        (sleep or time.sleep)(1)
    raise trouble
