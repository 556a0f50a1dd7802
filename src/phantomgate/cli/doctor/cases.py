"""The known ways around a gateway, each as a request and what must come of it.

Rule: a case is data. Whatever a request carries that must not reach the API holds the case's mark, so one look at what
arrived tells; and each case says what to change where it finds a hole. Where it is known
from stands in `known_from`.
"""

from __future__ import annotations

from collections.abc import Iterator

from phantomgate.cli.doctor import framing
from phantomgate.cli.doctor.case import CREDENTIAL, IDENTITY, MARK, NAMING, PATHS, Case, Known


def cases(known: Known) -> Iterator[Case]:
    """Every case that can be tried with what is *known*."""
    bearer = f"Authorization: Bearer {known.token}"
    yield from _credentials(known, bearer)
    yield from _identity(known, bearer)
    yield from _naming(known, bearer)
    yield _family(bearer)
    yield from _odd(bearer)
    if known.forbidden:
        yield from _paths(known, bearer)
    yield from framing.cases(known, bearer)


def first_case(known: Known) -> Case:
    """The request that must pass, or nothing can be told."""
    return Case(
        "good-token",
        CREDENTIAL,
        "the good token, plainly",
        "clean",
        "the API must get exactly one Authorization, with the JWT, and the token that came nowhere: let the gateway "
        "replace the field by what phantomgate answers",
        lines=(f"Authorization: Bearer {known.token}",),
    )


def _credentials(known: Known, bearer: str) -> Iterator[Case]:
    ask = "the gateway must ask phantomgate for every request and let pass only what it answers with 200"
    one = "two credentials are one too many: pass every Authorization field on to phantomgate, as it came"

    def case(name: str, title: str, *lines: str, remedy: str = ask, **more: object) -> Case:
        return Case(name, CREDENTIAL, title, "refused", remedy, lines=lines, **more)  # type: ignore[arg-type]

    other = f"Authorization: Bearer {MARK}"
    yield case("no-credential", "no credential", status=(401,))
    yield case("unknown-token", "a token that nobody issued", other, status=(401,))
    yield case("other-scheme", "Basic instead of Bearer", "Authorization: Basic ZG9jdG9yOng=")
    yield case("empty-token", "Bearer and nothing more", "Authorization: Bearer ")
    yield case("two-fields", "two Authorization fields, the good one first", bearer, other, remedy=one)
    yield case("two-fields-last", "two Authorization fields, the good one last", other, bearer, remedy=one)
    yield case("joined", "two credentials in one field", f"{bearer}, Bearer {MARK}", remedy=one)
    yield case("joined-last", "the same, the good one last", f"{other}, Bearer {known.token}", remedy=one)
    query = f"{known.allowed}?access_token={known.token}"
    yield case("query-token", "the token in the query alone", target=query)
    for name in ("X-Authorization", "X-Forwarded-Authorization", "X-Original-Authorization", "Proxy-Authorization"):
        yield case(f"alias-{name.lower()}", f"the token in {name} alone", f"{name}: Bearer {known.token}")
    trailer = b"0\r\n" + f"Authorization: Bearer {known.token}\r\n\r\n".encode()
    chunked = "Transfer-Encoding: chunked"
    yield case("trailer", "the token in a trailer", chunked, "Trailer: Authorization", method="POST", body=trailer)
    for method in ("OPTIONS", "HEAD", "TRACE", "PROPFIND"):
        yield case(f"method-{method.lower()}", f"{method} without a credential", method=method)


def _identity(known: Known, bearer: str) -> Iterator[Case]:
    drop = (
        "headers that say who the caller is must be set from phantomgate's answer for every request, also when they "
        "are empty, and every spelling of them that came must be dropped"
    )
    names = [*known.identity, "X-Authorization", "X-Forwarded-Authorization", "X-Forwarded-User"]
    for name in names:
        yield Case(
            f"spoofed-{name.lower()}",
            IDENTITY,
            f"the good token, and {name} made up",
            "either",
            drop,
            lines=(bearer, f"{name}: {MARK}"),
            known_from="CVE-2025-64484, CVE-2018-9206",
        )
    for name in known.identity:
        for spelled in dict.fromkeys((name.replace("-", "_"), name.replace("-", "."), name.swapcase())):
            yield Case(
                f"spelled-{spelled}",
                IDENTITY,
                f"the same as {spelled}, which many servers read as {name}",
                "either",
                drop,
                lines=(bearer, f"{spelled}: {MARK}"),
                known_from="CVE-2025-64484",
            )


