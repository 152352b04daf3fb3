"""Addresses and ids of bridges, as users and the discovery service write them."""

import re
from urllib.parse import urlsplit


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


def _is_name_or_full_ip(host: str) -> bool:
    """Return False for invalid IPv4 addresses such as 192.168.1 or 192.168.1.300."""
    if re.search(r"[^\d.]", host):
        return True
    parts = host.split(".")
    return len(parts) == 4 and all(part and int(part) < 256 for part in parts)
