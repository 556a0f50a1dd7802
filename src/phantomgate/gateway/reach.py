"""How far one credential reaches: which rules of the table grant it, and what goes upstream there.

For gateways that keep an answer for more than the request that was judged. Rule: it is found out by the same verbs that
decide, run for each rule, and nothing is let in by it: an `Allow` is still made in `decide` alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Request, Token
from phantomgate.core.typed import NamedTuple
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.rule import Rule


class Reach(NamedTuple):
    """The places of the rules that grant; the token and what goes upstream, unless there is no such rule."""

    places: frozenset[int]
    token: Token | None = None
    upstream: HeaderChange | None = None


async def reach(gateway: Gateway, request: Request, rules: Sequence[Rule]) -> Reach:
    """Which of *rules* the credential of *request* is granted, whatever its method and path.

    Raises Refused: as the resolver, when no rule can be asked about; SERVER_ERROR when what goes upstream is not the
    same everywhere, so that no one answer could be kept.
    """
    credential = gateway.find(request)
    granted: dict[int, tuple[Token, HeaderChange]] = {}
    refusal: Refused | None = None
    for place, rule in enumerate(rules):
        try:
            token = await gateway.resolver.resolve(credential, rule.route)
            for judge in gateway.policies:
                judge(request, rule.route, token)
        except Refused as no:
            if no.reason.status >= 500:
                raise
            refusal = no if refusal is None or no.reason.status == 403 else refusal
        else:
            granted[place] = token, await gateway.forward(rule.route, token)
    if not granted:
        if refusal is not None and refusal.reason.status != 403:
            raise refusal
        return Reach(frozenset())
    (token, upstream), *others = granted.values()
    if any(other.set != upstream.set for _, other in others):
        raise Refused(Reason.SERVER_ERROR, 'the JWT is not the same on all routes; write policy = "exact" under [aws]')
    return Reach(frozenset(granted), token, upstream)
