"""Ask a server what it says of itself, for its keys, and, where we may, for a token. Each answer is bounded.

Rule: no secret is sent here, but to the token endpoint when a token is to be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from phantomgate.cli.probing.given import Given
from phantomgate.cli.probing.said import Said, read_said
from phantomgate.config.durations import read_duration
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import Http
from phantomgate.oauth.bearer import read_authorization
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.discovery import Form, NoMetadata, metadata_request, read_document
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.key_set import key_set_request, read_key_set_reply
from phantomgate.oauth.token_endpoint import TokenRefused, read_token_reply, token_request
from phantomgate.resolvers.client import Authenticate

FORMS: tuple[Form, ...] = ("oauth", "openid")
PREFERRED = ("RS256", "ES256", "EdDSA", "PS256", "ES384", "ES512", "RS384", "RS512", "PS384", "PS512")
"""What a key is taken to be for that doesn't say so itself; the first that fits."""


class Metadata(NamedTuple):
    """What the server says of itself, and where; or why there is nothing to read."""

    said: Said = Said()
    url: str = ""
    form: Form | None = None
    passed: tuple[tuple[str, Refused], ...] = ()
    """Where it was looked for in vain, and why."""

    @property
    def trouble(self) -> Refused | None:
        """Why there is no metadata, in the words of the most telling answer."""
        if self.form is not None or not self.passed:
            return None
        return next((no for _, no in self.passed if not isinstance(no, NoMetadata)), self._nowhere())

    def _nowhere(self) -> Refused:
        places = " nor ".join(f"{url} ({no.detail})" for url, no in self.passed)
        return Refused(Reason.BAD_ANSWER, f"the issuer publishes no metadata at {places}")

    @property
    def discovery(self) -> tuple[str, ...]:
        """The setting `discovery`, where the usual one would not find it."""
        hard = any(not isinstance(no, NoMetadata) for _, no in self.passed)
        return (self.form,) if self.form is not None and hard else ()


async def metadata(http: Http, given: Given) -> Metadata:
    """The metadata of the issuer, wherever it is."""
    passed: list[tuple[str, Refused]] = []
    for form in FORMS:
        call = metadata_request(given.issuer, form, read_duration(given.timeout))
        try:
            document = read_document(await http.send(call), given.issuer)
        except Refused as no:
            passed.append((call.url, no))
        else:
            said = read_said(document, given.places, allow_insecure_http=given.allow_insecure_http)
            return Metadata(said, call.url, form, tuple(passed))
    return Metadata(passed=tuple(passed))


class Keys(NamedTuple):
    """The server's keys, or why they can't be read; neither when nobody says where they are."""

    url: str = ""
    found: KeySet | None = None
    trouble: Refused | None = None

    def algorithms(self) -> Sequence[str]:
        """What the usable keys are for."""
        return tuple(dict.fromkeys(key.alg for key in self.found.keys)) if self.found else ()


async def keys(http: Http, url: str, seconds: float) -> Keys:
    """The keys at *url*; *seconds* is for how long we wait."""
    if not url:
        return Keys()
    try:
        return Keys(url, read_key_set_reply(await http.send(key_set_request(url, seconds)), PREFERRED))
    except Refused as no:
        return Keys(url, trouble=no)


async def token(http: Http, endpoint: str, client: ClientAuth | Authenticate, scope: str, seconds: float) -> str:
    """A new access token, by client credentials (RFC 6749 §4.4). Raises Refused when there is none for us."""
    auth = client if isinstance(client, ClientAuth) else await client()
    asked = [("grant_type", "client_credentials"), *([("scope", scope)] if scope else [])]
    try:
        given = read_token_reply(await http.send(token_request(endpoint, auth, asked, timeout=seconds)))
    except TokenRefused as no:
        raise Refused(Reason.CLIENT_REFUSED, f"the authorization server gave us no token: {no.error}") from None
    return read_authorization(b"Bearer " + given.access_token.encode("ascii"))
