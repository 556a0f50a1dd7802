"""Minting on the way upstream: after judging, remembered as a rendering, never longer than the source."""

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Route, Token
from phantomgate.gateway import upstream_jwt
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.minting import minted
from phantomgate.gateway.upstream_jwt import forward_made
from phantomgate.oauth.minting import MintRules
from tokens import NOW, jwt

RULES = MintRules("https://gateway.example", "orders", 300.0)


class Signs:
    """Signs by numbering, and keeps what it signed."""

    def __init__(self):
        self.claims = []

    async def __call__(self, typ, claims):
        self.claims.append(claims)
        return f"{typ}.{len(self.claims)}.s"


def token(expires_at=NOW + 3600.0, server_jwt="", **facts):
    return Token(server_jwt, {"sub": "ann", **facts}, frozenset(("read",)), expires_at, 1e9)


@pytest.fixture
def made(clock):
    sign = Signs()
    make = minted(RULES, sign, now=clock.now, new_id=lambda: "j")
    forward = forward_made(make, forward_jwt({"X-User": "sub"}), now=clock.now)
    return forward, sign


def test_our_jwt_goes_upstream_instead_of_the_servers(drive, made):
    forward, sign = made

    change = drive(forward(Route("r"), token(server_jwt=jwt())))

    assert change.set == (("Authorization", "Bearer at+jwt.1.s"), ("X-User", "ann"))
    assert (change.jwt, change.expires_at) == ("at+jwt.1.s", NOW + 300)
    assert sign.claims[0]["scope"] == "read"


def test_a_gateway_may_keep_the_answer_no_longer_than_our_jwt(drive, made, clock):
    forward, _ = made
    source = token()

    allow = Allow(source, Route("r"), drive(forward(Route("r"), source)))

    assert allow.lifetime(clock.now(), 0.0) == 300
    clock.advance(100.5)
    assert allow.lifetime(clock.now(), 0.0) == 199
    clock.advance(300)
    assert allow.lifetime(clock.now(), 0.0) == 0


def test_one_token_and_audience_is_signed_once(drive, made):
    forward, sign = made
    source = token()

    for route in (Route("a"), Route("b"), Route("c", upstream_audience="stock"), Route("d", upstream_audience="stock")):
        drive(forward(route, source))
    drive(forward(Route("a"), token()))

    assert [claims["aud"] for claims in sign.claims] == ["orders", "stock", "orders"]


def test_a_jwt_is_renewed_at_half_time_while_its_source_lasts(drive, made, clock):
    forward, sign = made
    source = token(NOW + 400.0)

    seen = []
    for seconds in (0, 149, 1, 249):
        clock.advance(seconds)
        seen.append(drive(forward(Route("r"), source)).expires_at - NOW)

    assert seen == [300, 300, 400, 400]  # the second ends with its source, so a third would be no better
    assert len(sign.claims) == 2


def test_nothing_is_minted_of_a_source_that_has_ended(drive, made, clock):
    forward, _ = made
    source = token(NOW + 10.0)
    drive(forward(Route("r"), source))
    clock.advance(10)

    with pytest.raises(Refused) as no:
        drive(forward(Route("r"), source))
    assert no.value.reason is Reason.EXPIRED


def test_what_is_remembered_is_bounded(drive, made):
    forward, sign = made
    first = token()
    drive(forward(Route("r"), first))
    for _ in range(upstream_jwt.REMEMBERED_TOKENS):
        drive(forward(Route("r"), token()))
    before = len(sign.claims)

    drive(forward(Route("r"), first))

    assert len(sign.claims) == before + 1


def test_facts_without_a_jwt_are_never_forwarded_unminted(drive):
    with pytest.raises(Refused) as no:
        drive(forward_jwt({})(Route("r"), token()))
    assert no.value.reason is Reason.BAD_ANSWER
