"""Recording parts change nothing: the decision is the gateway's own, and every step was seen."""

from __future__ import annotations

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Credential, HeaderChange, Headers, Refuse, Request, Route, Token
from phantomgate.gateway.explain import recording
from phantomgate.gateway.gateway import Gateway
from tokens import NOW, jwt

ROUTE = Route("policy")
CREDENTIAL = Credential("t0ken")
TOKEN = Token(jwt(), {}, frozenset(), NOW + 60, 60.0)
CHANGE = HeaderChange((), frozenset())
REQUEST = Request("GET", "/", Headers())
VERBS = ["match", "find", "resolve", "judge", "judge", "forward"]


def gateway(clock, failing: str = "", failure: BaseException | None = None) -> Gateway:
    """Lets everything in, each slot taking a second, but for the one that fails."""

    def act(slot, result):
        clock.advance(1)
        if slot == failing:
            raise failure
        return result

    class Resolver:
        async def resolve(self, credential, route):
            return act("resolve", TOKEN)

    async def forward(route, token):
        return act("forward", CHANGE)

    return Gateway(
        match=lambda request: act("match", ROUTE),
        find=lambda request: act("find", CREDENTIAL),
        resolver=Resolver(),
        policies=(lambda *_: act("first", None), lambda *_: act("second", None)),
        forward=forward,
        observe=lambda request, decision: None,
        new_id=lambda: "id",
    )


def test_an_allowed_request_has_every_step_in_order_with_what_it_gave(clock, drive):
    watched, steps = recording(gateway(clock), ["first", "second"], clock.ticks)
    decision = drive(watched.decide(REQUEST))
    assert isinstance(decision, Allow)
    assert (decision.token, decision.route, decision.upstream) == (TOKEN, ROUTE, CHANGE)
    assert [step.verb for step in steps] == VERBS
    assert [step.name for step in steps] == ["match", "find", "resolve", "first", "second", "forward"]
    assert [step.gave for step in steps] == [ROUTE, CREDENTIAL, TOKEN, None, None, CHANGE]
    assert [step.seconds for step in steps] == [1.0] * 6
    assert [step.refused for step in steps] == [None] * 6


@pytest.mark.parametrize("failure", [Refused(Reason.INACTIVE, "no"), ValueError("bug")])
@pytest.mark.parametrize(
    ("failing", "seen"), [("match", 1), ("find", 2), ("resolve", 3), ("first", 4), ("second", 5), ("forward", 6)]
)
def test_a_refusal_is_the_last_step_and_the_decision_is_the_same(clock, drive, failing, seen, failure):
    plain = gateway(clock, failing, failure)
    watched, steps = recording(plain, ["first", "second"], clock.ticks)
    decision, unwatched = drive(watched.decide(REQUEST)), drive(plain.decide(REQUEST))
    assert isinstance(decision, Refuse)
    assert (decision.reason, decision.detail) == (unwatched.reason, unwatched.detail)
    assert [step.verb for step in steps] == VERBS[:seen]
    assert steps[-1].refused is failure
    assert all(step.refused is None for step in steps[:-1])


def test_what_is_no_exception_goes_through_unrecorded(clock, drive):
    watched, steps = recording(gateway(clock, "resolve", KeyboardInterrupt()), ["first", "second"], clock.ticks)
    with pytest.raises(KeyboardInterrupt):
        drive(watched.decide(REQUEST))
    assert [step.verb for step in steps] == ["match", "find"]


def test_each_policy_has_a_name(clock):
    with pytest.raises(ValueError, match="zip"):
        recording(gateway(clock), ["first"], clock.ticks)


def test_a_step_never_shows_what_it_holds(clock, drive):
    watched, steps = recording(gateway(clock), ["first", "second"], clock.ticks)
    drive(watched.decide(REQUEST))
    assert "t0ken" not in repr(steps)
    assert jwt() not in repr(steps)