def _naming(known: Known, bearer: str) -> Iterator[Case]:
    own = (
        "what says which request is judged must come from the gateway alone: overwrite X-Forwarded-* and X-Original-*, "
        "name the family in [serve] source, and drop what could make the API read another path or method"
    )
    for family in ("X-Original", "X-Forwarded"):
        naming = (f"{family}-Method: GET", f"{family}-URI: {known.allowed}")
        yield Case(
            f"named-{family.lower()}",
            NAMING,
            f"no token, and {family}-* that name a path",
            "refused",
            own,
            lines=naming,
            known_from="CVE-2026-33494",
        )
        if known.forbidden:
            yield Case(
                f"renamed-{family.lower()}",
                NAMING,
                f"where the token may not go, and {family}-* that name where it may",
                "refused",
                own,
                target=known.forbidden,
                lines=(bearer, *naming),
                known_from="CVE-2026-33494",
            )
    for name in (
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-Forwarded-Uri",
        "X-Original-URI",
        "X-Forwarded-Prefix",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ):
        yield Case(
            f"override-{name.lower()}",
            NAMING,
            f"{name}, which frameworks believe",
            "either",
            own,
            lines=(bearer, f"{name}: /{MARK}"),
            known_from="CVE-2025-29927",
        )


def _odd(bearer: str) -> Iterator[Case]:
    """Methods that no API is asked by, and a Host that makes another URL."""
    for method, why in (
        ("TRACE", "the API says back what it got, and that is the JWT, to whoever asked"),
        ("CONNECT", "it asks for a tunnel, in which nobody judges"),
    ):
        yield Case(
            f"with-token-{method.lower()}",
            NAMING,
            f"{method} with the good token",
            "refused",
            f"{why}: refuse {method} at the gateway",
            method=method,
            lines=(bearer,),
        )
    for name, host in (("path", f"gateway/{MARK}?"), ("fragment", f"gateway#{MARK}")):
        yield Case(
            f"host-{name}",
            NAMING,
            f"a Host that is more than a name ({name})",
            "either",
            "frameworks put URLs together of Host, and find another path there: refuse what isn't a name and a port",
            lines=(bearer,),
            host=host,
        )


def _family(bearer: str) -> Case:
    return Case(
        "envoy-internal",
        NAMING,
        "a client from a private network, whom Envoy may take for one of its own",
        "either",
        "Envoy obeys the x-envoy-* of such clients (retries, timeouts): name the addresses that are really its own in "
        "internal_address_config, or one that is nobody's",
        lines=(bearer,),
        unwanted="X-Envoy-Internal",
    )


def _paths(known: Known, bearer: str) -> Iterator[Case]:
    same = (
        "the API must see the path that was judged: pass the raw request target on to phantomgate and to the API, and "
        "rewrite nothing after the decision"
    )
    allowed, forbidden = known.allowed.rstrip("/"), known.forbidden
    inner = forbidden.lstrip("/")
    ways = {
        "plain": forbidden,
        "dots": f"{allowed}/..{forbidden}",
        "encoded dots": f"{allowed}/%2e%2e{forbidden}",
        "half encoded dots": f"{allowed}/.%2E{forbidden}",
        "encoded slash": f"{allowed}/..%2f{inner}",
        "twice encoded": f"{allowed}/%252e%252e%252f{inner}",
        "overlong": f"{allowed}/%c0%ae%c0%ae/{inner}",
        "two slashes": f"/{forbidden}",
        "slash inside": forbidden.replace("/", "//", 1) if forbidden.count("/") == 1 else f"//{inner}",
        "dot segment": f"/.{forbidden}",
        "backslash": f"{allowed}/..\\{inner}",
        "encoded backslash": f"{allowed}/..%5c{inner}",
        "semicolon": f"{forbidden};x=1",
        "parent behind semicolon": f"{allowed}/..;{forbidden}",
        "encoded semicolon": f"{forbidden}%3bx",
        "zero": f"{forbidden}%00",
        "space": f"{forbidden}%20",
        "encoded letter": f"/%{ord(inner[0]):02x}{inner[1:]}",
        "slash at the end": f"{forbidden}/",
        "hash": f"{forbidden}%23/..{allowed or '/'}",
        "absolute": f"http://{known.authority}{forbidden}",
    }
    for name, target in ways.items():
        yield Case(
            f"path {name}",
            PATHS,
            f"{name}: {target}",
            "either",
            same,
            target=target,
            lines=(bearer,),
            known_from="CVE-2021-29492, CVE-2025-29914, GHSA-q7x9-4cpj-5h7h",
        )
