"""RFC 8414 and OpenID Connect Discovery: ask an issuer where its endpoints are, and read what it says. Pure.

Rule: the document is data of somebody who may be lying. It is used only when it names the very issuer that was asked
(§3.3), and an endpoint only at the issuer's own origin or one that the settings name, since our client secret goes
there. Which addresses are tried is configured, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, NoReturn, TypeAlias

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.quoting import shown
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.urls import insecure, split_url

Form: TypeAlias = Literal["oauth", "openid"]
"""How an issuer becomes the address of its document: RFC 8414 §3.1 or OpenID Connect Discovery §4."""

MAX_BYTES = 65536
WANTED = ("jwks_uri", "introspection_endpoint")
_LONGEST_URL = 2048
_PLACES = {"oauth": "oauth-authorization-server", "openid": "openid-configuration"}


class Metadata(NamedTuple):
    """Where an issuer's endpoints are; empty for one that it doesn't have."""

    issuer: str
    jwks_uri: str = ""
    introspection_endpoint: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    pushed_authorization_request_endpoint: str = ""
    userinfo_endpoint: str = ""
    revocation_endpoint: str = ""
    end_session_endpoint: str = ""
    authorization_response_iss_parameter_supported: bool = False
    """RFC 9207 §3: every authorization response names its issuer."""
    require_pushed_authorization_requests: bool = False


FOR_LOGIN = (
    "jwks_uri",
    "authorization_endpoint",
    "token_endpoint",
    "pushed_authorization_request_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
)
"""What an OAuth agent needs."""


class NoMetadata(Refused):
    """There is no such document at this address; the other form of it may be there."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.BAD_ANSWER, f"metadata: {detail}")


def metadata_request(issuer: str, form: Form, timeout: float) -> HttpCall:
    """The question for the document of *issuer*, which `urls.check_issuer` has taken."""
    origin, target = split_url(issuer)
    path = "" if target == "/" else target.rstrip("/")  # §3.1: a terminating "/" is removed
    place = f"/.well-known/{_PLACES[form]}"
    # RFC 8414 §3.1 puts the well-known part between host and path, OpenID Connect Discovery §4.1 after the path
    at = place + path if form == "oauth" else path + place
    accept = (("Accept", "application/json"),)
    return HttpCall("GET", f"{origin}{at}", accept, timeout=timeout, max_bytes=MAX_BYTES, held=True)


def read_metadata(
    reply: HttpReply,
    issuer: str,
    *,
    origins: Collection[str] = (),
    allow_insecure_http: bool = False,
    wanted: Collection[str] = WANTED,
) -> Metadata:
    """What the document of *issuer* says of the endpoints that are *wanted*; nothing is concluded from the others.

    *origins* ("https://keys.example") may have its endpoints besides its own.

    Raises NoMetadata when there is none at this address, Unavailable for 429 and 5xx, and Refused(BAD_ANSWER) when the
    document is malformed, is another issuer's, or has an endpoint where none may be.
    """
    said = read_document(reply, issuer)
    found = {
        name: read_endpoint(said, name, (issuer, *origins), allow_insecure_http=allow_insecure_http) for name in wanted
    }
    return Metadata(
        issuer,
        **found,
        authorization_response_iss_parameter_supported=_flag(said, "authorization_response_iss_parameter_supported"),
        require_pushed_authorization_requests=_flag(said, "require_pushed_authorization_requests"),
    )


def read_document(reply: HttpReply, issuer: str) -> dict[str, Any]:
    """All that the document of *issuer* says, checked for nothing but its name. Raises as `read_metadata`."""
    _check_status(reply)
    said = _read(reply)
    if said.get("issuer") != issuer:  # §3.3: identical, or the document MUST NOT be used
        _bad(f"the document's issuer is {shown(said.get('issuer'))}, want {shown(issuer)}, letter by letter")
    return said


def read_endpoint(
    said: Mapping[str, Any], name: str, places: Collection[str], *, allow_insecure_http: bool = False
) -> str:
    """The endpoint *name* in a document; empty when there is none. It is at the origin of one of the URLs *places*.

    Raises Refused(BAD_ANSWER) for one that is malformed, elsewhere, or http beyond loopback.
    """
    return _endpoint(said, name, {str(split_url(place)[0]) for place in places}, allow_insecure_http)


def _check_status(reply: HttpReply) -> None:
    status = reply.status
    if status == 200:
        return
    if status == 429 or status >= 500:
        raise Unavailable(f"the authorization server answered {status}, asked for its metadata")
    if status >= 400:
        raise NoMetadata(f"status {status}, want 200")
    _bad(f"status {status}, want 200; redirects are not followed")


def _read(reply: HttpReply) -> dict[str, Any]:
    types = reply.headers.all(b"content-type")
    if len(types) != 1 or types[0].split(b";", 1)[0].strip(b" \t").lower() != b"application/json":  # §3.2
        raise NoMetadata("not application/json")
    try:
        return read_object(reply.body)
    except ValueError as error:
        # json and codecs quote what they read; only our own texts are safe to repeat
        _bad(f"the document can't be read: {error if type(error) is ValueError else type(error).__name__}")


def _endpoint(said: Mapping[str, Any], name: str, allowed: Collection[str], allow_insecure_http: bool) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or (name in said and not value) or len(value) > _LONGEST_URL:
        _bad(f"{name} is not a URL")
    if not value:
        return ""
    try:
        origin, _ = split_url(value)
    except ValueError as error:
        _bad(f"{name} can't be called: {error}")
    if str(origin) not in allowed:
        _bad(f"{name} is at {origin}, which is neither the issuer's origin nor one of endpoint_origins")
    if insecure(value) and not allow_insecure_http:
        _bad(f"{name} is http, want https")
    return value


def _flag(said: Mapping[str, Any], name: str) -> bool:
    value = said.get(name, False)
    if not isinstance(value, bool):
        _bad(f"{name} is neither true nor false")
    return value


def _bad(detail: str) -> NoReturn:
    raise Refused(Reason.BAD_ANSWER, f"metadata: {detail}")
