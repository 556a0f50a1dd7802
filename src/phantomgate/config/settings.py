"""Every setting there is, as one tree of frozen values. The docstrings below are the reference that users read.

Rule: a setting is one line with its kind and its default, as a person would write it, and a docstring that says what
it does and when to change it. Here are no checks and no reading: `kinds` knows what a value may be, `checks` what two
settings say together, `loading` where they come from. Durations are held in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from phantomgate.config.durations import duration, size
from phantomgate.config.kinds import SWITCH, choice, list_of, number, setting
from phantomgate.config.network import ADDRESS, NETWORKS, keys_source, origin, url
from phantomgate.config.session_settings import Session
from phantomgate.config.vocabulary import (
    ALGORITHMS_USED,
    CLAIM,
    CLAIMS,
    CLIENT_ID,
    COPIED_CLAIMS,
    FILE,
    FORMS,
    ISSUER,
    KEY_SET,
    METHODS,
    NAME,
    OWN_KEYS,
    PATH,
    PREFIX_OF_TOKENS,
    REALM,
    SCOPES,
    SECRET,
    SECRETS,
    TEXTS,
    TYPES,
)

_ENDPOINT = url(query=True, want='a URL such as "https://as.example/oauth/v2/oauth-introspect"')
_KEYS = keys_source(want='a URL such as "https://as.example/jwks", or "file:/etc/phantomgate/keys.json"')
_ORIGINS = list_of(origin(want='an origin such as "https://keys.example"'), want='["https://keys.example"]')
_UPSTREAM = url(query=False, want='a URL such as "http://127.0.0.1:8080"')


@dataclass(frozen=True, slots=True)
class Serve:
    """Where the decision service listens, whom it believes, and its limits."""

    listen: str = setting(ADDRESS, "127.0.0.1:9090")
    """The decision listener: `"127.0.0.1:9090"`, `"[::1]:9090"` or `"unix:/run/phantomgate.sock"`; port 0 takes any
    that is free. Whoever reaches it can try tokens, so an address beyond this machine needs `trusted_proxies` that
    name the callers, or `allow_any_caller`."""
    manage: str = setting(ADDRESS, "127.0.0.1:9091")
    """The management listener: `/healthz`, `/readyz` and `/metrics`."""
    workers: int = setting(number(1, 256), 1)
    """How many processes decide. Each is one event loop on one CPU; they share the listener and divide the cache."""
    trusted_proxies: tuple[str, ...] = setting(NETWORKS, ["127.0.0.0/8", "::1/128"])
    """Whose `X-Forwarded-*` and `X-Original-*` are believed. A peer on a unix socket always is. Networks that cover
    every address are refused."""
    allow_any_caller: bool = setting(SWITCH, False)
    """Listen beyond this machine although `trusted_proxies` names nobody there. Only where something else, such as a
    network policy, keeps strangers away from the listener."""
    source: str = setting(choice("auto", "forwarded", "original", "path"), "auto")
    """Where the request to be judged is read from: `forwarded` is `X-Forwarded-Method` and `-Uri` (Traefik, Caddy,
    HAProxy), `original` is `X-Original-Method` and `-URI` (nginx), `path` is the request's own method and the path
    below `/decide` (Envoy). `auto` takes the one that is there and refuses a mixture; name the one your gateway sends
    when you have `[[routes]]`."""
    nginx: bool = setting(SWITCH, False)
    """Answer 401 where it would be 400, and repeat a refusal's body in the header `X-Phantomgate-Refusal`: nginx's
    `auth_request` understands only 401 and 403, and throws the body away."""
    realm: str = setting(REALM, "api")
    """The realm in `WWW-Authenticate` (RFC 6750 §3)."""
    upstream: str = setting(_UPSTREAM, "")
    """Be the gateway: a reverse proxy in front of this URL. Empty: only decide."""
    drain: float = setting(duration("0s", "10m"), "25s")
    """After SIGTERM, how long requests in flight may take to end."""
    idle_timeout: float = setting(duration("100ms", "1h"), "75s")
    """How long a connection without a request is kept. Longer than your gateway keeps its own."""
    header_timeout: float = setting(duration("100ms", "5m"), "10s")
    """How long a client may take to send the whole head of a request."""
    max_headers: int = setting(number(10, 10_000), 100)
    """How many header fields a request may have."""
    max_header_bytes: int = setting(size("1KiB", "1MiB"), "64KiB")
    """How long the head of a request may be."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """The authorization server that knows what an opaque token means (RFC 7662)."""

    endpoint: str = setting(_ENDPOINT, "")
    """The introspection endpoint: https, or http on loopback. Empty: found in the metadata of `issuer` (RFC 8414 or
    OpenID Connect Discovery), and then it must be at the issuer's own origin."""
    client_id: str = setting(CLIENT_ID, "")
    """Our name at the authorization server. Required."""
    client_secret: str = setting(SECRET, "")
    """Where our secret is kept: `"env:NAME"` (a variable) or `"file:/run/secrets/NAME"` (a file; one newline at its
    end is not part of the secret). Never the secret itself, in a variable neither. Required, unless `client_auth` is
    `private_key_jwt` or `tls_client_auth`."""
    client_auth: str = setting(
        choice("basic", "post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "bearer"), "basic"
    )
    """How we show who we are: `basic` (`client_secret_basic`, the secret in an Authorization header) or `post`
    (`client_secret_post`, in the form; RFC 6749 §2.3.1); `client_secret_jwt` or `private_key_jwt`, an assertion good
    for one minute and one call, signed with the secret (32 bytes or more) or with `client_key` (RFC 7523);
    `tls_client_auth`, `client_certificate_file` alone (RFC 8705, self-signed or not); `bearer`, the secret as a Bearer
    token."""
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
    answer: str = setting(choice("jwt", "json", "signed"), "jwt")
    """What is asked for: `jwt` (`Accept: application/jwt`, the phantom token itself), `json` (RFC 7662, the JWT in a
    member `phantom_token` or `jwt`, or with `[mint]` without one), or `signed` (RFC 9701, an answer signed for us). A
    signed answer is a statement about the token and never goes upstream, so it needs `[mint]`; `issuer` and `keys` are
    checked in it."""
    verify: str = setting(choice("none", "signature"), "none")
    """Whether the JWT in an answer is verified too. `none`: the connection vouches for it. `signature`: it is signed by
    a key of `issuer`, its `iss` is `issuer`, and what the answer states beside it is the same; an answer without a JWT
    is then not used, even with `[mint]`. A JWT that fails is a 502. Signed answers are always verified."""
    keys: str = setting(_KEYS, "")
    """Where the keys are that signed answers, or with `verify = "signature"` the JWTs in answers, are signed with: the
    server's `jwks_uri`, or `"file:PATH"` with a JWK Set. Empty: found in the metadata of `issuer`, if `endpoint` is;
    for one of `[[issuers]]`, its own `keys` and `algorithms`."""
    algorithms: tuple[str, ...] = setting(ALGORITHMS_USED, ["RS256"])
    """What they may be signed by (RFC 9701 §6)."""
    decryption_key: str = setting(SECRET, "")
    """Our private key, PEM or JWK, for signed answers that are encrypted too: RSA by RSA-OAEP-256, EC P-256 by ECDH-ES.
    With it, an answer that isn't encrypted is not used."""
    timeout: float = setting(duration("10ms", "60s"), "2s")
    """How long one call may take, all in all. Keep it below your gateway's own timeout."""
    issuer: str = setting(ISSUER, "")
    """Who the authorization server says it is: an answer with another `iss` is not used. Compared letter by letter;
    empty: not checked."""
    allow_insecure_http: bool = setting(SWITCH, False)
    """Send our secret and the tokens over plain http to an endpoint beyond this machine. For tests only."""
    ca_file: str = setting(FILE, "")
    """The authorities, in PEM, that may vouch for the endpoint, instead of the system's. Verification itself can't be
    turned off."""
    max_connections: int = setting(number(1, 10_000), 64)
    """How many connections each worker may have open to the authorization server."""


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """One issuer of tokens among several. A JWT goes to the issuer that its `iss` names, letter by letter, and is
    refused when none is named so; other tokens go by `prefix`, by the route's `issuer`, or to each that introspects,
    in order, until one knows it. `[introspection]`, if it is there too, comes last in that order."""

    name: str = setting(NAME, "")
    """What it is called here, in `[[routes]]` and in the log. Required."""
    issuer: str = setting(ISSUER, "")
    """Its `iss`, exactly as it writes it: `"https://as.example"`. Required."""
    mode: str = setting(choice("verify", "introspect", "both"), "verify")
    """How its tokens are made sure of: `verify`, JWTs by its keys; `introspect`, tokens of any kind by asking it;
    `both`, JWTs that must verify and are then asked about, as wrapper tokens need."""
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


@dataclass(frozen=True, slots=True)
class Cache:
    """What is remembered of the authorization server's answers. Policies are judged anew for every request."""

    max_age: float = setting(duration("0s", "8760h"), "5m")
    """The longest that an answer is used, and so the longest that a revoked token still works; `exp` and the server's
    `Cache-Control` may end it sooner. `"0s"` asks for every request."""
    max_entries: int = setting(number(1, 1_000_000_000), 1_000_000)
    """How many answers are kept, in all workers together."""
    max_bytes: int = setting(size("64KiB", "1024GiB"), "512MiB")
    """How much memory they may take, in all workers together; whichever bound is reached first."""
    negative_max_age: float = setting(duration("0s", "5s"), "5s")
    """How long "this token is not active" is remembered, at most `"5s"`; `"0s"` asks every time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What every token must have, on every route."""

    scopes: tuple[str, ...] = setting(SCOPES, [])
    """All of these scopes."""
    any_scopes: tuple[str, ...] = setting(SCOPES, [])
    """At least one of these scopes."""
    scope_strategy: str = setting(choice("exact", "hierarchic", "wildcard"), "exact")
    """When a granted scope counts as a wanted one: `exact`, the same; `hierarchic`, `orders` also grants
    `orders.read`; `wildcard`, `orders.*` also grants `orders.read`."""
    issuers: tuple[str, ...] = setting(TEXTS, [])
    """The `iss` claim is one of these. Empty: not checked."""
    audiences: tuple[str, ...] = setting(TEXTS, [])
    """The `aud` claim names one of these. Empty: not checked."""
    clock_skew: float = setting(duration("0s", "5m"), "5s")
    """How far in the future `nbf` and `iat` may be. `exp` has no leeway."""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One rule by path and method, on top of `[policy]`. The first that matches applies; with any, no match refuses."""

    path: str = setting(PATH, "")
    """The path of the request: `*` is one segment, `**` any number, `{name}` one segment; the query plays no part.
    Required."""
    methods: tuple[str, ...] = setting(METHODS, [])
    """The methods it is for. Empty: every method."""
    scopes: tuple[str, ...] = setting(SCOPES, [])
    """All of these scopes too."""
    any_scopes: tuple[str, ...] = setting(SCOPES, [])
    """At least one of these scopes too."""
    audiences: tuple[str, ...] = setting(TEXTS, [])
    """The `aud` claim names one of these too. Empty: only the policy's `audiences` are checked."""
    issuer: str = setting(NAME, "")
    """The name of one of `[[issuers]]`: only its tokens are for this route, and opaque ones are asked about there."""
    mint_audience: str = setting(ISSUER, "")
    """Whom the JWT that we sign is for on these paths: its `aud`. Empty: `mint.audience`."""


@dataclass(frozen=True, slots=True)
class ForwardRule:
    """What the API behind the gateway is told, besides the JWT."""

    claims: Mapping[str, str] = setting(CLAIMS, {})
    """Headers made from claims, such as `{ "X-User" = "sub" }`. They are always sent, empty when the token lacks the
    claim, so that a client can't forge them."""


@dataclass(frozen=True, slots=True)
class Mint:
    """The JWT that we sign ourselves (RFC 9068), for a server that states facts about a token and gives no JWT. With
    `keys`, every request goes upstream with a JWT of ours, whatever the server gave."""

    keys: tuple[str, ...] = setting(SECRETS, [])
    """Our keys, `"file:PATH"` or `"env:NAME"`, each as PEM (PKCS#8) or JWK: EC P-256 (signs by ES256), Ed25519 (EdDSA)
    or RSA of 2048 bits or more (RS256). The first signs; all are published at `/.well-known/jwks.json` of the decision
    listener, so that a new one can be known before it signs and an old one until its last token has expired. Empty:
    nothing is minted."""
    issuer: str = setting(ISSUER, "")
    """Who we are: `iss` of our JWTs, a name of its own and not the authorization server's. Required with `keys`."""
    audience: str = setting(ISSUER, "")
    """Whom they are for: `aud`, unless a route says otherwise (`mint_audience`). Required with `keys`."""
    max_age: float = setting(duration("10s", "1h"), "5m")
    """The longest that one of them is good for; never longer than the token it was made of. A token for which the
    server names no `exp` counts as one that ends after this time."""
    claims: tuple[str, ...] = setting(COPIED_CLAIMS, [])
    """Which of the server's claims are copied, besides `sub`, `client_id` and `scope`."""
    subject: str = setting(CLAIM, "sub")
    """Which claim says whose token it is, to become `sub`: `"username"` for a server that has no other. A token of a
    client by itself, with neither this nor `sub` or `username`, gets its `client_id` (RFC 9068 §2.2)."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log: one JSON line an event, on stderr."""

    level: str = setting(choice("debug", "info", "warning", "error"), "info")
    """The least important lines to write. A refusal is always written."""
    allows: bool = setting(SWITCH, False)
    """Also write a line for every request that is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `origins` says where each that is not a default was read, by its name ("cache.max_age")."""

    serve: Serve = field(default_factory=Serve)
    introspection: Introspection = field(default_factory=Introspection)
    cache: Cache = field(default_factory=Cache)
    policy: Policy = field(default_factory=Policy)
    issuers: tuple[IssuerRule, ...] = ()
    routes: tuple[RouteRule, ...] = ()
    forward: ForwardRule = field(default_factory=ForwardRule)
    mint: Mint = field(default_factory=Mint)
    session: Session = field(default_factory=Session)
    log: Log = field(default_factory=Log)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def origin(self, name: str) -> str:
        """Where the setting *name* was read: a file, a variable or "default"."""
        return self.origins.get(name) or self.origins.get("", "default")


SECTIONS: Mapping[str, type] = {
    "serve": Serve,
    "introspection": Introspection,
    "cache": Cache,
    "policy": Policy,
    "forward": ForwardRule,
    "mint": Mint,
    "session": Session,
    "log": Log,
}
"""The sections that are tables."""

LISTS: Mapping[str, type] = {"issuers": IssuerRule, "routes": RouteRule}
"""The sections that are lists of tables."""
