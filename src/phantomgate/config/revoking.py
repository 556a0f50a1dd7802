"""From [revocation] to who may tell us that tokens are over, and how we know them.

Rule: a logout token or an event is believed when the issuer that it names signed it, by keys found as for its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from phantomgate.backends.secrets import read_secret
from phantomgate.config.network import read_address
from phantomgate.config.settings import IssuerRule, Revocation, Settings
from phantomgate.core.errors import Problem, Reason, Refused
from phantomgate.core.nouns import dataclass, field, replace
from phantomgate.core.ports import Clock
from phantomgate.core.purge import Purge

if TYPE_CHECKING:
    from phantomgate.config.tools import Tools
    from phantomgate.oauth.jwt_rules import Rules
    from phantomgate.resolvers.keys import Keys

LEAST_SECRET = 32
"""Characters: who guesses it can log people out."""

ON_ITS_WAY = 180.0
"""Seconds that an answer may be on its way: no timeout may be set beyond a minute, and keys may be fetched first."""


@dataclass(frozen=True, slots=True)
class Revoking:
    """Verifies what issuers send. *signers* are (name, keys) by `iss`."""

    signers: Mapping[str, tuple[str, Keys]] = field(repr=False)
    audiences: frozenset[str]
    clock_skew: float
    now: Clock

    async def logout(self, token: str) -> Sequence[Purge]:
        """What the logout token *token* ends (Back-Channel Logout §2.7: that session, or all of the person)."""
        from phantomgate.oauth.logout_token import logout_token_rules, purges_of, read_ended

        def rules(issuer: str) -> Rules:
            return replace(logout_token_rules(issuer, "", self.clock_skew), audiences=self.audiences)

        name, claims = await self._verified(token, rules)
        return purges_of(read_ended(claims), name)

    async def event(self, token: str) -> Sequence[Purge]:
        """What the Security Event Token *token* ends."""
        from phantomgate.oauth.security_event import read_event, security_event_rules

        name, claims = await self._verified(
            token, lambda issuer: security_event_rules(issuer, self.audiences, self.clock_skew)
        )
        return [Purge(kind, value, name, at) for kind, value, at in read_event(claims)]

    async def _verified(self, token: str, rules: Callable[[str], Rules]) -> tuple[str, Mapping[str, Any]]:
        from phantomgate.oauth.jwt import verify
        from phantomgate.oauth.unverified import read_unverified
        from phantomgate.resolvers.keys import by_newest

        issuer = read_unverified(token).claims.get("iss")
        known = self.signers.get(issuer) if isinstance(issuer, str) else None
        if known is None:
            raise Refused(Reason.WRONG_ISSUER, "iss is none of our issuers")
        name, keys = known
        asked = rules(cast("str", issuer))
        claims, _ = await by_newest(keys, lambda newest: verify(token, newest, asked, self.now()).claims)
        return name, claims


def revoking(tools: Tools) -> Revoking:
    """Who may send what, by the settings in *tools*."""
    from phantomgate.config.issuer_checks import discovers
    from phantomgate.config.issuing import DEFAULT_NAME, keys_of, metadata_of_issuer

    settings = tools.settings
    signers: dict[str, tuple[str, Keys]] = {}
    for one in _issuers(settings):
        rule = replace(one, algorithms=one.algorithms or settings.revocation.algorithms)
        metadata = metadata_of_issuer(tools, rule) if discovers(rule) or not (rule.keys or rule.jwks) else None
        signers[one.issuer] = one.name or DEFAULT_NAME, keys_of(tools, rule, metadata, [])
    skew = settings.policy.clock_skew
    return Revoking(signers, frozenset(settings.revocation.audiences), skew, tools.now)


def names_of(settings: Settings) -> tuple[str, ...]:
    """What the issuers are called whose tokens there are."""
    from phantomgate.config.issuing import DEFAULT_NAME

    asked = settings.introspection
    if not settings.issuers:
        return (asked.issuer,)
    more = (asked.issuer or DEFAULT_NAME,) if asked.client_id else ()
    return (*(one.name for one in settings.issuers), *more)


def names_at(settings: Settings, issuer: str) -> tuple[str, ...]:
    """What *issuer*, as it calls itself, is called in the settings; nameless ones may be it too.

    Where no gateway is described, as beside an agent that is served elsewhere: what it is called without [[issuers]].
    """
    named = [one.name for one in settings.issuers if one.issuer in (issuer, "")]
    asked = settings.introspection
    if asked.client_id and asked.issuer in (issuer, ""):
        named.append(names_of(settings)[-1])
    return tuple(dict.fromkeys(named)) or (issuer, "")


def by_names(settings: Settings, purges: Sequence[Purge]) -> list[Purge]:
    """*purges* whose issuer is as it calls itself, by its names in the settings."""
    return [
        one if one.kind == "token" else replace(one, issuer=name)
        for one in purges
        for name in ((one.issuer,) if one.kind == "token" else names_at(settings, one.issuer))
    ]


def mark_seconds(settings: Settings) -> float:
    """How long a mark lasts: longer than anything that may have been known before it."""
    return max(settings.revocation.keep, settings.cache.max_age + ON_ITS_WAY)


def revocation_secret(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """What purge calls are signed with, and what is wrong with it."""
    reference = settings.revocation.secret
    if not reference:
        return "", []
    try:
        return read_secret(reference, environ, least=LEAST_SECRET), []
    except ValueError as no:
        return "", [Problem("revocation.secret", str(no), settings.origin("revocation.secret"))]


def unheard(settings: Settings) -> list[Problem]:
    """That nobody in an application's own process hears what [revocation] is for, unless others share it."""
    if not settings.revokes or settings.redis.nodes:
        return []
    text = "is for `phantomgate serve`: within an application nobody listens, so a purge would be over nowhere here; \
share [redis] with a `serve` that listens, or leave [revocation] out"
    return [Problem("revocation.listen", text, settings.origin("revocation.listen"))]


