"""From the settings of each issuer to who resolves its tokens, and what can be asked to see whether it is there.

Rule: `wiring` brings the tools and joins what is made here; what an issuer doesn't need is not even imported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from phantomgate.config.asking import Client, asked_of, place_of, verifies_answers
from phantomgate.config.authentication import certificate
from phantomgate.config.probes import Probe, probe_introspection, probe_keys
from phantomgate.config.settings import Introspection, IssuerRule
from phantomgate.config.tools import Tools
from phantomgate.core.ports import Http, Resolver, Store
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.introspection import Answer
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect

if TYPE_CHECKING:
    from phantomgate.oauth.discovery import Form, Metadata
    from phantomgate.oauth.jwks import KeySet
    from phantomgate.resolvers.held import Held
    from phantomgate.resolvers.keys import Keys
    from phantomgate.resolvers.signatures import Signatures
    from phantomgate.resolvers.statements import Statements
    from phantomgate.resolvers.verify import Verify

DEFAULT_NAME = "introspection"
"""What the server of [introspection] is called when it has no issuer."""
_OURS = ("client_key", "decryption_key", "client_certificate_file", "client_certificate_key_file")


class Made(NamedTuple):
    """The resolver for all issuers, the default's asker if there is one, and what can be probed."""

    resolver: Resolver
    introspect: Introspect | None
    probes: tuple[Probe, ...]


def make(tools: Tools, clients: Mapping[str, Client]) -> Made:
    """The resolver that these settings describe. *clients* are what we are to each server, by its place."""
    settings = tools.settings
    if settings.aws.keys:
        return _of_key_set(tools)
    if not settings.issuers:
        return _default(tools, settings.introspection.issuer, clients["introspection"])
    from phantomgate.resolvers.by_issuer import ByIssuer, Issuer

    issuers: list[Issuer] = []
    probes: list[Probe] = []
    for place, one in enumerate(settings.issuers, 1):
        resolver, found = _resolver_of(tools, one, clients[place_of(place)])
        probes += found
        issuers.append(Issuer(one.name, one.issuer, resolver, one.mode in ("introspect", "split"), one.prefix))
    if settings.introspection == Introspection():
        return Made(ByIssuer(issuers), None, tuple(probes))
    name = settings.introspection.issuer or DEFAULT_NAME
    default = _default(tools, name, clients["introspection"])
    issuers.append(Issuer(name, settings.introspection.issuer, default.resolver, True))
    return Made(ByIssuer(issuers), default.introspect, (*probes, *default.probes))


def _of_key_set(tools: Tools) -> Made:
    """The JWTs of [aws] keys, whoever issued them."""
    from phantomgate.config.any_issuer import ALGORITHMS, NAME, any_issuer_rules
    from phantomgate.resolvers.verify import Verify

    settings = tools.settings
    one = IssuerRule(name=NAME, keys=settings.aws.keys, algorithms=ALGORITHMS)
    remembered: list[Cached] = []
    keys, rules = keys_of(tools, one, None, remembered), any_issuer_rules(settings.policy.clock_skew)
    verify = Verify(keys, rules, now=tools.now, ticks=tools.ticks, name=NAME, max_age=settings.cache.max_age)
    remembered.append(_cached(tools, verify, NAME, ("aws.keys", one.keys)))
    return Made(remembered[0], None, (probe_keys(one, keys),))


def _default(tools: Tools, name: str, client: Client) -> Made:
    """The server of [introspection], which is called *name*: as it was made before, if nothing of it has changed."""
    introspection = tools.settings.introspection
    one = IssuerRule(
        name=name,
        issuer=introspection.issuer,
        mode="introspect",
        allow_insecure_http=introspection.allow_insecure_http,
        ca_file=introspection.ca_file,
        timeout=introspection.timeout,
        introspection=introspection,
    )
    return tools.of_issuer(DEFAULT_NAME, lambda: _asker(tools, name, one, client), one)


def _asker(tools: Tools, name: str, one: IssuerRule, client: Client) -> Made:
    remembered: list[Cached] = []
    metadata = None if one.introspection.endpoint else metadata_of_issuer(tools, one)
    introspect = _introspect(tools, one, client, metadata, remembered)
    cached = _cached(tools, _shared(tools, introspect, None, introspect, one, _asked(one)), name, _asked(one))
    remembered.append(cached)
    return Made(cached, introspect, (probe_introspection(tools.random, one, introspect),))


