"""What the settings of how one server is asked say together, be it that of [introspection] or one of [[issuers]].

Rule: as `checks`. What would have no effect, and what is missing for what was chosen, are problems, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from phantomgate.config.asking import verifies_answers
from phantomgate.config.network import insecure
from phantomgate.config.settings import AsClient, Introspection


def problems_of_asking(
    at: str, asked: Introspection, makes_jwts: bool, unread: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it); *at* is the place of *asked* in the settings.

    *makes_jwts*: whether answers without a JWT will do.
    """
    yield from problems_of_client(at, asked, unread)
    for name, also, check in _CHECKS:
        if not any(f"{at}.{one}" in unread for one in (name, *also)):
            text = check(at, asked)
            if text:
                yield f"{at}.{name}", text
    if asked.answer == "signed" and not makes_jwts and not {f"{at}.answer", "mint.keys"} & set(unread):
        # RFC 9701 §5: a statement about a token is not to be used as one
        text = 'is "signed", which gives no JWT that may go upstream; write keys, issuer and audience under [mint], or \
[exchange]'
        yield f"{at}.answer", text


def problems_of_client(at: str, asked: AsClient, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """The same for what every endpoint has: who we are there."""
    for name, also, check in _CLIENT_CHECKS:
        if not any(f"{at}.{one}" in unread for one in (name, *also)):
            text = check(at, asked)
            if text:
                yield f"{at}.{name}", text


def problems_of_token_client(at: str, asked: AsClient, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """The same for a client of a token endpoint, where a bearer token says nothing of who we are."""
    yield from problems_of_client(at, asked, unread)
    if f"{at}.client_auth" in unread:
        return
    if not asked.client_secret and wants_secret(asked) and f"{at}.client_secret" not in unread:
        yield f"{at}.client_secret", missing(at, "client_secret", "env:NAME")
    if asked.client_auth == "bearer":
        text = 'is "bearer", by which no client authenticates at a token endpoint; write "basic" or another'
        yield f"{at}.client_auth", text


IN_THE_CLEAR = "is http, which would send our secret and the tokens in the clear; write https:// (or, for a test only, \
allow_insecure_http = true)"


def wants_secret(asked: AsClient) -> bool:
    """Whether we show who we are by a shared secret or token."""
    return asked.client_auth not in ("private_key_jwt", "tls_client_auth")


def missing(at: str, key: str, example: str) -> str:
    """That *key* is missing at the place *at*, and where to write it."""
    if at.startswith("issuers["):
        return f'is missing; write {key} = "{example}" under [issuers.introspection] below this issuer'
    variable = f"PHANTOMGATE__{at}__{key}".upper()
    return f'is missing; write {key} = "{example}" under [{at}], or set {variable}'


def _client_key_is_of_use(at: str, asked: AsClient) -> str:
    if asked.client_auth == "private_key_jwt" and not asked.client_key:
        return missing(at, "client_key", "file:/run/secrets/client-key.pem")
    if asked.client_key and asked.client_auth != "private_key_jwt":
        return f'has no effect with client_auth = "{asked.client_auth}"; write client_auth = "private_key_jwt"'
    return ""


def _signer_has_a_name(at: str, asked: Introspection) -> str:
    return missing(at, "issuer", "https://as.example") if verifies_answers(asked) and not asked.issuer else ""


def _what_is_signed_is_verified(at: str, asked: Introspection) -> str:
    if not verifies_answers(asked):
        return 'has no effect; it is for answer = "signed" or verify = "signature"' if asked.keys else ""
    found_in_metadata = not asked.endpoint
    return "" if asked.keys or found_in_metadata else missing(at, "keys", "https://as.example/jwks")


def _verifying_adds_something(at: str, asked: Introspection) -> str:  # noqa: ARG001 - the shape of a check
    if asked.answer != "signed" or asked.verify == "none":
        return ""
    return 'has no effect with answer = "signed", where every answer is verified; remove it'


def _decrypting_is_for_signed_answers(at: str, asked: Introspection) -> str:  # noqa: ARG001 - the shape of a check
    return 'has no effect; it is for answer = "signed"' if asked.decryption_key and asked.answer != "signed" else ""


def _keys_are_private(at: str, asked: Introspection) -> str:  # noqa: ARG001 - the shape of a check
    """Whoever can change the keys on their way can sign answers."""
    if asked.keys.startswith("file:") or not asked.keys or asked.allow_insecure_http or not insecure(asked.keys):
        return ""
    return "is http, so anybody on the way could give us other keys; write https://"


def _signatures_have_algorithms(at: str, asked: Introspection) -> str:  # noqa: ARG001 - the shape of a check
    return "" if asked.algorithms else 'is empty; write algorithms = ["RS256"]'


def _id_can_be_raw(at: str, asked: AsClient) -> str:  # noqa: ARG001 - the shape of a check
    if asked.client_auth != "basic_raw" or ":" not in asked.client_id:
        return ""
    return 'has a colon, behind which a server takes all for the secret (RFC 7617 §2); write client_auth = "basic", \
which encodes it, or "post"'


def _certificate_is_there(at: str, asked: AsClient) -> str:
    wanted = asked.client_auth == "tls_client_auth" or asked.client_certificate_key_file
    if asked.client_certificate_file or not wanted:
        return ""
    return missing(at, "client_certificate_file", "/etc/phantomgate/client.pem")


def _certificate_is_shown(at: str, asked: AsClient) -> str:  # noqa: ARG001 - the shape of a check
    if asked.client_auth != "tls_client_auth":
        return ""
    if not asked.endpoint and asked.issuer:
        return (
            'is missing, and with client_auth = "tls_client_auth" it isn\'t looked for in the metadata, where it may \
have another address for certificates (RFC 8705 §5); write endpoint'
        )
    if asked.endpoint.lower().startswith("http:"):
        return 'is http, where no certificate is shown; write https://, or another client_auth than "tls_client_auth"'
    return ""


_CLIENT_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[str, AsClient], str]], ...] = (
    ("client_key", ("client_auth",), _client_key_is_of_use),
    ("client_id", ("client_auth",), _id_can_be_raw),
    ("client_certificate_file", ("client_auth",), _certificate_is_there),
    ("endpoint", ("client_auth", "issuer"), _certificate_is_shown),
)
_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[str, Introspection], str]], ...] = (
    ("issuer", ("answer", "verify"), _signer_has_a_name),
    ("verify", ("answer",), _verifying_adds_something),
    ("keys", ("answer", "verify", "endpoint"), _what_is_signed_is_verified),
    ("decryption_key", ("answer",), _decrypting_is_for_signed_answers),
    ("keys", ("allow_insecure_http",), _keys_are_private),
    ("algorithms", (), _signatures_have_algorithms),
)
"""(the setting that is blamed, the others it looks at, the check)."""
