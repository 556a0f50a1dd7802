"""Certificates for servers in tests: one authority, and what it or somebody else has signed."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Signs certificates; its own is in `ca_file`."""

    def __init__(self, folder: Path, name: str = "authority"):
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key, -DAY, DAY, x509.BasicConstraints(ca=True, path_length=0))
        self.ca_file = str(folder / f"{name}.pem")
        Path(self.ca_file).write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        *names: str,
        since: timedelta = -DAY,
        until: timedelta = DAY,
        self_signed: bool = False,
    ) -> ssl.SSLContext:
        """A server's context, its certificate for *names* (addresses too), valid between two times from now."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(*names, since=since, until=until, self_signed=self_signed))
        return context

    def issue(self, *names: str, since: timedelta = -DAY, until: timedelta = DAY, self_signed: bool = False) -> Path:
        """A file with a certificate for *names* and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        if self_signed:
            certificate = self._sign(subject, key, since, until, alternatives, issuer=subject, signer=key)
        else:
            certificate = self._sign(subject, key, since, until, alternatives)
        pem = self.folder / f"{certificate.serial_number}.pem"
        pem.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pem

    def _sign(self, subject, key, since, until, extension, *, issuer=None, signer=None):
        now, signer = datetime.now(UTC), signer or self.key
        unsigned = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(extension, critical=True)
            # What Python 3.13 wants (VERIFY_X509_STRICT, RFC 5280 sections 4.2.1.1 to 4.2.1.3)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if isinstance(extension, x509.BasicConstraints):
            unsigned = unsigned.add_extension(_SIGNS, critical=True)
        return unsigned.sign(signer, hashes.SHA256())


def only(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """*context*, speaking just this version, even one that nobody should speak any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
