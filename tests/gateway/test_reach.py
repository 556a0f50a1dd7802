"""How far a credential reaches: by the verbs that decide, and never further."""

from __future__ import annotations

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, HeaderChange, Headers, Request, Route, Token
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.judge import scopes
from phantomgate.gateway.reach import reach
from phantomgate.gateway.rule import Rule

REQUEST = Request("GET", "/nowhere", Headers())
READ, WRITE = (Rule(f"/{name}", (), Route(name, frozenset({name}))) for name in ("read", "write"))


class Answers:
    """A resolver whose answer is by the route's name: a token's scopes, or what it raises."""

    def __init__(self, **by_name: object) -> None:
        self.by_name = by_name

    async def resolve(self, credential: Credential, route: Route) -> Token:
        answer = self.by_name[route.name]
        if isinstance(answer, Exception):
            raise answer
        return Token("jwt", {}, frozenset(answer), 2e9, 2e9)


def gateway(resolver: Answers, forward=None) -> Gateway:
    async def forward_it(route: Route, token: Token) -> HeaderChange:
        return HeaderChange((("Authorization", f"Bearer {token.jwt}"),), frozenset(), token.jwt)

    def no_match(request: Request) -> Route:
        raise Refused(Reason.NO_ROUTE)

    return Gateway(
        no_match, lambda request: Credential("t"), resolver, (scopes(),), forward or forward_it, print, lambda: "id"
    )


def test_the_rules_that_grant_are_found_whatever_was_called(drive):
    found = drive(reach(gateway(Answers(read=["read"], write=["read"])), REQUEST, [READ, WRITE]))

    assert frozenset({0}) == found.places
    assert "jwt" == found.upstream.jwt


def test_where_no_rule_grants_there_is_nothing(drive):
    found = drive(reach(gateway(Answers(read=[], write=[])), REQUEST, [READ, WRITE]))

    assert (frozenset(), None, None) == found


def test_a_token_that_no_rule_takes_is_refused_for_its_own_reason(drive):
    bad = Refused(Reason.INACTIVE)
    with pytest.raises(Refused) as no:
        drive(reach(gateway(Answers(read=bad, write=bad)), REQUEST, [READ, WRITE]))

    assert no.value.reason is Reason.INACTIVE


def test_one_rule_that_lacks_a_scope_outweighs_one_that_takes_other_tokens(drive):
    answers = Answers(read=Refused(Reason.WRONG_ISSUER), write=[])

    assert frozenset() == drive(reach(gateway(answers), REQUEST, [READ, WRITE])).places


@pytest.mark.parametrize("trouble", [Unavailable("x"), Refused(Reason.BAD_ANSWER), Refused(Reason.SERVER_ERROR)])
def test_trouble_with_any_rule_is_trouble(drive, trouble):
    with pytest.raises(Refused) as no:
        drive(reach(gateway(Answers(read=["read"], write=trouble)), REQUEST, [READ, WRITE]))

    assert no.value.reason is trouble.reason


def test_of_a_table_without_rules_nothing_is_granted(drive):
    assert frozenset() == drive(reach(gateway(Answers()), REQUEST, ())).places


def test_what_goes_upstream_must_be_the_same_everywhere(drive):
    async def by_route(route: Route, token: Token) -> HeaderChange:
        return HeaderChange((("Authorization", f"Bearer {route.name}"),), frozenset(), route.name)

    with pytest.raises(Refused, match="not the same on all routes") as no:
        drive(reach(gateway(Answers(read=["read"], write=["write"]), by_route), REQUEST, [READ, WRITE]))

    assert no.value.reason is Reason.SERVER_ERROR
