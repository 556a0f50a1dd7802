"""Whose a credential is, and that nobody else is asked about it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.backends.blocking import finish
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Token
from phantomgate.resolvers.by_issuer import REMEMBERED, ByIssuer, Issuer
from tokens import jwt, segment

ROUTE = Route("policy")


class Knows:
    """A resolver that knows some tokens, or has its own way to refuse all."""

    def __init__(self, name: str, *known: str, no: Refused | None = None) -> None:
        self.name = name
        self.known = known
        self.no = no or Refused(Reason.INACTIVE)
        self.asked: list[str] = []

    async def resolve(self, credential: Credential, route: Route) -> Token:
        self.asked.append(credential.value)
        if credential.value in self.known or "*" in self.known:
            return Token(credential.value, {}, frozenset(), 0.0, 0.0, issuer=self.name)
        raise self.no.again()


def issuers(**more) -> tuple[ByIssuer, dict[str, Knows]]:
    """Two that verify JWTs, one with a prefix, and two that are asked in order."""
    parts = {name: Knows(name, "*") for name in ("a", "b", "p")}
    parts |= {"first": Knows("first", "t1"), "second": Knows("second", "t2"), **more}
    return ByIssuer(
        [
            Issuer("a", "https://a.example", parts["a"], False),
            Issuer("b", "https://b.example", parts["b"], False),
            Issuer("p", "", parts["p"], True, "p_"),
            Issuer("first", "https://first.example", parts["first"], True),
            Issuer("second", "", parts["second"], True),
        ]
    ), parts


def resolve(by: ByIssuer, value: str, route: Route = ROUTE) -> str:
    return finish(by.resolve(Credential(value), route)).issuer


def refused(by: ByIssuer, value: str, route: Route = ROUTE) -> Reason:
    with pytest.raises(Refused) as no:
        resolve(by, value, route)
    return no.value.reason


def asked(parts: dict[str, Knows]) -> set[str]:
    return {name for name, part in parts.items() if part.asked}


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_jwt_goes_to_the_issuer_that_it_names(name, drive):
    by, parts = issuers()
    assert name == drive(by.resolve(Credential(jwt(iss=f"https://{name}.example")), ROUTE)).issuer
    assert {name} == asked(parts)


@pytest.mark.parametrize(
    "iss",
    ["https://evil/", "https://a.example@evil/", "https://a.example.evil", "https://a.example/", "https://A.example",
     "", None, 7, ["https://a.example"], {"a": 1}, True],
)  # fmt: skip
def test_a_jwt_of_nobody_we_know_is_refused_before_anybody_is_asked(iss):
    by, parts = issuers()
    assert Reason.WRONG_ISSUER is refused(by, jwt(iss=iss))
    assert set() == asked(parts)


def test_a_jwt_is_never_tried_elsewhere():
    by, parts = issuers(a=Knows("a", no=Refused(Reason.INVALID_TOKEN)))
    assert Reason.INVALID_TOKEN is refused(by, jwt(iss="https://a.example"))
    assert {"a"} == asked(parts)


def test_a_prefix_says_whose_a_token_is():
    by, parts = issuers(p=Knows("p"))
    assert Reason.INACTIVE is refused(by, "p_1")
    assert {"p"} == asked(parts)


def test_one_that_takes_no_opaque_tokens_gets_none_by_a_prefix_either():
    only_jwts = Knows("only JWTs", "*")
    by = ByIssuer([Issuer("only JWTs", "https://a.example", only_jwts, False, "p_")])
    assert Reason.INVALID_TOKEN is refused(by, "p_1")
    assert [] == only_jwts.asked


@pytest.mark.parametrize(("value", "name"), [("t1", "first"), ("t2", "second")])
def test_without_a_prefix_each_is_asked_in_order_until_one_knows(value, name):
    by, parts = issuers()
    assert name == resolve(by, value)
    assert asked(parts) == ({"first"} if name == "first" else {"first", "second"})


def test_the_one_that_knew_is_asked_first_the_next_time():
    by, parts = issuers()
    credential = Credential("t2")
    for _ in range(3):
        assert "second" == finish(by.resolve(credential, ROUTE)).issuer
    assert (1, 3) == (len(parts["first"].asked), len(parts["second"].asked))


def test_a_token_that_nobody_knows_is_inactive():
    by, parts = issuers()
    assert Reason.INACTIVE is refused(by, "t3")
    assert {"first", "second"} == asked(parts)


def test_one_in_trouble_does_not_hide_the_other_and_is_not_taken_for_a_no():
    by, _ = issuers(first=Knows("first", no=Unavailable("down")))
    assert "second" == resolve(by, "t2")
    assert Reason.UNAVAILABLE is refused(by, "t3")


@pytest.mark.parametrize("no", [Unavailable("the first is down"), Refused(Reason.SERVER_ERROR, "the first is down")])
def test_of_several_troubles_the_first_is_told(no):
    by, parts = issuers(first=Knows("first", no=no), second=Knows("second", no=Unavailable("the second is down")))
    with pytest.raises(Refused, match="the first is down"):
        resolve(by, "t3")
    assert {"first", "second"} == asked(parts)


def test_each_is_asked_once_about_a_token_that_one_knew_and_knows_no_more():
    by, parts = issuers()
    credential = Credential("t2")
    finish(by.resolve(credential, ROUTE))
    parts["second"].known = ()
    with pytest.raises(Refused) as no:
        finish(by.resolve(credential, ROUTE))
    assert Reason.INACTIVE is no.value.reason
    assert (2, 2) == (len(parts["first"].asked), len(parts["second"].asked))


def test_what_one_says_about_its_token_is_final():
    by, parts = issuers(first=Knows("first", no=Refused(Reason.EXPIRED)))
    assert Reason.EXPIRED is refused(by, "t2")
    assert {"first"} == asked(parts)


def test_a_route_s_issuer_is_the_only_one_asked():
    by, parts = issuers()
    assert "second" == resolve(by, "t2", Route("r", issuer="second"))
    assert {"second"} == asked(parts)


@pytest.mark.parametrize("value", [jwt(iss="https://a.example"), "p_1"])
def test_a_route_takes_no_token_of_another_issuer(value):
    by, parts = issuers()
    assert Reason.WRONG_ISSUER is refused(by, value, Route("r", issuer="second"))
    assert set() == asked(parts)


def test_a_route_is_judged_anew_for_a_token_that_was_seen_elsewhere():
    by, _ = issuers()
    credential = Credential("t1")
    assert "first" == finish(by.resolve(credential, ROUTE)).issuer
    with pytest.raises(Refused):
        finish(by.resolve(credential, Route("r", issuer="second")))
    assert "first" == finish(by.resolve(credential, ROUTE)).issuer


def test_where_no_issuer_takes_opaque_tokens_nobody_is_asked():
    a = Knows("a", "*")
    by = ByIssuer([Issuer("a", "https://a.example", a, False)])
    for value in ("t1", "a.b.c", "", "a" * 100, f"{segment({'alg': 'ES256'})}.{segment([1])}.c"):
        assert Reason.INVALID_TOKEN is refused(by, value)
    assert [] == a.asked


def test_an_empty_issuer_is_not_the_iss_of_a_jwt():
    by, parts = issuers()
    assert Reason.WRONG_ISSUER is refused(by, jwt(iss=""))
    assert set() == asked(parts)


def test_what_is_remembered_is_bounded():
    by, _ = issuers()
    for n in range(REMEMBERED + 10):
        refused(by, f"x{n}")
    assert len(by._chosen) <= REMEMBERED


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_text_but_a_jwt_of_an_issuer_reaches_the_ones_that_verify(value):
    by, parts = issuers()
    with suppress(Refused):
        resolve(by, value)
    assert not asked(parts) & {"a", "b"}
