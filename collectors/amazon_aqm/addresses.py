"""Where the Alexa cloud of an account is: three hosts, which the country's own site tells."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from collectors.amazon_aqm import Settings

SITE = re.compile(r"(?:https://)?(?:alexa\.|www\.)?(amazon\.(?:com|[a-z]{2}|com?\.[a-z]{2}))/?", re.IGNORECASE)


class Hosts(NamedTuple):
    """The site, `amazon.de`, and the addresses of its Alexa, of its own pages, and of the devices' registry."""

    site: str
    alexa: str
    www: str
    api: str


def hosts(settings: Settings) -> Hosts:
    """Return the hosts that the settings name, without slashes at their end."""
    home = site(settings.domain) or settings.domain
    instead = settings.auth_url and settings.auth_url.rstrip("/")
    return Hosts(home, (settings.base_url or f"https://alexa.{home}").rstrip("/"), instead or f"https://www.{home}",
                 instead or "https://api.amazon.com")


def site(domain: str) -> str | None:
    """Given `alexa.amazon.co.uk`, `https://www.amazon.co.uk/` or the like, return `amazon.co.uk`; None if it is none.

    Nobody but Amazon may be sent the tokens, hence no other name will do.
    """
    found = SITE.fullmatch(domain.strip())
    return found[1].lower() if found else None


def is_safe(address: str) -> bool:
    """Tell whether nobody can listen in on the way to an address: https, or http within this machine."""
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
