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
    """Return `amazon.co.uk` for `https://www.amazon.co.uk/` or the like, else None: only Amazon is sent the tokens."""
    match = SITE.fullmatch(domain.strip())
    return match[1].lower() if match else None


def is_safe(address: str) -> bool:
    """Return whether the connection is private: https, or http within this machine."""
    try:
        parts = urlsplit(address)
        if parts.port == 0 or not parts.hostname or parts.scheme not in ("https", "http"):
            return False
        return (parts.scheme == "https" or parts.hostname == "localhost"
                or ipaddress.ip_address(parts.hostname).is_loopback)
    except ValueError:
        return False
