"""The cache as a state machine: tokens are issued, prolonged and revoked, time passes, clocks are set, servers fail.

At every step: nothing is let in after `exp`, nothing later than its revocation plus the time we remember, nothing that
another question was answered with, and whatever is let in is what the server once said of this very token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from phantomgate.backends.blocking import finish
from phantomgate.backends.memory import MemoryCache
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Source, Token
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.judge import not_expired
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.testing import FakeClock, each_by_itself, reply
from tokens import jwt

MAX_AGE = 60.0
NEGATIVE = 5.0
TOKENS = ["a", "b", "ab", "abc"]
TENANTS = ["one", "two"]
ROUTE = Route("policy")


@dataclass
class Server:
    """An authorization server that remembers what it said, and until when each token was good."""

    clock: FakeClock
    tenant: str
    active: dict[str, str] = field(default_factory=dict)
    revoked_at: dict[str, float] = field(default_factory=dict)
    issued_at: dict[str, float] = field(default_factory=dict)
    said: dict[str, set[str]] = field(default_factory=dict)
    trouble: HttpReply | None = None
    cache_control: str = ""
    calls: int = 0
    number: int = 0

    async def send(self, call: HttpCall) -> HttpReply:
        self.calls += 1
        token = call.body.decode().split("&")[0].removeprefix("token=")
        if self.trouble is not None:
            return self.trouble
        if token not in self.active:
            return reply(204)
        self.said.setdefault(token, set()).add(self.active[token])
        more = {"cache_control": self.cache_control} if self.cache_control else {}
        return reply(200, self.active[token], content_type="application/jwt", **more)

    def issue(self, token: str, seconds: float) -> None:
        self.number += 1
        claims = {"sub": f"{self.tenant}-{token}-{self.number}", "iat": None, "exp": self.clock.wall + seconds}
        self.active[token] = jwt(claims)
        self.revoked_at.pop(token, None)
        self.issued_at[token] = self.clock.monotonic

    def revoke(self, token: str) -> None:
        if self.active.pop(token, None) is not None:
            self.revoked_at[token] = self.clock.monotonic


class Caching(RuleBasedStateMachine):
    """Two tenants share one store, and the same opaque strings mean different things to each."""

    @initialize(entries=st.sampled_from([1, 2, 4, 100]))
    def start(self, entries: int) -> None:
        self.clock = FakeClock()
        self.store = MemoryCache(max_entries=entries, max_bytes=1 << 20, ticks=self.clock.ticks)
        self.servers = {tenant: Server(self.clock, tenant) for tenant in TENANTS}
        self.find = find_bearer()
        self.gates = {tenant: self.gate(tenant) for tenant in TENANTS}
        self.judge = not_expired(self.clock.now)

    def gate(self, tenant: str) -> Cached:
        ask = Introspect(
            self.servers[tenant],
            f"https://{tenant}.example/i",
            client_secret_basic("gateway", "secret"),
            now=self.clock.now,
            ticks=self.clock.ticks,
            max_age=MAX_AGE,
        )
        return Cached(
            ask, self.store, each_by_itself, secret=b"k", context=(tenant,), now=self.clock.now, ticks=self.clock.ticks,
            negative_seconds=NEGATIVE,
        )  # fmt: skip

    @rule(
        tenant=st.sampled_from(TENANTS),
        token=st.sampled_from(TOKENS),
        seconds=st.sampled_from([1.0, 30.0, 61.0, 3600.0]),
    )
    def issue(self, tenant: str, token: str, seconds: float) -> None:
        self.servers[tenant].issue(token, seconds)

    @rule(tenant=st.sampled_from(TENANTS), token=st.sampled_from(TOKENS))
    def revoke(self, tenant: str, token: str) -> None:
        self.servers[tenant].revoke(token)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.999, 5.0, 29.0, 59.0, 60.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600.0, -59.0, -1.0, 1.0, 59.0, 3600.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.wall += seconds

    @rule(tenant=st.sampled_from(TENANTS), status=st.sampled_from([None, 500, 401, 404, 429]))
    def the_server_changes_its_mood(self, tenant: str, status: int | None) -> None:
        self.servers[tenant].trouble = None if status is None else reply(status)

    @rule(
        tenant=st.sampled_from(TENANTS),
        said=st.sampled_from(["", "no-store", "max-age=10", "max-age=9999", "max-age=x"]),
    )
    def the_server_says_how_long(self, tenant: str, said: str) -> None:
        self.servers[tenant].cache_control = said

    @rule(tenant=st.sampled_from(TENANTS))
    def a_process_starts_anew(self, tenant: str) -> None:
        self.gates[tenant] = self.gate(tenant)

    @rule(tenant=st.sampled_from(TENANTS), token=st.sampled_from(TOKENS))
    def ask(self, tenant: str, token: str) -> None:
        server = self.servers[tenant]
        request = Request("GET", "/", Headers.of([("authorization", f"Bearer {token}")]))
        before = server.calls
        try:
            found = finish(self.gates[tenant].resolve(self.find(request), ROUTE))
            self.judge(request, ROUTE, found)
        except Refused as no:
            self.refused(server, token, no, server.calls == before)
            return
        self.allowed(server, token, found, server.calls == before)

    def allowed(self, server: Server, token: str, found: Token, remembered: bool) -> None:
        clock = self.clock
        assert clock.wall < found.expires_at == found.claims["exp"]
        assert found.jwt in server.said[token]  # what this server said of this very token
        assert found.claims["sub"].startswith(f"{server.tenant}-{token}-")
        assert found.fresh_until <= clock.monotonic + MAX_AGE
        assert found.lifetime(clock.wall, clock.monotonic) <= MAX_AGE
        assert remembered == (found.source is Source.MEMORY)
        if token in server.revoked_at:
            assert remembered
            assert clock.monotonic < server.revoked_at[token] + MAX_AGE
        if not remembered:
            assert server.trouble is None
            assert found.jwt == server.active[token]

    def refused(self, server: Server, token: str, no: Refused, remembered: bool) -> None:
        if remembered and no.reason is Reason.INACTIVE:  # a refusal that was remembered, and not for long
            if token in server.active:  # issued since; one that is not active is rightly refused for as long as it is
                assert self.clock.monotonic < server.issued_at[token] + NEGATIVE
        elif remembered or (server.trouble is None and token in server.active):
            assert no.reason is Reason.EXPIRED
        elif server.trouble is not None:
            assert no.reason in (Reason.UNAVAILABLE, Reason.CLIENT_REFUSED, Reason.BAD_ANSWER)

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def nothing_grows(self) -> None:
        assert len(self.store) <= 200


Caching.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCaching = Caching.TestCase
