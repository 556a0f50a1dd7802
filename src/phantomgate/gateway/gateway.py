"""The whole idea on one page: match, find, resolve, judge, forward. Nothing else decides.

Rule: `Allow` is built on one line, the last of the happy path; every other way out of `decide` is a `Refuse` or, for
cancellation and its kin, an exception that the caller answers by closing. Nothing here knows a gateway or a library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Answer, Decision, Fields, Refuse, Request
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Find, Forward, Match, Observer, Policy, Resolver, Respond


def respond_nothing(request: Request) -> tuple[Fields, Answer | None]:  # noqa: ARG001 - the port's shape
    """For gateways that speak to no browser."""
    return (), None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One engine for every gateway: it holds the parts and no state of its own."""

    match: Match
    find: Find
    resolver: Resolver
    policies: Sequence[Policy]
    forward: Forward
    observe: Observer
    new_id: Callable[[], str]
    respond: Respond = respond_nothing

    async def decide(self, request: Request) -> Decision:
        """Whatever goes wrong, the request is refused."""
        decision: Decision | None
        client: Fields = ()
        try:
            if request.problem is not None:
                raise request.problem
            client, decision = self.respond(request)
            if decision is None:
                route = self.match(request)
                credential = self.find(request)
                token = await self.resolver.resolve(credential, route)
                for judge in self.policies:
                    judge(request, route, token)
                decision = Allow(token, route, await self.forward(route, token), client)
        except Refused as no:
            decision = Refuse(no.reason, self.new_id(), no.detail, no.scope, no.retry_after, no.__cause__, client)
        except Exception as bug:  # noqa: BLE001 - this is the one place where everything ends in a refusal
            decision = Refuse(Reason.SERVER_ERROR, self.new_id(), type(bug).__name__, cause=bug, client=client)
        except BaseException as end:  # cancelled or told to exit: say so, and let the caller close without an answer
            self.observe(request, Refuse(Reason.SERVER_ERROR, self.new_id(), "abandoned", cause=end))
            raise
        try:
            self.observe(request, decision)
        except Exception as bug:  # noqa: BLE001 - what can't be recorded is not allowed
            return Refuse(Reason.SERVER_ERROR, self.new_id(), type(bug).__name__, cause=bug)
        return decision
