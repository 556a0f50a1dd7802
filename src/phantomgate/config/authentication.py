"""From the settings of one server to how we show who we are: the secret or key read, once, and what every call carries.

Rule: a secret is read here, goes into what is returned, and into no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from phantomgate.backends.secrets import named, read_key, read_secret
from phantomgate.config.settings import AsClient
from phantomgate.core.ports import Clock, Sign
from phantomgate.oauth.client_auth import (
    ClientAuth,
    bearer_token,
    client_id_only,
    client_secret_basic,
    client_secret_basic_raw,
    client_secret_post,
)
from phantomgate.resolvers.client import Authenticate, asserting

_BY_SECRET = {
    "basic": client_secret_basic,
    "basic_raw": client_secret_basic_raw,
    "post": client_secret_post,
    "bearer": bearer_token,
}


def authentication(
    asked: AsClient, environ: Mapping[str, str], *, now: Clock, random: Callable[[int], bytes]
) -> tuple[ClientAuth | Authenticate, list[tuple[str, str]]]:
    """What each call to the server needs, and what is wrong with the secret or key it is made of: (setting, what)."""
    method, client_id = asked.client_auth, asked.client_id
    nobody = client_id_only(client_id)
    name = "client_key" if method == "private_key_jwt" else "client_secret"
    reference = asked.client_key if method == "private_key_jwt" else asked.client_secret
    if method == "tls_client_auth" or not reference:  # a reference that is missing is told by `checks`
        return nobody, []
    try:
        if method in _BY_SECRET:
            return _BY_SECRET[method](client_id, read_secret(reference, environ)), []
        sign = _key_signer(reference, environ) if method == "private_key_jwt" else _secret_signer(reference, environ)
    except ValueError as no:
        return nobody, [(name, str(no))]
    audience = asked.assertion_audience or asked.issuer or asked.endpoint
    return asserting(client_id, audience, sign, now=now, new_id=lambda: random(16).hex()), []


def certificate(asked: AsClient) -> tuple[str, str] | None:
    """The files of our certificate and its key, for `tls.client_context`; None without one."""
    if not asked.client_certificate_file:
        return None
    return asked.client_certificate_file, asked.client_certificate_key_file


def _key_signer(reference: str, environ: Mapping[str, str]) -> Sign:
    from phantomgate.backends.jose import read_signing_key, signer

    text = read_key(reference, environ)
    try:
        return signer(read_signing_key(text))
    except ValueError as no:
        raise ValueError(f"refers to {named(reference)}, which {no}") from None


def _secret_signer(reference: str, environ: Mapping[str, str]) -> Sign:
    from phantomgate.backends.jose import hmac_signer

    secret = read_secret(reference, environ)
    try:
        return hmac_signer(secret)
    except ValueError as no:
        raise ValueError(f"refers to {named(reference)}, which {no}") from None
