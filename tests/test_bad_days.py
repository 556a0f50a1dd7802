"""The development server, misbehaving on command, behind a whole gateway: who is let in, who isn't, how soon again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.config.settings import Cache, Introspection, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Allow, Headers, Refuse, Request, Source
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.testing import on_a_loop

SECRET = "gateway-secret-of-the-test"
FROZEN = 1.0


@pytest.fixture
def server(clock):
    made = DevelopmentServer([Client("gateway", SECRET, scopes=frozenset(), introspects=True)], now=clock.now)
    made.froze = False
    with made.running_in_thread():
        yield made
        if made.froze:
            time.sleep(FROZEN)  # for those whose answers nobody waits for any more


class Http:
    """A client of one family. State: whether it is in a *hurry*, or waits as long as a busy machine needs."""

    def __init__(self, family):
        self.real = BlockingHttp() if family == "blocking" else AiohttpHttp()
        self.hurry = False

    async def send(self, call):
        return await self.real.send(replace(call, timeout=0.05) if self.hurry else call)


def gate(server, clock, family, http, **cache):
    return wire(
        Settings(
            introspection=Introspection(
                endpoint=f"{server.issuer}/introspect", client_id="gateway", client_secret="env:S", timeout=60.0
            ),
            cache=Cache(**cache),
            routes=(RouteRule(path="/news/**", allow_stale=cache.get("stale_if_error", 0) > 0), RouteRule(path="/**")),
        ),
        family,
        environ={"S": SECRET},
        write=lambda line: None,
        http=http,
        now=clock.now,
        ticks=clock.ticks,
    )


def asking(token, path="/orders"):
    return Request("GET", path, Headers.of([("Authorization", f"Bearer {token}")]))


def down(server, http):
    server.down = True


def failing(server, http):
    server.status = 500


def frozen(server, http):
    server.froze, server.delay, http.hurry = True, FROZEN, True


def good(server, http):
    server.down, server.status, server.delay, http.hurry = False, None, 0.0, False


@pytest.mark.parametrize("family", ["blocking", "nonblocking"])
@pytest.mark.parametrize("trouble", [down, failing, frozen])
def test_what_is_remembered_goes_on_nobody_else_gets_in_and_it_is_over_when_it_is_over(server, clock, family, trouble):
    known, new = server.issue("gateway"), [server.issue("gateway") for _ in range(30)]

    async def story():
        http = Http(family)
        wired = gate(server, clock, family, http)
        decide = wired.gateway.decide
        assert isinstance(await decide(asking(known)), Allow)
        trouble(server, http)
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
        good(server, http)
        server.revoke(new[28])
        clock.advance(1.0)
        assert isinstance(await decide(asking(new[27])), Allow)
        assert isinstance(await decide(asking(new[28])), Refuse)
        assert isinstance(await decide(asking(known)), Allow)
        await wired.close()
        await http.real.close()

    (finish if family == "blocking" else on_a_loop)(story())


def test_past_its_time_only_where_the_route_says_so_and_never_once_revoked(server, clock):
    known, revoked = server.issue("gateway", seconds=3600), server.issue("gateway", seconds=3600)

    async def story():
        http = Http("nonblocking")
        wired = gate(server, clock, "nonblocking", http, max_age=60.0, stale_if_error=30.0)
        decide = wired.gateway.decide
        for token in (known, revoked):
            assert isinstance(await decide(asking(token, "/news/1")), Allow)
        clock.advance(61.0)
        server.revoke(revoked)
        assert isinstance(await decide(asking(revoked, "/news/1")), Refuse)
        down(server, http)
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
        await http.real.close()

    on_a_loop(story())
