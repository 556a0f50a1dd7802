"""Open a signed introspection answer (RFC 9701): decrypted if it has to be, verified by the issuer's keys of today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phantomgate.core.ports import HttpReply
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt_rules import Rules
from phantomgate.oauth.signed_introspection import bad_statement, read_signed, read_statement
from phantomgate.resolvers.keys import Keys, by_newest


class Statements:
    """Opens the statements of one issuer. A class only because these parameters stay together; it has no state.

    With *decrypt* (from a compact JWE to what is in it, or ValueError) every statement must be encrypted: RFC 9701 §5.
    """

    def __init__(self, keys: Keys, rules: Rules, *, decrypt: Callable[[str], str] | None = None) -> None:
        self.keys = keys
        self.rules = rules
        self.decrypt = decrypt

    async def open(self, reply: HttpReply, now: float) -> dict[str, Any]:
        """What *reply* says of the token. Raises Refused and Unavailable as `read_signed`, or as the keys' source."""
        jwt = read_signed(reply)
        if self.decrypt is not None:
            try:
                jwt = self.decrypt(jwt)
            except ValueError as error:
                raise bad_statement(str(error) if type(error) is ValueError else "not a JWT inside") from None
        try:
            said, _ = await by_newest(self.keys, lambda keys: read_statement(jwt, keys, self.rules, now))
        except UnknownKey as no:
            raise bad_statement(no.detail) from None
        return said
