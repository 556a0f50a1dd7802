"""What goes upstream: the JWT, claims as headers, and nothing the client could pass off as ours.

Every header of ours is always set, empty when the claim is missing, so that a gateway that copies our answer
overwrites whatever the client sent under that name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from phantomgate.core.characters import printable
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Headers, Route, Token, plain_name
from phantomgate.core.ports import Forward

REMEMBERED_TOKENS = 4096

# What a client may not send upstream past us: the credential, what it may be mistaken for, and what could change
# which request the API believes it got.
NEVER_FROM_CLIENTS = (
    "authorization",
    "proxy-authorization",
    "x-authorization",
    "x-forwarded-authorization",
    "x-original-authorization",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-original-path",
)
"""In lower case. Gateways are told these names one by one, see `cli/gateways/headers.py`."""


def forward_jwt(
    claims: Mapping[str, str],
    *,
    also_owned: Collection[str] = (),
    cookies: Callable[[Headers], bytes] | None = None,
) -> Forward:
    """Forwards the token's JWT as Bearer, and each claim of *claims* (header name -> claim name) as a header.

    *also_owned* are further fields that a client may not send upstream, and *cookies* says which of its cookies may go.
    The rendering is remembered per `Token` object, bounded; the oldest goes first.
    """
    owned = frozenset(plain_name(name) for name in (*NEVER_FROM_CLIENTS, *claims, *also_owned))
    wanted = tuple(claims.items())
    rendered: OrderedDict[Token, HeaderChange] = OrderedDict()

    async def forward(route: Route, token: Token) -> HeaderChange:  # noqa: ARG001 - the port's shape
        change = rendered.get(token)
        if change is None:
            if not token.jwt:  # facts that came without a JWT, and nobody made one of them
                raise Refused(Reason.BAD_ANSWER, "there is no JWT to forward")
            fields = [("Authorization", f"Bearer {token.jwt}")]
            fields += [(header, header_value(token.claims.get(claim))) for header, claim in wanted]
            change = HeaderChange(tuple(fields), owned, token.jwt, token.expires_at, token.made, cookies)
            if len(rendered) >= REMEMBERED_TOKENS:
                rendered.popitem(last=False)
            rendered[token] = change
        return change

    return forward


def header_value(claim: Any) -> str:
    """A claim as a header value: visible ASCII as it is, all else percent-encoded as UTF-8; nothing is empty.

    A list becomes its elements with commas between them, a comma inside one encoded, so that no value can split into
    two. An object is left out: whoever needs one reads the JWT.
    """
    if isinstance(claim, list):
        return ",".join(_encoded(_plain(item), also=",") for item in claim)
    return _encoded(_plain(claim))


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return ""


def _encoded(text: str, also: str = "") -> str:
    # visible ASCII with spaces inside only, and nothing that marks an encoding or parts a list
    if printable(text, but="%,") and text == text.strip(" "):
        return text
    special = "%" + also
    encoded = "".join(_percent(char) if char in special or not " " <= char <= "~" else char for char in text)
    # RFC 9110 §5.5: a field value neither begins nor ends with a space
    body = encoded.lstrip(" ")
    core = body.rstrip(" ")
    return "%20" * (len(encoded) - len(body)) + core + "%20" * (len(body) - len(core))


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
