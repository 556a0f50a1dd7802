"""What the settings of one issuer say together, and what several say of each other.

Rule: as `checks`. An issuer that is verified without an audience or an algorithm, and a setting that looks like a check
and would check nothing, are problems, never defaults. An issuer with a setting that couldn't be read is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from phantomgate.config.asking import asked_of, place_of, verifies_answers
from phantomgate.config.asking_checks import problems_of_asking, wants_secret
from phantomgate.config.kinds import found
from phantomgate.config.settings import Introspection, IssuerRule, Settings
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt_rules import ABSENT, Rules, access_token_rules
from phantomgate.oauth.urls import check_issuer, insecure

_DEFAULT = IssuerRule()


def rules_of(one: IssuerRule, clock_skew: float = 5.0) -> Rules:
    """The rules for the access tokens of *one*. Raises ValueError when there can be none."""
    types = [ABSENT if typ == "none" else typ for typ in one.typ]
    return access_token_rules(
        one.issuer, one.audiences, types=types, clock_skew=clock_skew, tolerated=one.ignored_header
    )


def verifies(one: IssuerRule) -> bool:
    """Whether its keys are needed."""
    return one.mode != "introspect"


def introspects(one: IssuerRule) -> bool:
    """Whether it is asked about tokens."""
    return one.mode in ("introspect", "both")


def discovers(one: IssuerRule) -> bool:
    """Whether its metadata is needed."""
    return (verifies(one) and not (one.keys or one.jwks)) or (introspects(one) and not one.introspection.endpoint)


def problems_of_issuers(settings: Settings, unread: Collection[str]) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it) for everything about issuers that is."""
    for place, one in enumerate(settings.issuers, 1):
        at = f"issuers[{place}]"
        if not any(name == at or name.startswith(f"{at}.") for name in unread):
            for name, check in _CHECKS:
                text = check(one)
                if text:
                    yield f"{at}.{name}", text
            if introspects(one):
                yield from problems_of_asking(place_of(place), asked_of(one), settings.makes_jwts, unread)
            yield from _between(settings, place, one)
    names = {one.name for one in settings.issuers}
    for place, rule in enumerate(settings.routes, 1):
        if rule.issuer and rule.issuer not in names and "issuers" not in unread:
            there = f"there are {', '.join(sorted(names))}" if names else "there are no [[issuers]]"
            yield f"routes[{place}].issuer", f"is {found(rule.issuer)}, which is the name of no issuer; {there}"


def _between(settings: Settings, place: int, one: IssuerRule) -> Iterator[tuple[str, str]]:
    at = f"issuers[{place}]"
    for earlier, other in enumerate(settings.issuers[: place - 1], 1):
        if one.name == other.name:
            yield f"{at}.name", f"is that of issuers[{earlier}] too; give each its own"
        if one.issuer == other.issuer:
            yield f"{at}.issuer", f"is that of issuers[{earlier}] too, so nobody could say whose a JWT is; keep one"
        if one.prefix and other.prefix and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
            text = f"and that of issuers[{earlier}] begin alike, so that some tokens would have both; choose another"
            yield f"{at}.prefix", text
    if one.issuer == settings.introspection.issuer:
        yield f"{at}.issuer", "is that of [introspection] too; keep one, or move that into [issuers.introspection]"
    if one.name == "introspection" and settings.introspection != Introspection():
        yield f"{at}.name", "is what the log calls the server of [introspection]; choose another"


def _audiences(one: IssuerRule) -> str:
    if not verifies(one) or one.audiences:
        return ""
    return f'is missing, and mode = "{one.mode}" would let in what was made for others; write audiences = ["api"] with \
what the issuer calls your API'


def _algorithms(one: IssuerRule) -> str:
    if verifies(one):
        return "" if one.algorithms else 'is missing; write what the issuer signs with, such as algorithms = ["RS256"]'
    return _without_verifying(one, "algorithms")


def _typ(one: IssuerRule) -> str:
    if not verifies(one):
        return _without_verifying(one, "typ")
    if not one.typ:
        return 'is empty; write typ = ["at+jwt"], or what the issuer writes instead'
    try:
        rules_of(one)
    except ValueError as no:
        return f"can't be used: {no}" if one.audiences else ""
    return ""


def _keys(one: IssuerRule) -> str:
    if not verifies(one):
        return _without_verifying(one, "keys")
    if one.keys and one.jwks:
        return "and jwks are both there; keep one"
    if one.keys and not one.keys.startswith("file:") and insecure(one.keys) and not one.allow_insecure_http:
        return "is http, so anybody on the way could give us keys of his own; write https:// (or, for a test only, \
allow_insecure_http = true)"
    return ""


def _jwks(one: IssuerRule) -> str:
    if not verifies(one):
        return _without_verifying(one, "jwks")
    if not (one.jwks and one.algorithms):
        return ""
    try:
        keys = read_key_set(one.jwks.encode(), one.algorithms)
    except ValueError as no:
        return f"can't be used: {no if type(no) is ValueError else 'not a key set'}"
    if keys.keys:
        return ""
    why = f": {keys.skipped[0].why}" if keys.skipped else ""
    return f"has no key that can be used{why}; want the issuer's public keys"


def _ignored_header(one: IssuerRule) -> str:
    return "" if verifies(one) else _without_verifying(one, "ignored_header")


def _without_verifying(one: IssuerRule, name: str) -> str:
    same = getattr(one, name) == getattr(_DEFAULT, name)
    if name in ("keys", "algorithms") and introspects(one) and verifies_answers(one.introspection):
        return ""  # what it answers is verified by them
    return "" if same else 'checks nothing with mode = "introspect"; remove it, or write mode = "both"'


def _issuer(one: IssuerRule) -> str:
    if not discovers(one):
        return ""
    try:
        check_issuer(one.issuer, allow_insecure_http=one.allow_insecure_http)
    except ValueError as no:
        return f"{no}; its metadata can't be found by it: write https://, or say where its endpoints are"
    return ""


def _discovery(one: IssuerRule) -> str:
    return 'is empty; write discovery = ["oauth", "openid"]' if discovers(one) and not one.discovery else ""


def _prefix(one: IssuerRule) -> str:
    if not one.prefix or one.mode in ("introspect", "split"):
        return ""
    return f'is for opaque tokens, which mode = "{one.mode}" doesn\'t take; remove it, or write mode = "introspect"'


def _introspection(one: IssuerRule) -> str:
    asked = one.introspection
    if not introspects(one):
        text = f'is never used with mode = "{one.mode}"; remove it, or write mode = "both"'
        return "" if asked == Introspection() else text
    needed = ("client_id", "client_secret") if wants_secret(asked) else ("client_id",)
    missing = [name for name in needed if not getattr(asked, name)]
    if missing:
        return f"has no {' and no '.join(missing)}; write [issuers.introspection] with them below this issuer"
    if asked.issuer and asked.issuer != one.issuer:
        return "has another issuer; remove it there"
    if asked.endpoint and insecure(asked.endpoint) and not asked.allow_insecure_http:
        return (
            "has an http endpoint, which would send our secret and the tokens in the clear; write https:// (or, for a \
test only, allow_insecure_http = true)"
        )
    return ""


_CHECKS: tuple[tuple[str, Callable[[IssuerRule], str]], ...] = (
    ("audiences", _audiences),
    ("algorithms", _algorithms),
    ("typ", _typ),
    ("ignored_header", _ignored_header),
    ("keys", _keys),
    ("jwks", _jwks),
    ("issuer", _issuer),
    ("discovery", _discovery),
    ("prefix", _prefix),
    ("introspection", _introspection),
)
