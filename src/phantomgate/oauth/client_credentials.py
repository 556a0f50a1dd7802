"""RFC 6749 §4.4: ask for an access token for ourselves, and read the answer. Pure: a call out, a reply in."""

from __future__ import annotations

from typing import Any, NoReturn

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.bearer import read_authorization
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.form import form_body
from phantomgate.oauth.quoting import why
from phantomgate.oauth.strict_json import read_object

ERRORS = frozenset(("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"))
ERRORS |= {"unsupported_grant_type", "invalid_scope", "invalid_token", "access_denied", "invalid_target"}
"""RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2: codes that may be repeated; any other text is the server's own."""


def client_credentials_request(endpoint: str, client: ClientAuth, scope: str, timeout: float) -> HttpCall:
    """The question for a token with *scope* (empty: whatever the server gives us); *timeout* is in seconds."""
    asked = [("grant_type", "client_credentials"), *([("scope", scope)] if scope else []), *client.params]
    return HttpCall(
        "POST",
        endpoint,
        headers=(
            ("Accept", "application/json"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            *client.headers,
        ),
        body=form_body(asked),
        timeout=timeout,
    )


def read_client_credentials(reply: HttpReply) -> str:
    """The Bearer token in *reply*.

    Raises Refused: CLIENT_REFUSED when the server has none for us, BAD_ANSWER when this is no answer; and Unavailable
    for 429 and 5xx.
    """
    status = reply.status
    if status == 429 or status >= 500:
        raise Unavailable(f"the authorization server answered {status}, asked for a token")
    if status in (400, 401, 403):
        code = error_code(reply)
        said = f", {code}" if code else ""
        raise Refused(Reason.CLIENT_REFUSED, f"the authorization server gave us no token ({status}{said})")
    if status != 200:
        _bad(f"status {status}, want 200")
    try:
        answer = read_object(reply.body)
    except ValueError as error:
        _bad(why(error))
    return _bearer(answer)


def error_code(reply: HttpReply) -> str:
    """The `error` in *reply* if it is one of the RFCs' (§5.2); else empty."""
    try:
        code = read_object(reply.body).get("error")
    except ValueError:
        return ""
    return code if isinstance(code, str) and code in ERRORS else ""


def _bearer(answer: dict[str, Any]) -> str:
    if str(answer.get("token_type", "")).lower() != "bearer":  # §7.1: not understood, not to be used
        _bad("token_type is not Bearer")
    token = answer.get("access_token")
    if not isinstance(token, str):
        _bad("no access_token")
    try:
        return read_authorization(b"Bearer " + token.encode("utf-8", "replace"))
    except Refused:
        _bad("access_token can't be sent as Bearer (RFC 6750 section 2.1)")


def _bad(detail: str) -> NoReturn:
    raise Refused(Reason.BAD_ANSWER, f"the token endpoint's answer can't be used: {detail}")
