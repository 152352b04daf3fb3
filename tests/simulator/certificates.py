"""The certificates of simulated bridges: common name = bridge id in lower case, no alternative name, a private root.

Like the real ones (see the manufacturer's "using https" page); newer bridges send an intermediate certificate, early
ones signed their own. All keys derive from names, so a restarted simulator has the same fingerprint. For the loopback
only: this is no security.
"""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FORMS = ("ca", "intermediate", "self-signed")
NOT_BEFORE = datetime(2017, 1, 1, tzinfo=timezone.utc)
NOT_AFTER = datetime(2038, 1, 19, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Identity:
    """What a bridge presents on https, and the file with which a client can verify it."""

    context: ssl.SSLContext
    fingerprint: str
    ca_file: Path


@dataclass(frozen=True)
class _Holder:
    key: Ed25519PrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def certify(folder: Path, bridge_id: str, form: str = "ca") -> Identity:
    """Write the files of a bridge's identity, in one of FORMS, and return it."""
    root = _sign("root-bridge", None, authority=True)
    chain = {"ca": [root], "intermediate": [_sign("Bridge Intermediate", root, authority=True), root],
             "self-signed": []}[form]
    leaf = _sign(bridge_id.lower(), chain[0] if chain else None, authority=False)
    ca_file, chain_file = folder / f"{bridge_id}-ca.pem", folder / f"{bridge_id}.pem"
    ca_file.write_bytes((chain[-1] if chain else leaf).pem())
    secret = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain_file.write_bytes(b"".join([secret, leaf.pem(), *(each.pem() for each in chain[:-1])]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file)
    fingerprint = hashlib.sha256(leaf.certificate.public_bytes(Encoding.DER)).hexdigest()
    return Identity(context, fingerprint, ca_file)


def _name(common_name: str) -> x509.Name:
    texts = ((NameOID.COUNTRY_NAME, "NL"), (NameOID.ORGANIZATION_NAME, "Simulated Hue"),
             (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in texts])


def _sign(common_name: str, issuer: _Holder | None, authority: bool) -> _Holder:
    """Return a key and its certificate, signed by the issuer (None: by itself), always the same ones."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(common_name.encode()).digest())
    signer = issuer.key if issuer else key
    signed_by = issuer.certificate.subject if issuer else _name(common_name)
    serial = int.from_bytes(hashlib.sha256(f"{common_name} by {signed_by}".encode()).digest()[:8], "big")
    builder = x509.CertificateBuilder().issuer_name(signed_by).subject_name(_name(common_name)).serial_number(serial)
    builder = builder.public_key(key.public_key()).not_valid_before(NOT_BEFORE).not_valid_after(NOT_AFTER)
    for extension, critical in _extensions(key, signer, authority):
        builder = builder.add_extension(extension, critical)
    return _Holder(key, builder.sign(signer, None))


def _extensions(key: Ed25519PrivateKey, signer: Ed25519PrivateKey,
                authority: bool) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=authority, path_length=None), True), (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)]
    if not authority:
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    return extensions
