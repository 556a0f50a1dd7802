"""The development server, misbehaving on command, behind a whole gateway: who is let in, who isn't, how soon again."""

from __future__ import annotations

import asyncio
import time

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.config.settings import Cache, Introspection, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Allow, Headers, Refuse, Request, Source
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.testing import on_a_loop

SECRET = "gateway-secret-of-the-test"


@pytest.fixture
def server(clock):
    made = DevelopmentServer([Client("gateway", SECRET, scopes=frozenset(), introspects=True)], now=clock.now)
    made.delay_was = 0.0
    with made.running_in_thread():
        yield made
        time.sleep(made.delay_was)  # for those whose answers nobody waits for any more


def gate(server, clock, family, **cache):
    return wire(
        Settings(
            introspection=Introspection(
                endpoint=f"{server.issuer}/introspect", client_id="gateway", client_secret="env:S", timeout=0.2
            ),
            cache=Cache(**cache),
            routes=(RouteRule(path="/news/**", allow_stale=cache.get("stale_if_error", 0) > 0), RouteRule(path="/**")),
        ),
        family,
        environ={"S": SECRET},
        write=lambda line: None,
        now=clock.now,
        ticks=clock.ticks,
    )


def asking(token, path="/orders"):
    return Request("GET", path, Headers.of([("Authorization", f"Bearer {token}")]))


def down(server):
    server.down = True


def failing(server):
    server.status = 500


def frozen(server):
    server.delay = server.delay_was = 0.4


def good(server):
    server.down, server.status, server.delay = False, None, 0.0


@pytest.mark.parametrize("family", ["blocking", "nonblocking"])
@pytest.mark.parametrize("trouble", [down, failing, frozen])
def test_what_is_remembered_goes_on_nobody_else_gets_in_and_it_is_over_when_it_is_over(server, clock, family, trouble):
    known, new = server.issue("gateway"), [server.issue("gateway") for _ in range(30)]

    async def story():
        wired = gate(server, clock, family)
        decide = wired.gateway.decide
        assert isinstance(await decide(asking(known)), Allow)
        trouble(server)
        before = server.introspections
        for token in new[:25]:
            decision = await decide(asking(token))
            assert isinstance(decision, Refuse)
            assert (503, True) == (decision.reason.status, (decision.retry_after or 0) >= 1)
            assert isinstance(await decide(asking(known)), Allow)
            if wired.metrics.servers["introspection"].opened:
                break
        assert 1 == wired.metrics.servers["introspection"].opened
        asked = server.introspections
        assert asked - before <= 30
        assert isinstance(await decide(asking(new[26])), Refuse)
        assert asked == server.introspections  # refused without a word to the server
        good(server)
        server.revoke(new[28])
        clock.advance(1.0)
        assert isinstance(await decide(asking(new[27])), Allow)
        assert isinstance(await decide(asking(new[28])), Refuse)
        assert isinstance(await decide(asking(known)), Allow)
        await wired.close()

    (finish if family == "blocking" else on_a_loop)(story())


def test_past_its_time_only_where_the_route_says_so_and_never_once_revoked(server, clock):
    known, revoked = server.issue("gateway", seconds=3600), server.issue("gateway", seconds=3600)

    async def story():
        wired = gate(server, clock, "nonblocking", max_age=60.0, stale_if_error=30.0)
        decide = wired.gateway.decide
        for token in (known, revoked):
            assert isinstance(await decide(asking(token, "/news/1")), Allow)
        clock.advance(61.0)
        server.revoke(revoked)
        assert isinstance(await decide(asking(revoked, "/news/1")), Refuse)
        down(server)
        clock.advance(6.0)
        lenient, strict, gone = await asyncio.gather(
            decide(asking(known, "/news/1")), decide(asking(known)), decide(asking(revoked, "/news/1"))
        )
        assert isinstance(lenient, Allow)
        assert (Source.STALE, 0) == (lenient.token.source, lenient.lifetime(clock.now(), clock.ticks()))
        assert [Refuse, Refuse] == [type(strict), type(gone)]
        assert 1 == wired.metrics.snapshot()["stale"]
        clock.advance(24.0)
        assert isinstance(await decide(asking(known, "/news/1")), Refuse)
        await wired.close()

    on_a_loop(story())
