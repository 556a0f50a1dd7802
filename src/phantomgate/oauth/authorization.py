"""RFC 6749 §4.1.1, RFC 7636, RFC 9126, OpenID Connect Core §3.1.2.1: send a browser to log in. Pure.

Rule: everything that protects a login (state, nonce, PKCE, redirect_uri) is written here and can't be given twice: what
a page may add is checked against those names. With PAR the browser carries a reference and none of it (RFC 9126 §7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from phantomgate.core.base64url import base64url_text
from phantomgate.core.errors import PhantomgateError
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.client_auth import ClientAuth, form_call
from phantomgate.oauth.form import form_value
from phantomgate.oauth.replies import bad_answer, check_up, json_object, media_type, refuse_client

ERRORS = frozenset(
    (
        # RFC 6749 §4.1.2.1
        *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope"),
        *("server_error", "temporarily_unavailable"),
        # OpenID Connect Core §3.1.2.6
        *("interaction_required", "login_required", "account_selection_required", "consent_required"),
        *("invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported"),
        *("registration_not_supported", "unmet_authentication_requirements", "invalid_target"),
    )
)
"""The codes that an authorization endpoint may answer with. Any other is the server's own text and goes no further."""

OURS = frozenset(
    (
        *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "iss"),
        *("code_challenge", "code_challenge_method", "request", "request_uri", "id_token_hint", "dpop_jkt"),
        *("client_secret", "client_assertion", "client_assertion_type"),
    )
)
"""Parameters that a page may never set."""


class AuthorizationRefused(PhantomgateError):
    """The server refuses the login: `error` is its code if that is a known one, else empty."""

    def __init__(self, error: str) -> None:
        self.error = error if error in ERRORS else ""
        super().__init__(f"the authorization server answered {self.error or 'an error code that is none of OAuth'}")


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """One login: for whom, back to where, and what binds the answer to the browser that began it."""

    client_id: str
    redirect_uri: str
    scope: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """What the server is asked. Raises ValueError when `extra` has a name that is ours, or one twice."""
        names = [name for name, _ in self.extra]
        if not OURS.isdisjoint(names) or len(set(names)) < len(names):
            raise ValueError("an extra parameter is one of the protocol's own, or is there twice")
        return (
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri),
            ("scope", self.scope),
            ("state", self.state),
            ("nonce", self.nonce),
            ("code_challenge", challenge(self.code_verifier)),
            ("code_challenge_method", "S256"),
            *self.extra,
        )


def challenge(code_verifier: str) -> str:
    """RFC 7636 §4.2: S256, and never plain."""
    return base64url_text(sha256(code_verifier.encode("ascii")).digest())


def url_with(endpoint: str, params: Iterable[tuple[str, str]]) -> str:
    """*endpoint*, whose own query stays (RFC 6749 §3.1), with *params* behind."""
    query = "&".join(f"{form_value(name)}={form_value(value)}" for name, value in params)
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}" if query else endpoint


def pushed_request(endpoint: str, client: ClientAuth, params: Sequence[tuple[str, str]], timeout: float) -> HttpCall:
    """RFC 9126 §2.1: *params* sent by us instead of the browser; *timeout* in seconds."""
    names = {name for name, _ in client.params}
    own = tuple(pair for pair in params if pair[0] not in names)  # client_id may come with the authentication
    return form_call(endpoint, client, own, timeout)


def read_pushed(reply: HttpReply) -> str:
    """RFC 9126 §2.2: the `request_uri` that stands for what was pushed.

    Raises AuthorizationRefused when the server refuses the request itself; Refused and Unavailable as `replies` do.
    """
    check_up(reply)
    if reply.status == 400 and media_type(reply) == b"application/json":
        error = json_object(reply.body).get("error")
        if error != "invalid_client":
            raise AuthorizationRefused(error if isinstance(error, str) else "")
        refuse_client(reply)
    if reply.status in (400, 401, 403):
        refuse_client(reply)
    if reply.status not in (200, 201):  # §2.2 says 201
        bad_answer(f"status {reply.status}, want 201")
    if media_type(reply) != b"application/json":
        bad_answer("Content-Type of the pushed request's answer is not application/json")
    request_uri = json_object(reply.body).get("request_uri")
    if not isinstance(request_uri, str) or not 0 < len(request_uri) <= 2048 or not request_uri.isascii():
        bad_answer("request_uri is not a plain string")
    return request_uri
