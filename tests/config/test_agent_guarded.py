"""What the agent asks its provider goes through the guard that a gateway's questions do: breaker, turns, counts."""

from __future__ import annotations

import pytest

from agent.world import ISSUER, as_json
from config.test_agent import ENVIRON, toml
from phantomgate.backends.blocking import finish
from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.loading import load
from phantomgate.config.observe import Metrics
from phantomgate.config.remedies import remedy
from phantomgate.core.errors import Reason, Unavailable
from phantomgate.testing import FakeHttp, reply

ENDPOINTS = {
    "endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "userinfo_endpoint": f"{ISSUER}/userinfo",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "keys": f"{ISSUER}/jwks",
}
GONE = Unavailable("no answer within 5 s", kind="timeout")
REFRESH = (("grant_type", "refresh_token"), ("refresh_token", "r"))
CODE = (("grant_type", "authorization_code"), ("code", "c"))


class Provider:
    """A provider that answers in order, and the agent's way to it."""

    def __init__(self, answer, clock):
        self.http, self.metrics, self.lines = FakeHttp(answer), Metrics(), []
        settings = load(toml(**ENDPOINTS))
        wired = wire_agent(
            settings, "blocking", environ=ENVIRON, write=self.lines.append, now=clock.now, ticks=clock.ticks,
            http=self.http, metrics=self.metrics,
        )  # fmt: skip
        self.server = wired.agent.ways["/oauth-agent/refresh"].verb.__self__.server
        self.probe = wired.probe

    @property
    def counted(self):
        return self.metrics.snapshot()["servers"]["agent"]

    @property
    def asked(self):
        return len(self.http.calls)


def refused(call):
    with pytest.raises(Unavailable) as no:
        finish(call)
    return no.value


@pytest.mark.parametrize("params", [REFRESH, CODE], ids=["refresh", "code"])
@pytest.mark.parametrize("answer", [GONE, reply(503), Unavailable("cut off", kind="cut_off")], ids=str)
def test_a_grant_is_shown_once_whatever_comes_of_it(clock, params, answer):
    provider = Provider(answer, clock)
    refused(provider.server.tokens(params))
    assert (1, 0) == (provider.asked, provider.counted["retries"])
    assert not provider.http.calls[0].repeat  # nor by the client, on another connection


def test_a_provider_that_gives_no_answer_is_left_alone_for_a_while(clock):
    provider = Provider(GONE, clock)
    for _ in range(5):
        refused(provider.server.tokens(REFRESH))
    no = refused(provider.server.tokens(REFRESH))
    assert 5 == provider.asked
    assert no.retry_after is not None
    assert {"breaker": 1, "turns": 0} == provider.counted["shed"]
    assert (5, 1) == (provider.counted["calls"]["timeout"], provider.counted["breaker"]["open"])
    (line,) = [line for line in provider.lines if line.event == "breaker_opened"]
    assert "agent" == line.fields["issuer"]
    assert remedy(Reason.UNAVAILABLE, line.fields["detail"]) == line.fields["remedy"]

    provider.http.answer = as_json({"access_token": "a", "token_type": "Bearer"})
    clock.advance(2.0)
    assert "a" == finish(provider.server.tokens(REFRESH)).access_token
    assert 1 == provider.counted["breaker"]["closed"]


def test_what_can_be_asked_again_is_once(clock):
    provider = Provider([reply(503), as_json({"sub": "ann"})], clock)
    assert {"sub": "ann"} == finish(provider.server.userinfo("token", "ann"))
    assert (2, 1) == (provider.asked, provider.counted["retries"])

    provider = Provider(GONE, clock)
    refused(provider.server.revoke("token", "refresh_token"))
    assert 1 == provider.asked


def test_keys_are_fetched_whatever_the_breaker_says(clock):
    provider = Provider(GONE, clock)
    for _ in range(6):
        refused(provider.server.tokens(REFRESH))
    assert 5 == provider.asked
    finish(provider.probe.ask())
    assert 6 == provider.asked
