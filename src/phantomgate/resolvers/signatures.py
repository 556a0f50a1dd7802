"""Verify the JWT that an introspection answer hands over, by the keys that its issuer publishes today."""

from __future__ import annotations

from phantomgate.core.ports import Clock
from phantomgate.oauth.introspected_jwt import bad_jwt, check_introspected
from phantomgate.oauth.introspection import Introspected
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt_rules import Rules
from phantomgate.resolvers.keys import Keys, by_newest


class Signatures:
    """Checks the answers of one issuer. A class only because these parameters stay together; it has no state."""

    def __init__(self, keys: Keys, rules: Rules, *, now: Clock) -> None:
        self.keys = keys
        self.rules = rules
        self.now = now

    async def check(self, said: Introspected) -> float:
        """Until when what *said* may be remembered (monotonic clock): as long as the keys that it was verified by.

        Raises Refused(BAD_ANSWER) unless its JWT is the issuer's, or as the keys' source does.
        """
        try:
            _, until = await by_newest(
                self.keys, lambda keys: check_introspected(said.jwt, said.stated, keys, self.rules, self.now())
            )
        except UnknownKey as no:
            raise bad_jwt(no.detail) from None
        return until
