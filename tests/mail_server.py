"""A real SMTP server on the loopback, friendly or not, that keeps every byte and every mail it received.

    with MailServer(security="starttls", login=("house", "secret")) as server:
        home.write_secrets({"email": server.section()})

Clients trust it while the environment variable SSL_CERT_FILE names its `certificate_file`.
"""

import logging
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from socket import create_server, socket
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Mail:
    """An accepted mail; `login` is the sender's user name at the server."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    login: str | None

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def body(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


class MailServer:
    """Serve while the `with` block runs. `security` is none, starttls or tls; `login` is required if given.

    It refuses recipients in `refuses`. `plain_heard` is all that arrived unencrypted.
    """

    def __init__(self, security: str = "none", login: tuple[str, str] | None = None, refuses: Collection[str] = (),
                 mechanisms: Collection[str] = ("LOGIN", "PLAIN")) -> None:
        logging.getLogger("mail.log").propagate = False  # the server's log is not under test
        self.security, self.login, self.refuses = security, login, refuses
        self.mails: list[Mail] = []
        self.plain_heard = b""
        self._folder = TemporaryDirectory(prefix="mail-server-")
        self.certificate_file = Path(self._folder.name) / "certificate.pem"
        context = _identity(self.certificate_file) if security != "none" else None
        options: dict[str, Any] = {"tls_context": context} if security == "starttls" else {}
        if login:
            options |= {"authenticator": self._authenticate,
                        "auth_exclude_mechanism": {"LOGIN", "PLAIN"} - set(mechanisms)}
        self._controller = _Controller(self, ssl_context=context if security == "tls" else None,
                                       auth_require_tls=False, **options)
        self.port: int = self._controller.port

    def __enter__(self) -> "MailServer":
        self._controller.start()
        self.plain_heard = b""
        return self

    def __exit__(self, *error: object) -> None:
        self._controller.stop()
        self._folder.cleanup()

    def section(self, **changes: Any) -> dict[str, Any]:
        login = dict(zip(("username", "password"), self.login or ()))
        return email_section(self.port, **{"security": self.security, **login, **changes})

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str,
                          _options: list[str]) -> str:
        if address in self.refuses:
            return "550 no such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.login and not session.authenticated:
            return "530 log in first"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=policy.default)
        login = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message, login))
        return "250 OK"

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str,
                      given: LoginPassword) -> AuthResult:
        """Check the login. Like some servers, quote a wrong password back, in every encoding."""
        correct = (given.login.decode(), given.password.decode()) == self.login
        encoded = [b64encode(text).decode() for text in (given.password, b"\0" + given.login + b"\0" + given.password)]
        return AuthResult(success=correct, handled=False, auth_data=given,
                          message=None if correct else " ".join(["535 wrong:", given.password.decode(), *encoded]))


def email_section(port: int, **changes: Any) -> dict[str, Any]:
    """Return a section `email` of secrets.yaml for a server on the loopback, without TLS by default."""
    return {"smtp_host": HOST, "smtp_port": port, "security": "none", "from": "monitor@example.org",
            "to": "you@example.org", **changes}


@contextmanager
def silent_server() -> Iterator[int]:
    with create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def dripping_server() -> Iterator[int]:
    """Send a byte every 50 ms, without end, so that no single read takes long; yield the port."""
    closing = Event()

    def drip(client: socket) -> None:
        with client:
            while not closing.wait(0.05):
                try:
                    client.sendall(b"2")
                except OSError:
                    return

    def serve() -> None:
        while not closing.is_set():
            try:
                Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()
            except TimeoutError:
                continue

    with create_server((HOST, 0)) as listening:
        listening.settimeout(0.05)
        thread = Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            closing.set()
            thread.join()


class _Controller(Controller):
    """aiosmtpd's controller, on any free port."""

    def __init__(self, handler: MailServer, **options: Any) -> None:
        self._listening = create_server((HOST, 0))
        super().__init__(handler, hostname=HOST, port=self._listening.getsockname()[1],
                         server_hostname="mail.example.org", **options)

    def factory(self) -> SMTP:
        return _Connection(self.handler, **self.SMTP_kwargs)

    def _create_server(self) -> Awaitable[Any]:
        return self.loop.create_server(self._factory_invoker, sock=self._listening, ssl=self.ssl_context)


class _Connection(SMTP):
    """A connection that records cleartext."""

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.get_extra_info("sslcontext") is None:
            self.event_handler.plain_heard += data
        super().data_received(data)


def _identity(path: Path) -> ssl.SSLContext:
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server")])
    certificate = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=datetime(2017, 1, 1, tzinfo=timezone.utc),
        not_valid_after=datetime(2038, 1, 19, tzinfo=timezone.utc),
    ).add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False).sign(key, None)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    chain = path.with_name("chain.pem")
    chain.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context
