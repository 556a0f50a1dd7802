"""A JWT made for upstream, however it is made: by whom it is made when, and that it never outlives its token."""

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Route, Token
from phantomgate.core.ports import UpstreamJwt
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.upstream_jwt import forward_made
from tokens import NOW


def token(expires_at=NOW + 60.0):
    return Token("", {"sub": "ann"}, frozenset(), expires_at, 1e9)


class Makes:
    """Makes by numbering, good for an hour, due after ten seconds."""

    def __init__(self, clock, takes=0.0):
        self.clock, self.takes, self.made = clock, takes, 0

    async def __call__(self, token, audience):
        self.clock.advance(self.takes)
        self.made += 1
        now = self.clock.now()
        return UpstreamJwt(f"{self.made}.{audience}.s", now + 3600, now + 10, "for tests")


def test_it_ends_with_the_token_whatever_it_says(drive, clock):
    change = drive(forward_made(Makes(clock), forward_jwt({}), now=clock.now)(Route("r"), token()))

    assert (change.jwt, change.expires_at, change.made) == ("1..s", NOW + 60, "for tests")


def test_it_is_made_anew_when_it_is_due_and_counted_when_it_is_not(drive, clock):
    reused = []
    makes, source = Makes(clock), token()
    forward = forward_made(makes, forward_jwt({}), now=clock.now, reused=lambda: reused.append(1))

    for seconds in (0, 9, 1, 9):
        clock.advance(seconds)
        drive(forward(Route("r"), source))

    assert (makes.made, len(reused)) == (2, 2)


def test_it_is_made_anew_when_it_is_over_whenever_it_was_to_be_renewed(drive, clock):
    made = []

    async def make(token, audience):
        made.append(1)
        return UpstreamJwt("a.b.c", clock.now() + 10, clock.now() + 3600, "for tests")

    forward, source = forward_made(make, forward_jwt({}), now=clock.now), token()
    for seconds in (0, 9, 1):
        clock.advance(seconds)
        assert clock.now() < drive(forward(Route("r"), source)).expires_at
    assert 2 == len(made)


def test_a_token_that_ended_meanwhile_is_refused(drive, clock):
    with pytest.raises(Refused) as no:
        drive(forward_made(Makes(clock, takes=60), forward_jwt({}), now=clock.now)(Route("r"), token()))
    assert no.value.reason is Reason.EXPIRED


def test_what_can_not_be_made_is_not_forwarded(drive, clock):
    async def make(token, audience):
        raise Unavailable("down")

    with pytest.raises(Unavailable):
        drive(forward_made(make, forward_jwt({}), now=clock.now)(Route("r"), token()))