def _resolver_of(tools: Tools, one: IssuerRule, client: Client) -> tuple[Resolver, list[Probe]]:
    """Who resolves the tokens of one of [[issuers]]: as it was made before, if nothing of it has changed."""

    def made() -> tuple[Resolver, list[Probe]]:
        probes: list[Probe] = []
        return _resolver(tools, one, client, probes), probes

    return tools.of_issuer(one.name, made, "issuers", one)


def _resolver(tools: Tools, one: IssuerRule, client: Client, probes: list[Probe]) -> Resolver:
    from phantomgate.config.issuer_checks import discovers, introspects, rules_of, verifies
    from phantomgate.resolvers.verify import Verify, Wrapped, wrapper_rules

    metadata = metadata_of_issuer(tools, one) if discovers(one) else None
    context: tuple[str, ...] = ()
    remembered: list[Cached] = []
    verify = introspect = None
    if verifies(one):
        keys = keys_of(tools, one, metadata, remembered)
        rules = rules_of(one, tools.settings.policy.clock_skew)
        verify = Verify(
            keys,
            wrapper_rules(rules) if introspects(one) else rules,
            now=tools.now,
            ticks=tools.ticks,
            name=one.name,
            max_age=tools.settings.cache.max_age,
        )
        probes.append(probe_keys(one, keys))
        # Facts are found only under the rules that they were verified by
        context = (one.keys, one.jwks, *one.algorithms, "typ", *sorted(one.typ), "aud", *sorted(one.audiences))
        context += ("header", *sorted(one.ignored_header))
    if introspects(one):
        introspect = _introspect(tools, one, client, metadata, remembered)
        probes.append(probe_introspection(tools.random, one, introspect))
        context += _asked(one)
    if verify is not None and introspect is not None:
        inner: Resolver = Wrapped(verify, introspect)
    else:
        inner = cast("Resolver", verify or introspect)
    context = ("issuers", one.name, one.mode, one.issuer, *context)
    if introspect is not None:  # what only has to be verified is verified sooner than found
        inner = _shared(tools, inner, verify, introspect, one, context)
    cached = _cached(tools, inner, one.name, context)
    remembered.append(cached)
    if one.mode != "split":
        return cached
    from phantomgate.resolvers.split import Split

    return Split(cached, cast("Store", tools.halves), tools.split_counts)


def _shared(
    tools: Tools,
    inner: Resolver,
    verify: Verify | None,
    introspect: Introspect,
    one: IssuerRule,
    context: tuple[str, ...],
) -> Resolver:
    """*inner*, asked by one machine for all of them where answers are shared."""
    if tools.sharing is None:
        return inner
    provers = (verify, introspect.statements, introspect.signatures)
    keys = [prover.keys for prover in provers if prover is not None]
    settings = tools.settings
    # Machines, and settings before and after a change, share what they would have been told in the same way. With which
    # key or certificate one of them shows who it is, is its own affair; whom a secret is for, is not
    times = (settings.cache.max_age, settings.policy.clock_skew, settings.without_jwt)
    context = (*context, tools.prints(one, *times, without=_OURS))
    return tools.sharing.around(inner, keys, context, one.name, asked_of(one).timeout, tools.marks)


def _cached(tools: Tools, inner: Resolver, name: str, context: tuple[str, ...]) -> Cached:
    return Cached(
        inner,
        tools.cache,
        tools.once,
        secret=tools.secret,
        context=context,
        now=tools.now,
        ticks=tools.ticks,
        negative_seconds=tools.settings.cache.negative_max_age,
        issuer=name,
        counts=tools.counts,
        later=tools.later if tools.settings.cache.refresh_ahead and tools.sharing is None else None,  # see the setting
        stale_seconds=tools.settings.cache.stale_if_error,
        marks=tools.marks,
    )


def _asked(one: IssuerRule) -> tuple[str, ...]:
    asked = asked_of(one)
    # Facts are found only under the rules that they were verified by
    verified = ("keys", asked.keys, asked.verify, *asked.algorithms) if verifies_answers(asked) else ()
    return one.issuer, asked.endpoint, asked.client_id, asked.answer, *verified