def _issuers(settings: Settings) -> Iterator[IssuerRule]:
    """Those with a name of their own in `iss`, by which their keys are found."""
    yield from (one for one in settings.issuers if one.issuer)
    asked = settings.introspection
    if asked.issuer and asked.issuer not in {one.issuer for one in settings.issuers}:
        yield IssuerRule(
            name=asked.issuer,
            issuer=asked.issuer,
            allow_insecure_http=asked.allow_insecure_http,
            ca_file=asked.ca_file,
            timeout=asked.timeout,
            introspection=asked,
        )


def _somebody_may_tell(settings: Settings) -> str:
    if settings.revokes or settings.revocation == Revocation(unheard=settings.revocation.unheard):
        return ""
    return "is missing, and so is revocation.audiences: nobody could tell us anything; write one, or leave \
[revocation] out"


def _somebody_signs(settings: Settings) -> str:
    if not settings.revocation.audiences or any(_issuers(settings)):
        return ""
    return 'needs an issuer whose keys we can find; write introspection.issuer = "https://as.example", or [[issuers]]'


def _somebody_could_tell_us(settings: Settings) -> str:
    if settings.revocation.unheard == "serve" or settings.redis.nodes:
        return ""
    return 'is "refuse", and there is no [redis] that could say what was purged before the start; write nodes \
there, or leave it out'


def _listeners_are_apart(settings: Settings) -> str:
    mine = read_address(settings.revocation.listen)
    others = {
        settings.serve.listen,
        settings.serve.manage,
        *([settings.split_tokens.listen] if settings.splits else []),
    }
    if not settings.revokes or mine not in map(read_address, others) or (not mine.unix and mine.port == 0):
        return ""
    return "is the address of another listener; choose another"


REVOCATION_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("revocation.secret", ("revocation", "revocation.audiences"), _somebody_may_tell),
    ("revocation.audiences", ("introspection.issuer", "issuers"), _somebody_signs),
    ("revocation.unheard", ("redis.nodes",), _somebody_could_tell_us),
    ("revocation.listen", ("serve.listen", "serve.manage", "split_tokens.listen"), _listeners_are_apart),
)
