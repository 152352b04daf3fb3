"""A certificate authority for servers on the loopback, good and expired ones."""

from datetime import datetime, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

EXPIRED, GOOD = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2018, 2038))


class Authority:
    """Writes its own certificate, `ca_file`, and servers' certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key, self._name = folder, generate_private_key(SECP256R1()), _name("Test Authority")
        self.ca_file = folder / "authority.pem"
        self.ca_file.write_bytes(self._sign(self._name, self._key, GOOD, [
            (x509.BasicConstraints(ca=True, path_length=None), True), (_usage(signs=True), True)]))

    def issue(self, address: str = "127.0.0.1", until: datetime = GOOD) -> tuple[Path, Path]:
        """Write a server's certificate and its key; return their paths."""
        key = generate_private_key(SECP256R1())
        certificate, secret = (self._folder / f"{address}-{until.year}{end}" for end in (".pem", ".key"))
        certificate.write_bytes(self._sign(_name("server"), key, until, [
            (x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), False)]))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        secret.chmod(0o600)
        return certificate, secret

    def _sign(self, subject: x509.Name, key: EllipticCurvePrivateKey, until: datetime,
              extensions: list[tuple[x509.ExtensionType, bool]]) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=self._name, subject_name=subject, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=datetime(2017, 1, 1, tzinfo=timezone.utc),
            not_valid_after=until)
        identities: list[tuple[x509.ExtensionType, bool]] = [
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)]
        for extension, critical in extensions + identities:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)
