"""What an HTTP API remembers our answers by, and whether that is enough.

Rule: where caching isn't known to be off, an answer is given only if everything it depends on is in the key: the
credential, and for a plain yes or no under a table of routes also the route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phantomgate.adapters.aws_events import Asked, Surface
from phantomgate.core.errors import Reason, Refused

if TYPE_CHECKING:
    from phantomgate.gateway.iam import Table  # only with [[routes]]


def check_identities(asked: Asked, ttl: float | None) -> None:
    """Gives the request its refusal when its credential is not what the answer would be remembered by.

    *ttl* is for how many seconds API Gateway remembers; None: unknown.
    """
    presented = asked.request.headers.fields.get(b"authorization", b"").decode("utf-8", "replace")
    if not presented or asked.identities is None or asked.request.problem is not None:
        return
    if asked.surface is Surface.HTTP_1:
        keyed = any(presented in said for said in asked.identities)  # the values are joined by commas
    else:
        keyed = presented in asked.identities
    another = any(said.lower().startswith("bearer ") for said in asked.identities)
    if not keyed and (another or ttl != 0):
        text = "the identity sources don't hold the Authorization field; name it, or turn caching off (aws.cache_ttl)"
        asked.request.problem = Refused(Reason.MALFORMED_REQUEST, text)


def check_route_key(asked: Asked, table: Table, ttl: float | None) -> None:
    """Gives the request its refusal when its answer would also be given for requests that other rules are for."""
    if ttl == 0 or asked.request.problem is not None:
        return
    if asked.route_key and asked.route_key in (asked.identities or ()) and table.is_one_rule(*_route(asked.route_key)):
        return
    asked.request.problem = Refused(
        Reason.NO_ROUTE,
        "a plain answer is remembered for every route: add $context.routeKey to the identity sources, with one rule of "
        '[[routes]] for each route of the API, or turn caching off and write cache_ttl = "0s" under [aws]',
    )


def _route(key: str) -> tuple[str, str]:
    """Method and path template of the route that API Gateway calls *key*."""
    method, _, path = key.partition(" ")
    if not path:
        return "ANY", "/**"  # $default
    return method, "/".join("**" if part.endswith("+}") else part for part in path.split("/"))
