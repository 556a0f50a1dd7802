"""`decide` in its own terms: the order of the verbs, and that only the last line of the happy path allows."""

from dataclasses import replace

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Allow, Credential, HeaderChange, Headers, Refuse, Request, Route, Token
from phantomgate.gateway.gateway import Gateway
from tokens import NOW

TOKEN = Token("j.w.t", {"sub": "ann"}, frozenset({"read"}), NOW + 60.0, 60.0)
CHANGE = HeaderChange((("Authorization", "Bearer j.w.t"),), frozenset())


class Steps(list):
    """What was called, in order; a gateway whose parts only write that down."""

    def gateway(self, **parts):
        async def forward(route, token):
            self.append("forward")
            return CHANGE

        steps = self

        class Resolver:
            async def resolve(self, credential, route):
                steps.append("resolve")
                return TOKEN

        made = Gateway(
            match=lambda request: self.append("match") or Route("policy"),
            find=lambda request: self.append("find") or Credential("t"),
            resolver=Resolver(),
            policies=(lambda *_: self.append("judge"), lambda *_: self.append("judge")),
            forward=forward,
            observe=lambda request, decision: self.append(type(decision).__name__),
            new_id=lambda: "id-1",
        )
        return replace(made, **parts)


@pytest.fixture
def steps():
    return Steps()


def request(**parts):
    return Request("GET", "/", Headers(), **parts)


def test_the_verbs_run_in_order_and_the_decision_is_observed_once(steps, drive):
    decision = drive(steps.gateway().decide(request()))

    assert isinstance(decision, Allow)
    assert decision.upstream is CHANGE
    assert steps == ["match", "find", "resolve", "judge", "judge", "forward", "Allow"]


def test_a_request_that_could_not_be_read_is_refused_before_anything_is_looked_at(steps, drive):
    decision = drive(steps.gateway().decide(request(problem=Refused(Reason.MALFORMED_REQUEST, "two families"))))

    assert decision.reason is Reason.MALFORMED_REQUEST
    assert decision.detail == "two families"
    assert steps == ["Refuse"]


def test_a_refusal_stops_the_rest_and_keeps_what_it_said(steps, drive):
    def judge(*_):
        raise Unavailable("no answer in 2 s", retry_after=7)

    decision = drive(steps.gateway(policies=(judge,)).decide(request()))

    assert (decision.reason, decision.detail, decision.retry_after) == (Reason.UNAVAILABLE, "no answer in 2 s", 7)
    assert decision.id == "id-1"
    assert steps == ["match", "find", "resolve", "Refuse"]


def test_a_bug_is_a_refusal_that_names_its_type_and_nothing_it_held(steps, drive):
    def find(request):
        raise KeyError("CANARY-TOKEN")

    decision = drive(steps.gateway(find=find).decide(request()))

    assert decision.reason is Reason.SERVER_ERROR
    assert decision.detail == "KeyError"
    assert "CANARY" not in repr(decision)


def test_what_can_not_be_recorded_is_not_allowed(steps, drive):
    def observe(request, decision):
        raise OSError("disk full")

    decision = drive(steps.gateway(observe=observe).decide(request()))

    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.SERVER_ERROR
