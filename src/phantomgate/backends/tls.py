"""The one TLS context that both HTTP back ends use.

Rule: the certificate and the host name are always verified, TLS is 1.2 or newer, and nothing here can be switched off.
"""

from __future__ import annotations

import ssl


def client_context(ca_file: str | None = None, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    """A verifying client context that trusts the authorities in *ca_file* (PEM) only, or else OpenSSL's defaults.

    OpenSSL's defaults are the system's store, or SSL_CERT_FILE and SSL_CERT_DIR. *certificate* is ours, to show to
    servers that ask (RFC 8705 §2): the files of the chain and of its key, in PEM, not encrypted. Unlike
    `ssl.create_default_context` it ignores SSLKEYLOGFILE: an environment variable must not be able to disclose the
    session keys. Raises OSError (ssl.SSLError is one) when a file can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verify_mode is CERT_REQUIRED and check_hostname is on
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=ca_file)
    if certificate is not None:
        # an empty password, or OpenSSL would ask for one at the terminal
        context.load_cert_chain(certificate[0], certificate[1] or None, password="")
    return context
