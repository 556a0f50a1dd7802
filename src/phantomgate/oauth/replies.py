"""What every endpoint of the authorization server may answer, whatever it was asked, and what that is to us.

Rule: pure. Trouble of the server or with our own client is told apart from what it says about a token, and nothing of
an answer's text is quoted.
"""

from __future__ import annotations

from typing import Any, NoReturn

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.pattern import pattern
from phantomgate.core.ports import HttpReply
from phantomgate.oauth.quoting import why
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.unverified import read_unverified

_RETRY_SECONDS = 5
_MEDIA_TYPE = pattern(rb"[a-z]{1,16}/[a-z0-9.+-]{1,40}")


def check_up(reply: HttpReply) -> None:
    """Raises Unavailable when the server says that it can't answer now: 429 and 5xx."""
    if reply.status == 429 or reply.status >= 500:
        values = reply.headers.all(b"retry-after")
        seconds = int(values[0][:6]) if len(values) == 1 and values[0].isdigit() else _RETRY_SECONDS
        raise Unavailable(f"the authorization server answered {reply.status}", retry_after=seconds)


def refuse_client(reply: HttpReply) -> NoReturn:
    """The server will not talk to us: our credentials or our rights, never the token."""
    raise Refused(Reason.CLIENT_REFUSED, f"the authorization server refused our client ({reply.status})")


def media_type(reply: HttpReply) -> bytes:
    """The one Content-Type of *reply*, in lower case and without parameters."""
    values = reply.headers.all(b"content-type")
    if len(values) != 1:
        bad_answer(f"{len(values)} Content-Type fields, want one")
    return values[0].split(b";", 1)[0].strip(b" \t").lower()


def shown_media_type(content_type: bytes) -> str:
    """*content_type* for the log: it helps whoever reads it; anything else that stands there is the server's text."""
    return content_type.decode("ascii") if _MEDIA_TYPE.fullmatch(content_type) else "not a media type"


def json_object(body: bytes) -> dict[str, Any]:
    """The strict JSON object that *body* is."""
    try:
        return read_object(body)
    except ValueError as error:
        raise Refused(Reason.BAD_ANSWER, f"the answer's JSON can't be read: {why(error)}") from None


def read_jwt(jwt: str) -> dict[str, Any]:
    """The claims of *jwt*, which the server hands over to be sent upstream: signed, and not a mere statement."""
    try:
        header, claims = read_unverified(jwt)
    except ValueError as error:
        raise Refused(Reason.BAD_ANSWER, f"the answer's JWT can't be read: {why(error)}") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() == "none" or not algorithm:
        bad_answer("the answer's JWT is not signed")
    if str(header.get("typ", "")).lower().removeprefix("application/") == "token-introspection+jwt":
        # RFC 9701 §5: a signed statement about the token, "not intended to be used as an access token"
        bad_answer("the answer's JWT is a token-introspection+jwt, which must not be forwarded")
    return claims


def bad_answer(detail: str) -> NoReturn:
    """This is no answer to what was asked, as *detail* says in our own words."""
    raise Refused(Reason.BAD_ANSWER, detail)
