"""What may be tried, in the order in which we would rather have it. Pure.

Rule: least secret, safest first. To verify needs no secret and no call; a server's own JWT is better than one that we
make of its facts. A way to show who we are that keeps the secret here is better than one that sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from phantomgate.cli.probing.given import Given
from phantomgate.config.vocabulary import TEXT, TYPES
from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.quoting import shown
from phantomgate.oauth.unverified import UnverifiedJwt, read_unverified

MOST_REFUSED = 3
"""After so many refusals we stop showing who we are: some servers lock a client out after a few more."""

RAW = "basic_raw"
"""How servers want a secret that don't decode what RFC 6749 §2.3.1 has encoded; tried last, where that may help."""

WIRE_NAMES: Mapping[str, tuple[str, ...]] = {
    "tls_client_auth": ("tls_client_auth", "self_signed_tls_client_auth"),
    "private_key_jwt": ("private_key_jwt",),
    "client_secret_jwt": ("client_secret_jwt",),
    "basic": ("client_secret_basic",),
    "post": ("client_secret_post",),
    RAW: ("client_secret_basic",),
}
"""`client_auth`, best first, and what servers call it (RFC 8414 §2, RFC 8705 §2). `bearer` is tried when named only."""


class Method(NamedTuple):
    """A way to show who we are, as `client_auth` has it; *why_not*, if it won't be tried."""

    name: str
    why_not: str = ""


def methods(given: Given, advertised: Collection[str], *, raw: bool = False) -> Iterator[Method]:
    """How we might show who we are to a server that takes what is *advertised*; nothing there means it doesn't say.

    *raw*: whether `basic_raw` is another way than `basic`.
    """
    if given.client_auth:
        yield Method(given.client_auth)
        return
    for name, wire_names in WIRE_NAMES.items():
        if name == RAW and not raw:
            continue
        lacking, named = _lacking(name, given), set(wire_names) & set(advertised)
        if name == "client_secret_jwt" and not named:
            continue  # few servers take it, and it would be a refusal for nothing
        if advertised and not named:
            if not lacking:
                yield Method(name, f"the server doesn't name it; --client-auth {name} tries it")
        elif not lacking:
            yield Method(name)
        elif advertised:
            yield Method(name, f"needs {lacking}")


def _lacking(name: str, given: Given) -> str:
    if name == "tls_client_auth":
        return "" if given.certificate else "--client-certificate"
    if name == "private_key_jwt":
        return "" if given.client_key else "--client-key"
    return "" if given.client_secret else "--client-secret"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make sure of tokens, as settings have it."""

    mode: str
    """verify or introspect."""
    client_auth: str = ""
    answer: str = ""
    mint: bool = False
    encrypted: bool = False
    subject: str = "sub"
    """Where we mint, the claim that says whose token it is."""
    verified: bool = False
    """Whether the signature of the server's own JWT is made sure of too."""

    @property
    def title(self) -> str:
        """What it is called here."""
        if self.mode == "verify":
            return "verify JWTs by its keys"
        titles = {"jwt": "application/jwt", "json": "JSON", "signed": "signed JSON"}
        more = " and encrypted" if self.encrypted else ""
        whose = f" for its {self.subject}" if self.subject != "sub" else ""
        return titles[self.answer] + more + (f", JWT minted here{whose}" if self.mint else "")

    @property
    def why(self) -> str:
        """What speaks for it."""
        if self.mode == "verify":
            return (
                "no secret, no call to the server for a token. A revoked token works until its exp; where that is too "
                "long, introspect instead."
            )
        if not self.mint:
            more = ", and its signature is verified too." if self.verified else "."
            if self.answer == "jwt":
                return f"the server's own JWT goes upstream (the phantom token flow){more}"
            return f"the server's own JWT, a member of its JSON, goes upstream{more}"
        if self.answer == "json":
            return "the server gives facts and no JWT that may go upstream, so one is made of them here."
        return "the server signs its facts for us, and a JWT is made of them here."


ORDER: tuple[tuple[str, str, bool], ...] = (
    ("verify", "", False),
    ("introspect", "jwt", False),
    ("introspect", "json", False),
    ("introspect", "json", True),
    ("introspect", "signed", True),
)


def rank(way: Way) -> tuple[int, bool]:
    """Its place among all ways: the least is the best. Encrypted answers come after others of their kind."""
    return ORDER.index((way.mode, way.answer, way.mint)), way.encrypted


def introspections(client_auth: str, *, signed: bool, encrypted: bool) -> Iterator[Way]:
    """How a server may be asked. *signed*: whether there are keys to read signed answers with."""
    yield Way("introspect", client_auth, "jwt")
    yield Way("introspect", client_auth, "json")
    if signed:
        yield Way("introspect", client_auth, "signed", True)
    if signed and encrypted:
        yield Way("introspect", client_auth, "signed", True, True)


class Shape(NamedTuple):
    """What a JWT says of itself, as far as settings can hold it; *why_not* when it can't be verified with any."""

    algorithm: str
    typ: str
    audiences: tuple[str, ...]
    why_not: str = ""
    own_keys: tuple[str, ...] = ()
    """What it says of keys by itself (RFC 7515 §4.1.2 to 4.1.6), which is never believed."""


def shape(token: str) -> Shape | None:
    """The shape of *token*; None when it is opaque to us."""
    try:
        said = read_unverified(token)
    except ValueError:
        return None
    audiences = audiences_of(said.claims)
    own_keys = tuple(name for name in ("jku", "jwk", "x5c", "x5u") if name in said.header)
    algorithm, typ = said.header.get("alg"), said.header.get("typ", "none")
    return Shape(str(algorithm), str(typ), audiences, _unverifiable(said, audiences, typ), own_keys)


def _unverifiable(said: UnverifiedJwt, audiences: tuple[str, ...], typ: object) -> str:
    algorithm = said.header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return f"alg of the token is {shown(algorithm)}, which needs a shared secret or nothing to sign with"
    if not audiences:
        return f"aud of the token is {shown(said.claims.get('aud'))}, so it is for nobody in particular"
    try:
        TYPES.read([typ])
    except ValueError:
        return f"typ of the token is {shown(typ)}, which is no media type"
    return ""


def audiences_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom a token with these *claims* is for, as far as settings can name them (RFC 7519 §4.1.3)."""
    aud = claims.get("aud")
    names = aud if isinstance(aud, list) else [aud]
    return tuple(dict.fromkeys(str(one) for one in names if _is_text(one)))[:10]


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or len(value) > 256:
        return False
    try:
        TEXT.read(value)
    except ValueError:
        return False
    return True
