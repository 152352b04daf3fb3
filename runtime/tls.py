"""Whom to trust over https where no public authority vouches: a bridge in the house has a certificate of its maker's.

It decides nothing: a `Trust` is given, and a connection to anybody else fails. Nothing here turns checking off.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

from runtime.errors import CannotReach, NotTrusted, RemoteError


@dataclass(frozen=True)
class Trust:
    """Whom to trust at an https address whose certificate no public authority has signed.

    Either a private authority's file together with the common name that the certificate must bear, or the SHA-256
    fingerprint of the certificate itself, in hexadecimal. Raise ValueError for neither: that would trust anybody.
    """

    ca_file: Path | None = None
    common_name: str | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if not self.fingerprint and not (self.ca_file and self.common_name):
            raise ValueError("neither an authority with a name nor a fingerprint to trust")


class PrivateTrust(HTTPAdapter):
    """Checks a certificate against a `Trust` instead of the public authorities.

    A bridge's certificate has its id as common name and no subjectAltName, hence the context's
    `hostname_checks_common_name`; loading one authority costs 0.7 ms where the public bundle costs 40.
    """

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections with a context that knows this trust only. Raise NotTrusted for an unusable authority."""
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
        """Leave the context as it is: requests would load the public authorities into it."""


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        reason = "none in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise NotTrusted(f"{path} holds no certificate that can be used: {reason}", "check ca_file") from None
    context.hostname_checks_common_name = True


def tls_error(error: SSLError, host: str, remedy: str) -> RemoteError:
    """Given what went wrong with TLS, tell whether somebody else answered (NotTrusted) or nobody did (CannotReach)."""
    inner = [cause for cause in chain(error) if isinstance(cause, ssl.SSLError)]
    if inner and not isinstance(inner[-1], ssl.SSLCertVerificationError):
        return CannotReach(f"{host} cannot be reached: the TLS handshake failed")
    return NotTrusted(f"{host} presents a certificate that is not the one to trust", remedy)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those inside it, outermost first: urllib3 keeps them as `reason` or as an argument."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        inner = [*seen.args, getattr(seen, "reason", None), seen.__cause__, seen.__context__]
        seen = next((each for each in reversed(inner) if isinstance(each, BaseException)), None)