def metadata_of_issuer(tools: Tools, one: IssuerRule) -> Held[Metadata]:
    """What this issuer publishes of itself."""
    from phantomgate.resolvers.keys import metadata_of

    fetch = metadata_of(
        _http(tools, one),
        one.issuer,
        cast("tuple[Form, ...]", one.discovery),
        timeout=one.timeout,
        origins=one.endpoint_origins,
        allow_insecure_http=one.allow_insecure_http,
    )
    return _held(tools, one, "metadata", fetch)


def keys_of(tools: Tools, one: IssuerRule, metadata: Held[Metadata] | None, remembered: list[Cached]) -> Keys:
    """The keys of this issuer, found as its settings say; what they have proved, *remembered* forgets with them."""
    from phantomgate.oauth.jwks import read_key_set
    from phantomgate.resolvers.held import Fixed
    from phantomgate.resolvers.keys import endpoint_in, keys_at, keys_in

    algorithms = one.algorithms
    if one.jwks:
        return Fixed(read_key_set(one.jwks.encode(), algorithms))
    if one.keys.startswith("file:"):
        from pathlib import Path

        name = one.keys.removeprefix("file:")
        return _held(tools, one, "keys", keys_in(Path(name).read_bytes, name, algorithms), _forgets(remembered))
    where = _at(one.keys) if one.keys else endpoint_in(cast("Held[Metadata]", metadata), "jwks_uri")
    fetch = keys_at(_http(tools, one), where, algorithms, timeout=one.timeout)
    return _held(tools, one, "keys", fetch, _forgets(remembered))


def _forgets(remembered: list[Cached]) -> Callable[[KeySet, KeySet], None]:
    """Lets nothing be found again that an older key set has proved, once a newer one lacks a key of it."""

    def replaced(older: KeySet, newer: KeySet) -> None:
        if not newer.has_all_of(older):
            for cached in remembered:
                cached.forget()

    return replaced


def _held(
    tools: Tools,
    one: IssuerRule,
    what: str,
    fetch: Callable[[], Awaitable[Any]],
    replaced: Callable[[Any, Any], None] = lambda older, newer: None,  # noqa: ARG005 - nobody looks
) -> Held[Any]:
    from phantomgate.resolvers.held import Held

    return Held(
        f"{what} of {one.name}",
        fetch,
        tools.key_once,
        ticks=tools.ticks,
        later=tools.later,
        failed=lambda no, seconds: tools.failed(one.name, what, no, seconds),
        replaced=replaced,
    )


def _at(url: str) -> Callable[[], Awaitable[str]]:
    async def where() -> str:
        return url

    return where


def _introspect(
    tools: Tools, one: IssuerRule, client: Client, metadata: Held[Metadata] | None, remembered: list[Cached]
) -> Introspect:
    asked, settings = asked_of(one), tools.settings
    endpoint: str | Callable[[], Awaitable[str]] = asked.endpoint
    if metadata is not None and not endpoint:
        from phantomgate.resolvers.keys import endpoint_in

        endpoint = endpoint_in(metadata, "introspection_endpoint")
    http = _http(tools, one, asked.ca_file)
    statements: Statements | None = None
    signatures: Signatures | None = None
    if verifies_answers(asked):
        from phantomgate.config import statements as answers

        keys = _held(tools, one, "answer keys", answers.answer_keys(asked, http, metadata), _forgets(remembered))
        if asked.answer == "signed":
            statements = answers.statements(asked, keys, client.decrypt, settings.policy.clock_skew)
        else:
            signatures = answers.signatures(asked, keys, tools.now)
    return Introspect(
        http,
        endpoint,
        client.auth,
        now=tools.now,
        ticks=tools.ticks,
        answer=cast("Answer", asked.answer),
        timeout=asked.timeout,
        issuer=one.issuer,
        name=one.name,
        max_age=settings.cache.max_age,
        clock_skew=settings.policy.clock_skew,
        without_jwt=settings.without_jwt,
        statements=statements,
        signatures=signatures,
        timed=tools.timed,
    )


def _http(tools: Tools, one: IssuerRule, ca_file: str = "") -> Http:
    """The client for all calls to this issuer that trust *ca_file*, or else its own."""
    asked = one.introspection
    return tools.http(one.name, ca_file or one.ca_file, certificate(asked), asked.max_connections)
