"""Where a bridge is, as people and the discovery service write it: a host, host:port, or an address with its scheme."""

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
                and (parts.port is None or parts.port > 0) and not parts.path and not re.search(r"[\s\\%?#@]", text))
    except ValueError:
        return False
