"""Every setting there is, as one tree of frozen values. The docstrings below are the reference that users read.

Rule: a setting is one line with its kind and its default, as a person would write it, and a docstring that says what
it does and when to change it. Here are no checks and no reading: `kinds` knows what a value may be, `checks` what two
settings say together, `loading` where they come from. Durations are held in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.config.durations import duration, size
from phantomgate.config.kinds import SWITCH, choice, number, setting
from phantomgate.config.network import ADDRESS, NETWORKS, url
from phantomgate.config.settings_agent import Agent
from phantomgate.config.settings_aws import Aws
from phantomgate.config.settings_resource import Resource
from phantomgate.config.settings_running import Log, Resilience, Traces
from phantomgate.config.settings_servers import AsClient, Exchange, Introspection, IssuerRule
from phantomgate.config.settings_session import Session
from phantomgate.config.settings_shared import Redis, Revocation
from phantomgate.config.vocabulary import (
    CLAIM,
    CLAIMS,
    COPIED_CLAIMS,
    ISSUER,
    METHODS,
    NAME,
    PATH,
    REALM,
    SCOPES,
    SECRET,
    SECRETS,
    TEXTS,
)
from phantomgate.core.nouns import dataclass, field

__all__ = [
    "LISTS",
    "SECTIONS",
    "AsClient",
    "Cache",
    "Exchange",
    "ForwardRule",
    "Introspection",
    "IssuerRule",
    "Log",
    "Mint",
    "Policy",
    "Redis",
    "Resilience",
    "Resource",
    "Revocation",
    "RouteRule",
    "Serve",
    "Settings",
    "SplitTokens",
    "Traces",
]


@dataclass(frozen=True, slots=True)
class Serve:
    """Where the decision service listens, whom it believes, and its limits."""

    listen: str = setting(ADDRESS, "127.0.0.1:9090")
    """The decision listener: `"127.0.0.1:9090"`, `"[::1]:9090"` or `"unix:/run/phantomgate.sock"`; port 0 takes any
    that is free. Whoever reaches it can try tokens, so an address beyond this machine needs `trusted_proxies` that
    name the callers, or `allow_any_caller`."""
    manage: str = setting(ADDRESS, "127.0.0.1:9091")
    """The management listener: `/healthz`, `/readyz`, `/metrics`, and at `/` a page that shows what happens now."""
    protocol: str = setting(choice("http", "spop", "grpc"), "http")
    """What the decision listener speaks: `http` (`/decide` and `/exchange`), `spop`, HAProxy's stream processing
    offload protocol, for HAProxy alone, or `grpc`, Envoy's `ext_authz` over gRPC, which needs grpcio."""
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
    upstream: str = setting(url(query=False, want='a URL such as "http://127.0.0.1:8080"'), "")
    """Be the gateway: a reverse proxy in front of this URL. Empty: only decide."""
    drain: float = setting(duration("0s", "10m"), "25s")
    """After SIGTERM, how long requests in flight may take to end."""
    reload: str = setting(choice("signal", "change"), "signal")
    """When the settings, and the secrets, keys and certificates that they name, are read again: on SIGHUP (`signal`),
    or also within seconds whenever one of those files has changed (`change`), as Kubernetes changes mounted ones. All
    or nothing: what can't be used changes nothing, and the log says why."""
    idle_timeout: float = setting(duration("100ms", "1h"), "75s")
    """How long a connection without a request is kept. Longer than your gateway keeps its own."""
    header_timeout: float = setting(duration("100ms", "5m"), "10s")
    """How long a client may take to send the whole head of a request."""
    max_headers: int = setting(number(10, 10_000), 100)
    """How many header fields a request may have."""
    max_header_bytes: int = setting(size("1KiB", "1MiB"), "64KiB")
    """How long the head of a request may be."""


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
    downstream: bool = setting(SWITCH, True)
    """Whether a gateway may remember a decision for as long as we may remember what it is made of. `false` tells it not
    to (N = 0), so that what is revoked here is over there too."""
    negative_max_age: float = setting(duration("0s", "5s"), "5s")
    """How long "this token is not active" is remembered, at most `"5s"`; `"0s"` asks every time."""
    refresh_ahead: bool = setting(SWITCH, True)
    """Ask anew, behind, about a token that is used again after four fifths of the time its answer is good for, so that
    no request waits when that is over. Where nothing can run behind (AWS Lambda, WSGI) nothing does, nor with
    `[redis]`, where another machine's answer would only be found again."""
    stale_if_error: float = setting(duration("0s", "60s"), "0s")
    """While the authorization server can't be asked, use its last answer for this much longer, on the routes with
    `allow_stale`, never past `exp`, and never once it has called the token inactive. A token that is revoked meanwhile
    works so much longer too. Whoever is let in so is told `max-age=0`."""


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
    allow_stale: bool = setting(SWITCH, False)
    """Whether `cache.stale_if_error` is for the requests that no route rules: all, where there are no `[[routes]]`."""


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
    upstream_audience: str = setting(ISSUER, "")
    """Whom the JWT that goes upstream is for on these paths, where we make it: its `aud`, or what the server is asked
    for. Empty: what `[mint]` or `[exchange]` says."""
    allow_stale: bool = setting(SWITCH, False)
    """Whether `cache.stale_if_error` is for these paths: where reading something a minute too long does no harm."""


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
    """Whom they are for: `aud`, unless a route says otherwise (`upstream_audience`). Required with `keys`."""
    max_age: float = setting(duration("10s", "1h"), "5m")
    """The longest that one of them is good for; never longer than the token it was made of. A token for which the
    server names no `exp` counts as one that ends after this time."""
    claims: tuple[str, ...] = setting(COPIED_CLAIMS, [])
    """Which of the server's claims are copied, besides `sub`, `client_id` and `scope`."""
    subject: str = setting(CLAIM, "sub")
    """Which claim says whose token it is, to become `sub`: `"username"` for a server that has no other. A token of a
    client by itself, with neither this nor `sub` or `username`, gets its `client_id` (RFC 9068 §2.2)."""


