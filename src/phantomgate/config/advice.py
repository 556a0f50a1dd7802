"""Settings that work and are probably not what was meant: the warnings of `phantomgate check`.

Rule: a warning says what will happen and what to write instead, and there are few of them, so that each is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from phantomgate.config.agent_checks import agent_warnings
from phantomgate.config.network import insecure, read_address
from phantomgate.config.session_checks import session_warnings
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.sharing_checks import sharing_warnings
from phantomgate.core.errors import Problem


def warnings(settings: Settings) -> Iterator[Problem]:
    """What a careful colleague would ask about these settings, which have no problems."""
    for name, text in _warnings(settings):
        yield Problem(name, text, settings.origin(name))


def _warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    serve, introspection = settings.serve, settings.introspection
    if settings.routes and serve.source == "auto":
        yield (
            "serve.source",
            (
                'is "auto" with [[routes]]: whoever can add a header could have another request judged than is sent; '
                'name what your gateway sends: "original" (nginx), "forwarded" (Traefik, Caddy, HAProxy) or '
                '"path" (Envoy)'
            ),
        )
    if serve.source == "original" and not serve.nginx:
        yield (
            "serve.nginx",
            ("is false, and nginx's auth_request makes a 500 of our 400 for a malformed request; write nginx = true"),
        )
    if serve.allow_any_caller and not read_address(serve.listen).local:
        yield (
            "serve.allow_any_caller",
            (
                f'is true and serve.listen is "{serve.listen}": whoever can connect can try tokens and say which '
                "request is judged; make sure that only your gateway can, or name it in trusted_proxies"
            ),
        )
    if introspection.endpoint and insecure(introspection.endpoint):
        yield (
            "introspection.allow_insecure_http",
            ("is true, so our secret and every token cross the network in the clear; write https:// before production"),
        )
    if settings.exchange.endpoint and insecure(settings.exchange.endpoint):
        yield (
            "exchange.allow_insecure_http",
            ("is true, so our secret and every token cross the network in the clear; write https:// before production"),
        )
    if settings.splits and not read_address(settings.split_tokens.listen).local:
        yield (
            "split_tokens.listen",
            (
                f'is "{settings.split_tokens.listen}" and speaks plain http, so the secret and people\'s claims cross '
                "the network in the clear; put TLS in front of it, and listen on this machine only"
            ),
        )
    if settings.revokes and not read_address(settings.revocation.listen).local:
        yield (
            "revocation.listen",
            (
                f'is "{settings.revocation.listen}" and speaks plain http, so tokens that are purged, and '
                "who logs out, cross the network in the clear; put TLS in front of it, and listen on this machine only"
            ),
        )
    if serve.upstream and insecure(serve.upstream):
        yield "serve.upstream", "is http, so JWTs cross the network in the clear; https:// if that network isn't yours"
    if settings.cache.stale_if_error > 0:
        yield (
            "cache.stale_if_error",
            (
                f"lets a token that is revoked while the authorization server can't be asked work for up to "
                f"{settings.cache.stale_if_error:g} s longer, where allow_stale is true; make sure that nothing is "
                "bought, changed or disclosed there that must not be"
            ),
        )
    yield from _of_issuers(settings)
    yield from session_warnings(settings)
    yield from sharing_warnings(settings)
    yield from agent_warnings(settings)
    yield from _too_open(settings)


def _of_issuers(settings: Settings) -> Iterator[tuple[str, str]]:
    """What costs safety or speed where there are several issuers."""
    asked = []
    for place, one in enumerate(settings.issuers, 1):
        if one.allow_insecure_http:
            text = "is true, so anybody on the way can give us keys of his own; write https:// before production"
            yield f"issuers[{place}].allow_insecure_http", text
        if one.mode in ("introspect", "split") and not one.prefix:
            asked.append(place)
    if len(asked) > 1 or (asked and settings.introspection != Introspection()):
        yield (
            f"issuers[{asked[0]}].prefix",
            (
                "is empty, and other issuers are asked about opaque tokens too: those of one are shown to the others, "
                "until one knows them; write the prefix of each, or the issuer of each of [[routes]]"
            ),
        )


def _too_open(settings: Settings) -> Iterator[tuple[str, str]]:
    """Routes, or the policy without any, that let every active token in; and routes that never apply."""
    policy = settings.policy
    unheard = not settings.issuers or any(not one.audiences for one in settings.issuers)
    open_to_all = unheard and not (policy.audiences or policy.scopes or policy.any_scopes)
    if open_to_all and not settings.routes:
        yield (
            "policy.scopes",
            (
                "is empty and so is policy.audiences: every active token is let in, whatever API it was made for; "
                'write scopes = ["..."] with what your API needs'
            ),
        )
    for place, rule in enumerate(settings.routes, 1):
        if open_to_all and not (rule.scopes or rule.any_scopes or rule.audiences):
            yield f"routes[{place}].scopes", f'is empty, so every active token is let in on "{rule.path}"'
        for earlier, other in enumerate(settings.routes[: place - 1], 1):
            if other.path == rule.path and _covers(other.methods, rule.methods):
                yield f"routes[{place}].path", f"never applies: routes[{earlier}] has the same path and comes first"
                break


def _covers(methods: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether a rule for *methods* takes every request that one for *others* would; none means all."""
    return not methods or (bool(others) and set(methods) >= set(others))
