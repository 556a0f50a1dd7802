"""RFC 6749 §3.2: ask the token endpoint for tokens, and read what it gives. Pure: a call out, a reply in.

Rule: a grant that the server refuses is one exception, `TokenRefused`, because only who asked knows what that means;
trouble of the server, trouble with our own client and answers that are none are the same refusals as everywhere.
Nothing of an answer's text is quoted but the error code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from phantomgate.core.errors import PhantomgateError, Refused, Unavailable
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.pattern import pattern
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.client_auth import ClientAuth, form_call
from phantomgate.oauth.replies import bad_answer, check_up, json_object, media_type, refuse_client, shown_media_type

MAX_EXPIRES_IN = 10**10
"""Seconds, some three hundred years: servers that mean "never" say 2^31 - 1, and beyond this nobody means a time."""
_VSCHARS = pattern(r"[ -~]+")  # RFC 6749 appendix A
_TOKEN = pattern(r"[!-~]+")  # the same without SP, which no header can carry in a token
_CODE = pattern(r"[a-z0-9_.-]{1,64}")


class TokenRefused(PhantomgateError):
    """The server refuses what was asked for (RFC 6749 §5.2): `error` is its code, as in "invalid_grant".

    Not a `Refused`: whether it means the user's token, our settings or the end of a session is for the caller to say.
    """

    def __init__(self, error: str) -> None:
        super().__init__(f"the token endpoint answered {error}")
        self.error = error


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1, OpenID Connect Core §3.1.3.3).

    `token_type` is in lower case; `expires_in` is in seconds and None where the server did not say; the id token is as
    it came, not verified.
    """

    access_token: str = field(repr=False)
    token_type: str
    expires_in: float | None = None
    scope: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    issued_token_type: str | None = None


def token_request(
    endpoint: str, client: ClientAuth, params: Sequence[tuple[str, str]], *, timeout: float, repeat: bool = False
) -> HttpCall:
    """The request for tokens with *params*, `grant_type` among them, as *client*: form-encoded, nothing in the URL.

    *timeout* is in seconds. *repeat* as in `HttpCall`: codes and refresh tokens are used once, so a request that may
    have arrived isn't sent again. Raises ValueError for a repeated parameter (RFC 6749 §3.2), unless it is one of
    RFC 8693 §2.1 that may be.
    """
    names = [name for name, _ in (*params, *client.params) if name not in ("audience", "resource")]
    if len(names) != len(set(names)):
        raise ValueError("a parameter of the token request is there twice")
    return form_call(endpoint, client, params, timeout, repeat=repeat)


def read_token_reply(reply: HttpReply, *, types: Collection[str] = ("bearer",)) -> TokenAnswer:
    """The tokens in *reply*; *types*, in lower case, are the token types that the caller can use (RFC 6749 §7.1).

    Raises TokenRefused when the server refuses the grant; Refused(CLIENT_REFUSED) when it refuses us: `invalid_client`,
    401, 403; Unavailable for 429, 5xx and `temporarily_unavailable`; Refused(BAD_ANSWER) when this is no answer.
    """
    check_up(reply)
    if reply.status != 200:
        _read_refusal(reply)
    content_type = media_type(reply)
    if content_type != b"application/json":  # RFC 6749 §5.1
        bad_answer(f"Content-Type is {shown_media_type(content_type)}, want application/json")
    said = json_object(reply.body)
    if "error" in said:  # some servers refuse with 200, and both at once is neither
        bad_answer("status 200 with an error")
    token_type = _text(said, "token_type").lower()  # RFC 6749 §5.1: "Value is case insensitive"
    if token_type not in types:
        bad_answer(f"token_type is none of {', '.join(sorted(types))}")
    return TokenAnswer(
        _token(said, "access_token"),
        token_type,
        _expires_in(said),
        None if said.get("scope") is None else _text(said, "scope", empty=True),
        _optional(said, "refresh_token"),
        _optional(said, "id_token"),
        _optional(said, "issued_token_type"),
    )


def _read_refusal(reply: HttpReply) -> None:
    code = error_code(reply)
    if reply.status in (401, 403):
        if code == "invalid_grant":  # Auth0 says 403 for a refresh token that is no longer good
            raise TokenRefused(code)
        refuse_client(reply)
    if reply.status != 400:  # RFC 6749 §5.2; a redirect is no answer
        bad_answer(f"status {reply.status}, want 200")
    if not code:
        bad_answer("status 400 without an error code")
    if code == "invalid_client":
        refuse_client(reply)
    if code in ("temporarily_unavailable", "server_error"):
        raise Unavailable(f"the token endpoint answered {code}")
    raise TokenRefused(code)


def error_code(reply: HttpReply) -> str:
    """The code of a refusal (RFC 6749 §5.2); empty when there is none that we can mean."""
    try:
        code = json_object(reply.body).get("error") if media_type(reply) == b"application/json" else None
    except Refused:
        return ""  # then the status alone speaks
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _text(said: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not (_VSCHARS.fullmatch(value) or (empty and not value)):
        bad_answer(f"{name} is {'missing' if name not in said else 'not a plain string'}")
    return value


def _token(said: Mapping[str, Any], name: str) -> str:
    value = _text(said, name)
    if not _TOKEN.fullmatch(value):
        bad_answer(f"{name} has a space in it")
    return value


def _optional(said: Mapping[str, Any], name: str) -> str | None:
    # null says no more than absence, and some servers write every member that they know
    return None if said.get(name) is None else _token(said, name)


def _expires_in(said: Mapping[str, Any]) -> float | None:
    value = said.get("expires_in")
    if value is None:
        return None
    # "3600" is a string, true is an int to Python only, 1e99 is no time that anybody means
    if type(value) not in (int, float) or not 0 <= value <= MAX_EXPIRES_IN:
        bad_answer(f"expires_in is not a number of seconds from 0 to {MAX_EXPIRES_IN}")
    return float(value)
