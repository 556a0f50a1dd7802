"""The settings of authorization servers: how each is asked, who we are there, and whose tokens are whose.

Rule: as `settings`, which gives these on; whoever reads settings imports them from there.
"""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, choice, list_of, number, setting
from phantomgate.config.network import keys_source, origin, url
from phantomgate.config.vocabulary import (
    ALGORITHMS_USED,
    CLIENT_ID,
    FILE,
    FORMS,
    ISSUER,
    KEY_SET,
    NAME,
    OWN_KEYS,
    PREFIX_OF_TOKENS,
    SCOPES,
    SECRET,
    TEXTS,
    TYPES,
)
from phantomgate.core.nouns import dataclass, field

_ENDPOINT = url(query=True, want='a URL such as "https://as.example/oauth/v2/oauth-introspect"')
_KEYS = keys_source(want='a URL such as "https://as.example/jwks", or "file:/etc/phantomgate/keys.json"')
_ORIGINS = list_of(origin(want='an origin such as "https://keys.example"'), want='["https://keys.example"]')


@dataclass(frozen=True, slots=True)
class AsClient:
    """An endpoint of an authorization server, and who we are there."""

    endpoint: str = setting(_ENDPOINT, "")
    """Where it is."""
    client_id: str = setting(CLIENT_ID, "")
    """Our name at the authorization server. Required."""
    client_secret: str = setting(SECRET, "")
    """Where our secret is kept: `"env:NAME"` (a variable) or `"file:/run/secrets/NAME"` (a file; one newline at its
    end is not part of the secret). Never the secret itself, in a variable neither. Required, unless `client_auth` is
    `private_key_jwt` or `tls_client_auth`."""
    client_auth: str = setting(
        choice("basic", "basic_raw", "post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "bearer"),
        "basic",
    )
    """How we show who we are: `basic` (`client_secret_basic`, the secret in an Authorization header) or `post`
    (`client_secret_post`, in the form; RFC 6749 §2.3.1); `basic_raw`, as `basic` for a server that doesn't decode what
    that section has encoded, and so calls a secret with `$`, `!` or `+` wrong; `client_secret_jwt` or
    `private_key_jwt`, an assertion good for one minute and one call, signed with the secret (32 bytes or more) or with
    `client_key` (RFC 7523); `tls_client_auth`, `client_certificate_file` alone (RFC 8705, self-signed or not);
    `bearer`, the secret as a Bearer token, which is for introspection only."""
    client_key: str = setting(SECRET, "")
    """The key for `private_key_jwt`, `"file:PATH"` or `"env:NAME"`, as PEM (PKCS#8) or JWK: EC P-256 (ES256), Ed25519
    (EdDSA) or RSA of 2048 bits or more (RS256). Its `kid`, or else its thumbprint (RFC 7638), is in the assertion."""
    assertion_audience: str = setting(ISSUER, "")
    """Whom an assertion is for. Empty: `issuer`, or else `endpoint`."""
    client_certificate_file: str = setting(FILE, "")
    """Our certificate, with its chain, in PEM, for a server that asks for one (mutual TLS). It is shown whatever
    `client_auth` is."""
    client_certificate_key_file: str = setting(FILE, "")
    """The key of that certificate, in PEM and not encrypted. Empty: it is in the same file."""
    timeout: float = setting(duration("10ms", "60s"), "2s")
    """How long one call may take, all in all. Keep it below your gateway's own timeout."""
    allow_insecure_http: bool = setting(SWITCH, False)
    """Send our secret and the tokens over plain http to an endpoint beyond this machine. For tests only."""
    ca_file: str = setting(FILE, "")
    """The authorities, in PEM, that may vouch for the endpoint, instead of the system's. Verification itself can't be
    turned off."""
    max_connections: int = setting(number(1, 10_000), 64)
    """How many connections each worker may have open to the authorization server."""
    issuer: str = setting(ISSUER, "")
    """Whose it is."""


@dataclass(frozen=True, slots=True)
class Introspection(AsClient):
    """The authorization server that knows what an opaque token means (RFC 7662)."""

    endpoint: str = setting(_ENDPOINT, "")
    """The introspection endpoint: https, or http on loopback. Empty: found in the metadata of `issuer` (RFC 8414 or
    OpenID Connect Discovery), and then it must be at the issuer's own origin."""
    answer: str = setting(choice("jwt", "json", "signed"), "jwt")
    """What is asked for: `jwt` (`Accept: application/jwt`, the phantom token itself), `json` (RFC 7662, the JWT in a
    member `phantom_token` or `jwt`, or with `[mint]` or `[exchange]` without one), or `signed` (RFC 9701, an answer
    signed for us). A signed answer is a statement about the token and never goes upstream, so it needs one of these
    two; `issuer` and `keys` are checked in it."""
    verify: str = setting(choice("none", "signature"), "none")
    """Whether the JWT in an answer is verified too. `none`: the connection vouches for it. `signature`: it is signed by
    a key of `issuer`, its `iss` is `issuer`, and what the answer states beside it is the same; an answer without a JWT
    is then not used, even with `[mint]` or `[exchange]`. A JWT that fails is a 502. Signed answers are always
    verified."""
    keys: str = setting(_KEYS, "")
    """Where the keys are that signed answers, or with `verify = "signature"` the JWTs in answers, are signed with: the
    server's `jwks_uri`, or `"file:PATH"` with a JWK Set. Empty: found in the metadata of `issuer`, if `endpoint` is;
    for one of `[[issuers]]`, its own `keys` and `algorithms`."""
    algorithms: tuple[str, ...] = setting(ALGORITHMS_USED, ["RS256"])
    """What they may be signed by (RFC 9701 §6)."""
    decryption_key: str = setting(SECRET, "")
    """Our private key, PEM or JWK, for signed answers that are encrypted too: RSA by RSA-OAEP-256, EC P-256 by ECDH-ES.
    With it, an answer that isn't encrypted is not used."""
    issuer: str = setting(ISSUER, "")
    """Who the authorization server says it is: an answer with another `iss` is not used. Compared letter by letter;
    empty: not checked."""


@dataclass(frozen=True, slots=True)
class Exchange(AsClient):
    """The token endpoint where each token, after it was judged, is exchanged for a JWT made for the API (RFC 8693).
    With this section, every request goes upstream with such a JWT, and never with the token itself. There is one,
    whatever the issuer of a token, and it is shown the tokens of all of them. `audience` or `resource` is needed."""

    endpoint: str = setting(_ENDPOINT, "")
    """The token endpoint: https, or http on loopback. Empty: found in the metadata of `issuer`, and then it must be at
    the issuer's own origin."""
    issuer: str = setting(ISSUER, "")
    """Who the authorization server is, where its metadata or an assertion needs that."""
    audience: str = setting(ISSUER, "")
    """For whom: the parameter `audience`, as the server calls the API. A route may say otherwise
    (`upstream_audience`)."""
    resource: str = setting(url(query=True, want='a URL such as "https://orders.example"'), "")
    """For whom: the parameter `resource` (RFC 8707), the API's URL. A route's `upstream_audience` takes its place where
    `audience` is empty."""
    scope: tuple[str, ...] = setting(SCOPES, [])
    """The scopes to ask for. Empty: what the server thinks right."""
    subject_token: str = setting(choice("presented", "jwt"), "presented")
    """What is exchanged: the token that the client `presented`, or the `jwt` that introspection gave for it."""
    subject_token_type: str = setting(choice("access_token", "jwt"), "access_token")
    """What the server is told that this is (RFC 8693 §3)."""
    requested_token_type: str = setting(choice("access_token", "jwt"), "access_token")
    """What is asked for. It must be a JWT in either case."""
    max_age: float = setting(duration("10s", "24h"), "5m")
    """The longest that one JWT is used; its `exp`, the server's `expires_in` and the end of the token may end it
    sooner. Another is asked for after four fifths of that time. A token for which introspection names no `exp` counts
    as one that ends after this time."""


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """One issuer of tokens among several. A JWT goes to the issuer that its `iss` names, letter by letter, and is
    refused when none is named so; other tokens go by `prefix`, by the route's `issuer`, or to each that introspects,
    in order, until one knows it. `[introspection]`, if it is there too, comes last in that order."""

    name: str = setting(NAME, "")
    """What it is called here, in `[[routes]]` and in the log. Required."""
    issuer: str = setting(ISSUER, "")
    """Its `iss`, exactly as it writes it: `"https://as.example"`. Required."""
    mode: str = setting(choice("verify", "introspect", "both", "split"), "verify")
    """How its tokens are made sure of: `verify`, JWTs by its keys; `introspect`, tokens of any kind by asking it;
    `both`, JWTs that must verify and are then asked about, as wrapper tokens need; `split`, signatures of JWTs, whose
    rest it pushes to us (`[split_tokens]`), and which are then verified as with `verify`."""
    audiences: tuple[str, ...] = setting(TEXTS, [])
    """The `aud` claim names one of these. Needed to verify; with `introspect`, empty means not checked."""
    algorithms: tuple[str, ...] = setting(ALGORITHMS_USED, [])
    """What it signs with, and nothing else is accepted. Needed to verify. An RSA key whose `alg` the issuer doesn't
    tell is for the first RSA algorithm here."""
    typ: tuple[str, ...] = setting(TYPES, ["at+jwt"])
    """The `typ` of its access tokens (RFC 9068 §2.1). Issuers that don't follow that RFC write `"JWT"`, or none at all,
    which is `"none"` here."""
    ignored_header: tuple[str, ...] = setting(OWN_KEYS, [])
    """Which of `jku`, `jwk`, `x5u` and `x5c` its tokens may carry in their header. Such a token is refused else; these
    are never used, whatever they say. Cloud Foundry's UAA puts `jku` into each: `["jku"]`."""
    keys: str = setting(_KEYS, "")
    """Where its key set is: a URL, or `"file:/etc/phantomgate/keys.json"`. Empty: found in its metadata. It is kept as
    long as the server's `Cache-Control` allows, a minute at least and an hour at most, five minutes if it doesn't say;
    for an hour more while the server can't be asked; and looked at again for an unknown key, once in 30 s."""
    jwks: str = setting(KEY_SET, "")
    """Its key set itself, instead of `keys`, for an issuer that can't be asked."""
    prefix: str = setting(PREFIX_OF_TOKENS, "")
    """What its opaque tokens begin with. Then it is asked about those, and about no others."""
    discovery: tuple[str, ...] = setting(FORMS, ["oauth", "openid"])
    """Where its metadata is looked for, in this order: `oauth` is `/.well-known/oauth-authorization-server` between
    host and path (RFC 8414 §3.1), `openid` is `/.well-known/openid-configuration` after the path."""
    endpoint_origins: tuple[str, ...] = setting(_ORIGINS, [])
    """Where else than at the issuer's own origin its metadata may place its endpoints: `["https://keys.example"]`. Our
    secret and the tokens go there."""
    timeout: float = setting(duration("10ms", "60s"), "2s")
    """How long one call for metadata or keys may take."""
    allow_insecure_http: bool = setting(SWITCH, False)
    """Fetch metadata and keys over plain http from beyond this machine, where anybody on the way can give us keys of
    his own. For tests only."""
    ca_file: str = setting(FILE, "")
    """The authorities, in PEM, that may vouch for the issuer, instead of the system's."""
    introspection: Introspection = field(default_factory=Introspection)
