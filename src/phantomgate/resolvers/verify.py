"""A JWT in, its verified facts out: the signature by the issuer's keys, the claims by its rules.

Remembering is `Cached`'s, around this. What is remembered ends with the freshness of the keys it was verified by, so a
key that the issuer takes back is trusted for no longer than it allowed its key set to be kept (an hour at the most).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.nouns import replace
from phantomgate.core.ports import Clock, Resolver
from phantomgate.oauth.claims import read_scopes, read_time
from phantomgate.oauth.jose_header import Header
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import Rules, check_audience
from phantomgate.resolvers.keys import Keys, by_newest


class Verify:
    """Verifies the tokens of one issuer. A class only because these parameters stay together; it has no state.

    *name* is what the issuer is called in the settings; *max_age*, in seconds, caps how long anybody may remember.
    """

    def __init__(
        self, keys: Keys, rules: Rules, *, now: Clock, ticks: Clock, name: str, max_age: float = 300.0
    ) -> None:
        self.keys = keys
        self.rules = rules
        self.now = now
        self.ticks = ticks
        self.name = name
        self.max_age = max_age

    async def resolve(self, credential: Credential, route: Route) -> Token:  # noqa: ARG002 - the port's shape
        """The facts that the issuer has signed. Raises Refused as `verify` does, or as the keys' source does."""
        jwt = credential.value
        claims, until = await by_newest(self.keys, lambda keys: verify(jwt, keys, self.rules, self.now()).claims)
        return Token(
            jwt,
            claims,
            read_scopes(claims),
            read_time(claims, "exp"),
            min(self.ticks() + self.max_age, until),
            issuer=self.name,
            source=Source.SIGNATURE,
        )


class Wrapped:
    """A wrapper token: a JWT that must be verified, and then asked about at its issuer, whose answer goes upstream.

    What nobody could have signed is never asked about. It has no state.
    """

    def __init__(self, verify: Resolver, introspect: Resolver) -> None:
        self.verify = verify
        self.introspect = introspect

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The issuer's answer, for no longer than the wrapper lasts. Raises Refused as the two do."""
        wrapper = await self.verify.resolve(credential, route)
        token = await self.introspect.resolve(credential, route)
        return replace(
            token,
            expires_at=min(token.expires_at, wrapper.expires_at),
            fresh_until=min(token.fresh_until, wrapper.fresh_until),
        )


def wrapper_rules(rules: Rules) -> Rules:
    """*rules* for a wrapper: whom it is about and for, its issuer may say in the answer only.

    The audience is judged by that answer; one in the wrapper must be ours too.
    """
    checks = tuple(_check_audience_if_there if check is check_audience else check for check in rules.checks)
    return replace(rules, required=("iss", "exp"), checks=checks)


def _check_audience_if_there(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    if "aud" in claims:
        check_audience(header, claims, rules, now)
