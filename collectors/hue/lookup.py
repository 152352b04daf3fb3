"""Which bridge is ours, where it is now, and how it proves who it is.

A bridge is known by its id, which its certificate bears as common name, never by its address: that changes with the
router's mood. One that is not where it was is looked up at Signify's discovery service, which tells the bridges behind
one's own internet connection, and must show its id before it is given the key. Nothing here falls back from https to
http.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace

from collectors.hue import Secrets, Settings
from collectors.hue.address import base_address, is_address, normal_id
from collectors.hue.bridge import INTRODUCE, PAIR, Bridge
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError, Throttled
from runtime.http_client import HttpClient, JsonResponse, Request
from runtime.tls import Trust
from storage.state import State

log = logging.getLogger(__name__)

FIND_IT = "see that the bridge has power and network, or set collectors.hue.bridge_ip in config.yaml to its address"
SHARE = 0.6  # of the time is for the addresses we know, the rest for looking up a bridge that has moved


def reach(settings: Settings, secrets: Secrets, http: HttpClient, memory: State,
          in_full: bool = False) -> tuple[Bridge, JsonResponse]:
    """Return the bridge and its sensors, wherever it is now. Raise a RemoteError if it cannot be had."""
    if secrets.api_key is None:
        raise NotAuthorised("there is no hue.api_key in secrets.yaml", PAIR)
    ours = expected_id(settings, secrets)
    settings = replace(settings, bridge_ip=settings.bridge_ip or secrets.bridge_ip)
    bridge = Bridge(http, "", secrets.api_key, ours, trust(settings, secrets, ours), settings.timeout_seconds,
                    in_full=in_full)
    can_look_up = ours is not None and settings.discovery_url is not None
    error: RemoteError | None = None
    known = list(_addresses(settings, memory))
    for address in known:
        candidate = bridge._replace(address=_trusted(address, bridge.trust), share=SHARE if can_look_up else 1.0)
        try:
            answer = candidate.fetch_sensors()
        except RemoteError as problem:
            is_last_resort = address == known[-1] and not can_look_up
            if is_last_resort or not _is_elsewhere(candidate, problem):
                problem.remedy = problem.remedy or (FIND_IT if type(problem) is CannotReach else "")
                raise
            error = problem
        else:
            if "bridge" in memory:
                remember(settings, memory, address)
            return candidate, answer
    return _look_up(bridge, settings, memory, error)


def recognise(bridge: Bridge) -> None:
    """Raise NotTrusted for another bridge than ours that takes our key: over http no certificate has told."""
    if bridge.bridge_id is not None and bridge.address.startswith("http://") and bridge.fetch_id() != bridge.bridge_id:
        raise NotTrusted(f"another bridge than {bridge.bridge_id} is at {bridge.address}", INTRODUCE)


def expected_id(settings: Settings, secrets: Secrets) -> str | None:
    """Return the id of the bridge we are meant to talk to, in lower case. Raise NotAuthorised if told of two."""
    ids = {normal_id(each) for each in (settings.bridge_id, secrets.bridge_id) if each}
    if len(ids) > 1:
        raise NotAuthorised("config.yaml and secrets.yaml name two different bridges",
                            "remove collectors.hue.bridge_id or hue.bridge_id")
    return ids.pop() if ids else None


def trust(settings: Settings, secrets: Secrets, ours: str | None) -> Trust | None:
    """Return how the bridge proves who it is: by Signify's authority if its file is there, else by its fingerprint."""
    if ours is not None and os.path.exists(settings.ca_file):  # False too for what we may not see
        return Trust(ca_file=settings.ca_file, common_name=ours)
    fingerprint = settings.certificate_fingerprint or secrets.certificate_fingerprint
    return Trust(fingerprint=fingerprint.replace(":", "").lower()) if fingerprint else None


def listed(http: HttpClient, discovery_url: str, timeout_seconds: float) -> dict[str, str]:
    """Return the bridges that the discovery service knows behind this internet connection: host[:port] by id."""
    answer = http.fetch_json(Request(discovery_url, timeout_seconds, endpoint="discovery", retry_on=()))
    found = {}
    for entry in answer.document if isinstance(answer.document, list) else []:
        match entry:
            case {"id": str(identity), "internalipaddress": str(host)}:
                port = entry.get("port")
                found[normal_id(identity) or identity] = f"{host}:{port}" if type(port) is int else host
    return {identity: host for identity, host in found.items() if is_address(host)}


def _addresses(settings: Settings, memory: State) -> Iterator[str]:
    """Yield where the bridge was last found, if that is for the address configured now, then that address itself."""
    configured = None if settings.bridge_ip is None else base_address(settings.bridge_ip)
    match memory.get("bridge"):
        case {"configured": settings.bridge_ip, "found": str(found)} if found != configured and is_address(found):
            yield found
    if configured is not None:
        yield configured


def remember(settings: Settings, memory: State, address: str) -> None:
    """Keep where the bridge was found, for as long as the configuration names the same address."""
    memory["bridge"] = {"configured": settings.bridge_ip, "found": address}


def _trusted(address: str, trust: Trust | None) -> str:
    if trust is None and address.startswith("https://"):
        raise NotAuthorised("nothing tells how to recognise the bridge at " + address,
                            f"{PAIR} (or, for a bridge without https, write its bridge_ip as http://...)")
    return address


def _is_elsewhere(bridge: Bridge, problem: RemoteError) -> bool:
    """Tell whether the bridge may be at another address: nobody is at this one, or somebody else."""
    if isinstance(problem, BadAnswer | Throttled):
        return False
    if isinstance(problem, CannotReach | NotTrusted):
        return True
    if bridge.address.startswith("https://"):  # its certificate has told already that it is ours
        return False
    try:
        return bridge.fetch_id() != bridge.bridge_id
    except NotUnderstood:
        return True
    except RemoteError:
        return False


def _look_up(bridge: Bridge, settings: Settings, memory: State, error: RemoteError | None) -> tuple[Bridge, JsonResponse]:
    """Ask the discovery service where the bridge is, and the bridge for its id and then its sensors.

    Raise what went wrong at the known address, if there was one, where this does not help.
    """
    if bridge.bridge_id is None or settings.discovery_url is None:
        raise error or NotAuthorised("nothing tells where the bridge is", f"set collectors.hue.bridge_ip, or {PAIR}")
    try:
        hosts = listed(bridge.http, settings.discovery_url, settings.timeout_seconds)
        if bridge.bridge_id not in hosts:
            raise CannotReach(f"the discovery service does not know bridge {bridge.bridge_id}",
                              "check that the bridge has power and network, and its bridge_id")
        found = bridge._replace(address=_trusted(_with_scheme(hosts[bridge.bridge_id], settings), bridge.trust))
        if found.fetch_id() != bridge.bridge_id:
            raise NotTrusted(f"another bridge than {bridge.bridge_id} is at {found.address}")
    except RemoteError as problem:
        log.warning("looking up the bridge did not help: %s", problem)
        problem = error or problem
        problem.remedy = problem.remedy or FIND_IT
        raise problem from None
    answer = found.fetch_sensors()
    log.warning("bridge %s has moved to %s", bridge.bridge_id, found.address)
    remember(settings, memory, found.address)
    return found, answer


def _with_scheme(host: str, settings: Settings) -> str:
    """Give a host that was looked up the scheme of the configured address; over http its port 443 means 80."""
    if settings.bridge_ip and base_address(settings.bridge_ip).startswith("http://"):
        return "http://" + host.removesuffix(":443")
    return base_address(host)