@dataclass(frozen=True, slots=True)
class SplitTokens:
    """Where the issuers with `mode = "split"` push the parts of their JWTs that clients don't hold: a listener of its
    own, in the process that decides, so with one worker only. What was pushed is kept in memory: a restart forgets it,
    and the issuer must push it again."""

    secret: str = setting(SECRET, "")
    """What opens it, `"env:NAME"` or `"file:PATH"`, of 16 characters or more: shown as a Bearer token, or as the
    password of HTTP Basic. Needed with `mode = "split"`."""
    listen: str = setting(ADDRESS, "127.0.0.1:9092")
    """Where it listens. It speaks plain HTTP: where the issuer is not on this machine, put TLS in front."""
    max_entries: int = setting(number(1, 1_000_000_000), 1_000_000)
    """How many parts are kept. The oldest go first, and whose part is gone is refused."""
    max_bytes: int = setting(size("64KiB", "1024GiB"), "512MiB")
    """How much memory they may take; whichever bound is reached first."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `origins` says where each that is not a default was read, by its name ("cache.max_age")."""

    serve: Serve = field(default_factory=Serve)
    introspection: Introspection = field(default_factory=Introspection)
    cache: Cache = field(default_factory=Cache)
    resilience: Resilience = field(default_factory=Resilience)
    redis: Redis = field(default_factory=Redis)
    revocation: Revocation = field(default_factory=Revocation)
    policy: Policy = field(default_factory=Policy)
    issuers: tuple[IssuerRule, ...] = ()
    routes: tuple[RouteRule, ...] = ()
    forward: ForwardRule = field(default_factory=ForwardRule)
    mint: Mint = field(default_factory=Mint)
    resource: Resource = field(default_factory=Resource)
    exchange: Exchange = field(default_factory=Exchange)
    split_tokens: SplitTokens = field(default_factory=SplitTokens)
    session: Session = field(default_factory=Session)
    agent: Agent = field(default_factory=Agent)
    log: Log = field(default_factory=Log)
    aws: Aws = field(default_factory=Aws)
    traces: Traces = field(default_factory=Traces)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_agent(self) -> bool:
        """Whether there is an OAuth agent."""
        return self.agent != Agent()

    @property
    def exchanges(self) -> bool:
        """Whether tokens are exchanged."""
        return self.exchange != Exchange()

    @property
    def revokes(self) -> bool:
        """Whether somebody may tell us that tokens are over."""
        return bool(self.revocation.secret or self.revocation.audiences)

    @property
    def splits(self) -> bool:
        """Whether there are issuers whose tokens are split."""
        return any(one.mode == "split" for one in self.issuers)

    @property
    def makes_jwts(self) -> bool:
        """Whether the JWT that goes upstream is made for it, so that facts without one will do."""
        return self.without_jwt is not None

    @property
    def without_jwt(self) -> float | None:
        """For how many seconds facts hold that came without a JWT and without `exp`; None: a JWT is needed."""
        if self.mint.keys:
            return self.mint.max_age
        return self.exchange.max_age if self.exchanges else None

    def origin(self, name: str) -> str:
        """Where the setting *name* was read: a file, a variable or "default"."""
        return self.origins.get(name) or self.origins.get("", "default")


SECTIONS: Mapping[str, type] = {
    "serve": Serve,
    "introspection": Introspection,
    "cache": Cache,
    "resilience": Resilience,
    "redis": Redis,
    "revocation": Revocation,
    "policy": Policy,
    "forward": ForwardRule,
    "mint": Mint,
    "resource": Resource,
    "exchange": Exchange,
    "split_tokens": SplitTokens,
    "session": Session,
    "agent": Agent,
    "log": Log,
    "aws": Aws,
    "traces": Traces,
}
"""The sections that are tables."""

LISTS: Mapping[str, type] = {"issuers": IssuerRule, "routes": RouteRule}
"""The sections that are lists of tables."""
