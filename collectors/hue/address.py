"""Where a bridge is and which one, as people and the discovery service write it.

An address is a host, host:port, or has its scheme before it; an id is 16 hexadecimal digits, or 12 where somebody has
left out the `fffe` in their middle, which makes the network card's number the bridge's.
"""

import re
from urllib.parse import urlsplit


def base_address(text: str) -> str:
    """Given a host, host:port or address with a scheme, return scheme and host; https where no scheme is given."""
    scheme, found, rest = text.rpartition("://")
    if not found and rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    return f"{scheme.lower() or 'https'}://{rest.rstrip('/')}"


def is_address(text: str) -> bool:
    """Tell whether a text is a host, host:port, or address with the scheme http or https, and nothing more."""
    try:
        parts = urlsplit(base_address(text))
        return (parts.scheme in ("http", "https") and bool((parts.hostname or "").encode("idna"))
                and (parts.port is None or parts.port > 0) and not parts.path and not re.search(r"[\s\\%?#@]", text)
                and _is_name_or_whole_number(parts.hostname or ""))
    except ValueError:
        return False


def normal_id(text: object) -> str | None:
    """Return a bridge's id as its certificate bears it, 16 hexadecimal digits in lower case; None for anything else."""
    digits = text.lower() if isinstance(text, str) else ""
    if re.fullmatch(r"[0-9a-f]{12}", digits):
        digits = f"{digits[:6]}fffe{digits[6:]}"
    return digits if re.fullmatch(r"[0-9a-f]{16}", digits) else None


def _is_name_or_whole_number(host: str) -> bool:
    """Tell whether a host made of digits and dots is a whole address: 192.168.1 and 192.168.1.300 are none."""
    if re.search(r"[^\d.]", host):
        return True
    parts = host.split(".")
    return len(parts) == 4 and all(part and int(part) < 256 for part in parts)
