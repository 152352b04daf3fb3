"""TLS for hosts without a publicly signed certificate: a bridge has one signed by its manufacturer.

The caller gives a `Trust`; connections to any other certificate fail. Nothing here turns checking off.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

from runtime.errors import CannotReach, NotTrusted, RemoteError


class Trust(NamedTuple):
    """One certificate signed by an authority (its file) for a common name, or one with a hexadecimal SHA-256."""

    ca_file: Path | None = None
    common_name: str | None = None
    fingerprint: str | None = None


class PrivateTrust(HTTPAdapter):
    """Checks a certificate against a `Trust`; raise ValueError for an empty one, which would accept any.

    A bridge's certificate has its id as common name and no subjectAltName, hence `hostname_checks_common_name`. Loading
    one authority costs 0.7 ms, the public bundle 40 ms.
    """

    def __init__(self, trust: Trust) -> None:
        if not trust.fingerprint and not (trust.ca_file and trust.common_name):
            raise ValueError("neither an authority with a name nor a fingerprint to trust")
        self.trust = trust
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Raise NotTrusted for an unusable authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.trust.ca_file is not None:
            _load_authority(context, self.trust.ca_file)
            kwargs["server_hostname"] = self.trust.common_name
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            kwargs["assert_fingerprint"] = self.trust.fingerprint
        super().init_poolmanager(*args, ssl_context=context, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: requests would load the public authorities into the context."""


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        reason = "not in PEM format" if isinstance(error, ssl.SSLError) else error.strerror
        raise NotTrusted(f"{path} holds no certificate: {reason}", "check ca_file") from None
    context.hostname_checks_common_name = True


def tls_error(error: SSLError, host: str, remedy: str) -> RemoteError:
    """Return NotTrusted where another certificate was presented, CannotReach where the handshake failed."""
    causes = [cause for cause in chain(error) if isinstance(cause, ssl.SSLError)]
    if causes and not isinstance(causes[-1], ssl.SSLCertVerificationError):
        return CannotReach(f"{host} cannot be reached: the TLS handshake failed")
    return NotTrusted(f"{host} presents a certificate that is not the one to trust", remedy)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those inside it: urllib3 keeps them as `reason` or as an argument."""
    current: BaseException | None = error
    for _ in range(8):
        if current is None:
            return
        yield current
        inner = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        current = next((cause for cause in reversed(inner) if isinstance(cause, BaseException)), None)
