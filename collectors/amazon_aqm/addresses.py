"""The hosts of the Alexa cloud, derived from the Amazon site of the account's country."""

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collectors.amazon_aqm import Settings

SITES = frozenset(f"amazon.{country}" for country in (
    "com ca com.mx com.br co.uk ie de fr it es nl se pl com.be com.tr ae sa eg in co.jp com.au sg co.za").split())
DEFAULT_SITE = "amazon.co.uk"
# Where the accounts of countries without an Alexa host live, and most others (home-assistant/core 146824, 149467; 2025).
COMMON_SITES = ("amazon.com", "amazon.co.uk", "amazon.de", "amazon.es", "amazon.com.au", "amazon.co.jp")
WITHOUT_ALEXA = ("amazon.pl", "amazon.nl", "amazon.com.be")  # alexa.amazon.pl does not exist (2025-08)
# An app's; Amazon's bot filter and its throttling look at them.
HEADERS = {"User-Agent": "AmazonWebView/AmazonAlexa/2.2.663733.0/iOS/18.5/iPhone", "Accept-Language": "en-US",
           "Accept": "application/json"}


class Hosts(NamedTuple):
    site: str
    alexa: str
    www: str
    api: str


def hosts(settings: "Settings", found: str | None = None) -> Hosts:
    """Return the hosts of the configured site, else of the one `found` at pairing."""
    name = site(settings.domain or found or DEFAULT_SITE) or DEFAULT_SITE
    override = settings.auth_url and settings.auth_url.rstrip("/")
    return Hosts(name, (settings.base_url or f"https://alexa.{name}").rstrip("/"), override or f"https://www.{name}",
                 override or "https://api.amazon.com")


def site(domain: str) -> str | None:
    """Return `amazon.co.uk` for `https://www.amazon.co.uk/` or the like, else None: only Amazon is sent the tokens."""
    name = domain.strip().lower().removeprefix("https://").removesuffix("/")
    name = name.removeprefix("alexa.").removeprefix("www.")
    return name if name in SITES else None


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
