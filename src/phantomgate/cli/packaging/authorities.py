"""Certificate authorities as OpenSSL finds them one by one: a folder in which each file is named by its subject.

Rule: a bundle is parsed whole at every cold start (16 ms), of a folder only the one file that a server's chain needs.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from hashlib import sha256

from phantomgate.cli.packaging.subject_hash import subject_hash

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def folder_of(bundle: str) -> Mapping[str, bytes]:
    """File name -> PEM, for every certificate in *bundle* (PEM). Raises ValueError when there is none, or none fits.

    Certificates with the same subject are numbered (openssl-rehash), by their fingerprint so that the order in the
    bundle doesn't matter.
    """
    found = sorted({ssl.PEM_cert_to_DER_cert(one) for one in _CERTIFICATE.findall(bundle)}, key=_fingerprint)
    if not found:
        raise ValueError("holds no certificate; want PEM, -----BEGIN CERTIFICATE-----")
    counts: dict[str, int] = {}
    folder: dict[str, bytes] = {}
    for der in found:
        name = subject_hash(der)
        counts[name] = counts.get(name, -1) + 1
        folder[f"{name}.{counts[name]}"] = ssl.DER_cert_to_PEM_cert(der).encode()
    return folder


def _fingerprint(der: bytes) -> bytes:
    return sha256(der).digest()
