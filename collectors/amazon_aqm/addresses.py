"""The hosts of the Alexa cloud, derived from the Amazon site of the account's country."""

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collectors.amazon_aqm import Settings

SITE = re.compile(r"(?:https://)?(?:alexa\.|www\.)?(amazon\.(?:com|[a-z]{2}|com?\.[a-z]{2}))/?", re.IGNORECASE)


class Hosts(NamedTuple):
    site: str
    alexa: str
    www: str
    api: str


def hosts(settings: "Settings") -> Hosts:
    name = site(settings.domain) or settings.domain
    override = settings.auth_url and settings.auth_url.rstrip("/")
    return Hosts(name, (settings.base_url or f"https://alexa.{name}").rstrip("/"), override or f"https://www.{name}",
                 override or "https://api.amazon.com")


def site(domain: str) -> str | None:
    """Given `alexa.amazon.co.uk`, `https://www.amazon.co.uk/` or the like, return `amazon.co.uk`.

    Return None for any other name: only Amazon may be sent the tokens.
    """
    match = SITE.fullmatch(domain.strip())
    return match[1].lower() if match else None


def is_safe(address: str) -> bool:
    """Return whether the connection is private: https, or http within this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        return bool(host) and parts.port != 0 and (
            parts.scheme == "https" or parts.scheme == "http" and _is_this_machine(host))
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
