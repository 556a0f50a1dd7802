"""Settings that change while a gateway decides: what is remembered is used where it is right, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuing import ISS, key, key_reply, key_set, metadata, signed
from phantomgate.config.keeping import Keeping
from phantomgate.config.observe import Metrics
from phantomgate.config.references import Prints, files_of, references
from phantomgate.config.settings import (
    Cache,
    Exchange,
    ForwardRule,
    Introspection,
    IssuerRule,
    Log,
    Mint,
    Policy,
    Redis,
    Resilience,
    RouteRule,
    Serve,
    Session,
    Settings,
)
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, SettingsError, Unavailable
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.core.purge import Purge, mark_of
from phantomgate.resolvers.breaker import State
from phantomgate.resolvers.marks import Marks
from phantomgate.testing import FakeHttp, reply
from tokens import NOW, jwt

MINT = key("mint").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ENDPOINT = f"{ISS}/introspect"
ASKED = Introspection(ENDPOINT, client_id="gate", client_secret="env:SECRET")
OPAQUE = Settings(introspection=ASKED, policy=Policy(scopes=("read",)))
MAIN = IssuerRule(name="main", issuer=ISS, audiences=("api",), algorithms=("ES256",))
OTHER = IssuerRule(name="other", issuer="https://other.example", audiences=("api",), algorithms=("ES256",))
REDIS = Redis(nodes=("127.0.0.1:1",), secret="env:SHARED")
SHARED = replace(OPAQUE, redis=REDIS)
VERIFIED = Settings(issuers=(MAIN, OTHER), policy=Policy(scopes=("read",)))


class Gate:
    """A gateway whose settings change, and a server that is asked."""

    def __init__(self, clock):
        self.clock, self.keeping, self.metrics = clock, Keeping(), Metrics()
        self.environ = {"SECRET": "canary-one", "SHARED": "s" * 40}
        self.places = {
            f"{ISS}/.well-known/oauth-authorization-server": metadata(),
            f"{ISS}/keys": key_reply("k1"),
            ENDPOINT: reply(200, jwt(), content_type="application/jwt"),
        }
        self.http = FakeHttp(self.answer)
        self.wired = None

    def answer(self, call):
        said = self.places.get(call.url, reply(404))
        if isinstance(said, Exception):
            raise said
        return said

    async def offered(self, settings):
        await self.keeping.begin()
        clock = self.clock
        return wire(
            settings, "nonblocking", environ=self.environ, write=print, metrics=self.metrics, now=clock.now,
            ticks=clock.ticks, http=self.http, keeping=self.keeping,
        )  # fmt: skip

    async def go_by(self, settings):
        self.wired = await self.offered(settings)
        self.keeping.swap()
        return self

    async def ask(self, token="opaque", path="/orders", method="GET", wired=None):
        headers = Headers.of([("Authorization", f"Bearer {token}")])
        return await (wired or self.wired).gateway.decide(Request(method, path, headers))

    @property
    def calls(self):
        return len(self.http.calls)


def played(clock, story):
    async def play():
        gate = Gate(clock)
        try:
            return await story(gate)
        finally:
            await gate.keeping.close()

    return asyncio.run(play())


def told(decision):
    return "allowed" if isinstance(decision, Allow) else decision.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"policy": Policy(scopes=("read", "write"))},
        {"routes": (RouteRule("/orders/**"),)},
        {"forward": ForwardRule({"X-User": "sub"})},
        {"serve": Serve(realm="other", trusted_proxies=("10.0.0.0/8",))},
        {"log": Log(allows=True)},
        {"issuers": ()},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_a_change_has_nothing_to_do_with_stays_remembered(clock, changed):
    async def story(gate):
        await gate.go_by(OPAQUE)
        assert "allowed" == told(await gate.ask())
        await gate.go_by(replace(OPAQUE, **changed))
        again = await gate.ask()
        assert ("allowed", "memory", 1) == (told(again), again.token.source.value, gate.calls)
        assert {"hit": 1, "miss": 1, "negative": 0} == gate.metrics.caches["memory"].results()

    played(clock, story)


TIGHTENED = {
    "a scope": (OPAQUE, {"policy": Policy(scopes=("admin",))}, Reason.INSUFFICIENT_SCOPE),
    "an audience": (OPAQUE, {"policy": Policy(audiences=("other",))}, Reason.WRONG_AUDIENCE),
    "an iss": (OPAQUE, {"policy": Policy(issuers=("https://other.example",))}, Reason.WRONG_ISSUER),
    "the table": (OPAQUE, {"routes": (RouteRule("/invoices"),)}, Reason.NO_ROUTE),
    "a scope of a route": (OPAQUE, {"routes": (RouteRule("/**", scopes=("admin",)),)}, Reason.INSUFFICIENT_SCOPE),
    "an issuer that is gone": (VERIFIED, {"issuers": (OTHER,)}, Reason.WRONG_ISSUER),
    "an algorithm": (VERIFIED, {"issuers": (replace(MAIN, algorithms=("RS256",)), OTHER)}, Reason.INVALID_TOKEN),
    "the issuer's audience": (VERIFIED, {"issuers": (replace(MAIN, audiences=("x",)), OTHER)}, Reason.WRONG_AUDIENCE),
    "a type": (VERIFIED, {"issuers": (replace(MAIN, typ=("JWT",)), OTHER)}, Reason.INVALID_TOKEN),
    "the keys": (VERIFIED, {"issuers": (replace(MAIN, keys=f"{ISS}/others"), OTHER)}, Reason.BAD_ANSWER),
    "the route's issuer": (VERIFIED, {"routes": (RouteRule("/**", issuer="other"),)}, Reason.WRONG_ISSUER),
    "whom the JWTs are from": (
        OPAQUE,
        {"introspection": replace(ASKED, issuer="https://x.example")},
        Reason.BAD_ANSWER,
    ),
    "the endpoint": (OPAQUE, {"introspection": replace(ASKED, endpoint=f"{ISS}/other")}, Reason.BAD_ANSWER),
}


@pytest.mark.parametrize("what", TIGHTENED)
def test_what_was_tightened_holds_for_the_next_request_and_what_was_loosened_again_too(clock, what):
    before, changed, reason = TIGHTENED[what]

    async def story(gate):
        token = "opaque" if before is OPAQUE else signed(typ="at+jwt")
        await gate.go_by(before)
        assert ["allowed"] * 2 == [told(await gate.ask(token)), told(await gate.ask(token))]
        await gate.go_by(replace(before, **changed))
        assert [reason] * 2 == [told(await gate.ask(token)), told(await gate.ask(token))]
        await gate.go_by(before)
        assert "allowed" == told(await gate.ask(token))

    played(clock, story)


@pytest.mark.parametrize(
    "changed",
    [
        {"cache": Cache(max_age=60.0)},
        {"cache": Cache(max_age=600.0)},
        {"introspection": replace(ASKED, client_id="other")},
        {"introspection": replace(ASKED, verify="none", answer="json")},
        {"policy": Policy(scopes=("read",), clock_skew=60.0)},
        {"mint": Mint(keys=("env:MINT",), issuer="https://us.example", audience="api")},
        {"resilience": Resilience(retry=False)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_an_answer_depends_on_has_it_asked_for_anew(clock, changed):
    async def story(gate):
        gate.environ["MINT"] = MINT
        await gate.go_by(OPAQUE)
        await gate.ask()
        await gate.go_by(replace(OPAQUE, **changed))
        await gate.ask()
        assert 2 == gate.calls

    played(clock, story)


def test_a_longest_age_that_was_lowered_holds_for_what_is_remembered(clock):
    async def story(gate):
        await gate.go_by(OPAQUE)
        await gate.ask()
        clock.advance(200)
        await gate.go_by(replace(OPAQUE, cache=Cache(max_age=60.0)))
        assert "network" == (await gate.ask()).token.source.value
        assert 60.0 >= (await gate.ask()).lifetime(clock.now(), clock.ticks())

    played(clock, story)


def test_a_secret_that_has_changed_is_shown_for_the_next_request(clock):
    async def story(gate):
        await gate.go_by(OPAQUE)
        await gate.ask()
        gate.environ["SECRET"] = "canary-two"
        await gate.go_by(OPAQUE)
        await gate.ask()
        shown = [dict(call.headers)["Authorization"].removeprefix("Basic ") for call in gate.http.calls]
        assert [b"gate:canary-one", b"gate:canary-two"] == [base64.b64decode(one) for one in shown]

    played(clock, story)


def test_a_key_that_was_taken_out_of_its_file_takes_along_what_it_proved(clock, tmp_path):
    file = tmp_path / "keys.json"
    file.write_bytes(key_set("k1", "k2"))
    settings = Settings(issuers=(replace(MAIN, keys=f"file:{file}"),))

    async def story(gate):
        await gate.go_by(settings)
        assert ["allowed"] * 2 == [told(await gate.ask(signed("k1"))), told(await gate.ask(signed("k2")))]
        file.write_bytes(key_set("k2"))
        await gate.go_by(settings)
        assert [Reason.INVALID_TOKEN, "allowed"] == [
            told(await gate.ask(signed("k1"))),
            told(await gate.ask(signed("k2"))),
        ]

    played(clock, story)


def test_what_was_forgotten_for_a_key_that_is_gone_is_not_found_again(clock):
    async def story(gate):
        gate.places[f"{ISS}/keys"] = key_reply("k1", "k2")
        await gate.go_by(VERIFIED)
        assert "allowed" == told(await gate.ask(signed("k1")))
        gate.places[f"{ISS}/keys"] = key_reply("k2")
        await gate.go_by(replace(VERIFIED, log=Log(allows=True)))
        clock.advance(45)
        assert Reason.INVALID_TOKEN == told(await gate.ask(signed("k3")))  # an unknown key has them fetched again
        for _ in range(2):
            assert Reason.INVALID_TOKEN == told(await gate.ask(signed("k1")))
            await gate.go_by(VERIFIED)

    played(clock, story)


def test_keys_that_are_held_are_used_further_while_their_server_is_down(clock):
    async def story(gate):
        await gate.go_by(VERIFIED)
        assert "allowed" == told(await gate.ask(signed("k1")))
        gate.places.clear()
        gate.places[f"{ISS}/keys"] = Unavailable("down")
        clock.advance(600)
        await gate.go_by(replace(VERIFIED, policy=Policy()))
        assert "allowed" == told(await gate.ask(signed("k1", sub="bob", iat=NOW + 600)))

    played(clock, story)


def test_another_issuer_that_comes_or_goes_costs_the_others_nothing(clock):
    async def story(gate):
        await gate.go_by(VERIFIED)
        token = signed("k1")
        await gate.ask(token)
        calls = gate.calls
        for issuers in ((MAIN,), (OTHER, MAIN), (replace(OTHER, audiences=("x",)), MAIN)):
            await gate.go_by(replace(VERIFIED, issuers=issuers))
            assert "memory" == (await gate.ask(token)).token.source.value
        assert calls == gate.calls

    played(clock, story)


def test_what_was_purged_stays_so(clock):
    async def story(gate):
        await gate.go_by(VERIFIED)
        token = signed("k1")
        await gate.ask(token)
        gate.wired.marks.put(mark_of(Purge("token", token, "", float(NOW)), gate.wired.digests, 600.0))
        for settings in (replace(VERIFIED, policy=Policy()), replace(VERIFIED, cache=Cache(max_age=60.0)), VERIFIED):
            await gate.go_by(settings)
            assert Reason.INACTIVE == told(await gate.ask(token))

    played(clock, story)


def test_a_purge_is_known_by_the_digests_of_its_time(clock):
    marks = Marks(ticks=clock.ticks, secret=b"one")

    async def story(gate):
        await gate.go_by(VERIFIED)
        allowed = await gate.ask(signed("k1"))
        marks.put(mark_of(Purge("sid", "s", "main", float(NOW)), b"one", 600.0))
        marks.put(mark_of(Purge("sub", "ann", "main", float(NOW + 60)), b"one", 600.0))
        marks.know(b"two")
        assert (b"two", True) == (marks.secret, marks.denies(allowed.token))
        assert not marks.clears(allowed.token)
        marks.put(mark_of(Purge("sid", "t", "main", float(NOW)), b"two", 600.0))
        assert not marks.clears(allowed.token)

    played(clock, story)


def test_a_request_that_has_begun_ends_with_the_gateway_that_it_began_with(clock):
    async def story(gate):
        answered = asyncio.Event()

        async def slow(call):
            gate.http.calls.append(call)
            await answered.wait()
            return gate.answer(call)

        gate.http.send = slow
        await gate.go_by(OPAQUE)
        begun = asyncio.create_task(gate.ask())
        while not gate.calls:  # noqa: ASYNC110 - it is about to ask
            await asyncio.sleep(0)
        await gate.go_by(replace(OPAQUE, policy=Policy(scopes=("admin",)), cache=Cache(max_age=60.0)))
        answered.set()
        assert "allowed" == told(await begun)
        assert Reason.INSUFFICIENT_SCOPE == told(await gate.ask())
        assert 2 == gate.calls

    played(clock, story)


def test_an_offer_that_was_dropped_has_changed_nothing(clock):
    async def story(gate):
        await gate.go_by(OPAQUE)
        await gate.ask()
        parts = dict(gate.keeping._parts)
        await gate.offered(replace(OPAQUE, cache=Cache(max_age=60.0)))
        await gate.keeping.drop()
        with pytest.raises(SettingsError):
            await gate.offered(replace(OPAQUE, introspection=replace(ASKED, client_secret="env:NOWHERE")))
        await gate.keeping.drop()
        assert parts == gate.keeping._parts
        assert "memory" == (await gate.ask()).token.source.value

    played(clock, story)


def test_an_offer_that_was_dropped_leaves_the_figures_alone(clock):
    """Who is on call looks at these, and at no time more than when a change was refused."""

    async def story(gate):
        await gate.go_by(SHARED)
        calls, counts = gate.metrics.servers["introspection"], gate.metrics.caches["redis"]
        gate.places[ENDPOINT] = Unavailable("down")
        for number in range(40):
            await gate.ask(f"opaque-{number}")
        assert State.OPEN is calls.state
        await gate.offered(replace(SHARED, resilience=Resilience(retry=False), redis=replace(REDIS, database=1)))
        await gate.keeping.drop()
        assert State.OPEN is calls.state
        assert counts is gate.metrics.caches["redis"] is gate.wired.sharing.counts
        await gate.go_by(replace(SHARED, resilience=Resilience(retry=False), redis=replace(REDIS, database=1)))
        gate.places[ENDPOINT] = reply(200, jwt(), content_type="application/jwt")
        await gate.ask("another")
        assert State.CLOSED is calls.state
        assert counts is gate.metrics.caches["redis"] is gate.wired.sharing.counts  # totals don't go back

    played(clock, story)


def test_the_keys_of_sessions_change_without_logging_anybody_out(clock):
    async def story(gate):
        gate.environ |= {name: sha256(name.encode()).hexdigest() for name in ("K1", "K2")}
        session = Session(keys=("env:K1",), trusted_web_origins=("https://www.example",))
        await gate.go_by(replace(OPAQUE, session=session))
        await gate.ask()
        await gate.go_by(replace(OPAQUE, session=replace(session, keys=("env:K2", "env:K1"))))
        assert "memory" == (await gate.ask()).token.source.value

    played(clock, story)


def test_exchanged_tokens_are_exchanged_anew_for_another_audience(clock):
    exchange = Exchange(f"{ISS}/token", client_id="gate", client_secret="env:SECRET", audience="orders")
    made = '{"access_token": "%s", "token_type": "Bearer", "expires_in": 300, "issued_token_type": "%s"}'
    said = made % (jwt(aud="orders"), "urn:ietf:params:oauth:token-type:access_token")

    async def story(gate):
        gate.places[f"{ISS}/token"] = reply(200, said, content_type="application/json")
        await gate.go_by(replace(OPAQUE, exchange=exchange))
        assert ["allowed"] * 2 == [told(await gate.ask()), told(await gate.ask())]
        await gate.go_by(replace(OPAQUE, exchange=exchange, policy=Policy()))
        await gate.ask()
        assert 1 == sum(call.url.endswith("/token") for call in gate.http.calls)
        await gate.go_by(replace(OPAQUE, exchange=replace(exchange, audience="invoices")))
        await gate.ask()
        asked = [call.body for call in gate.http.calls if call.url.endswith("/token")]
        assert [b"orders", b"invoices"] == [body.partition(b"audience=")[2].partition(b"&")[0] for body in asked]

    played(clock, story)


# -- parts ---------------------------------------------------------------------------------------------------------


class Part:
    def __init__(self, log=None):
        self.log, self.closed = log, 0

    async def close(self):
        self.closed += 1
        if self.log is not None:
            self.log.append(self)


def test_parts_that_are_needed_last_as_long_as_what_needs_them():
    async def story():
        keeping = Keeping(seconds=0.0)
        inner = Part()

        def made():
            return [keeping.part("inner", lambda: inner)]

        outer = keeping.part("outer", made)
        keeping.swap()
        for _ in range(3):
            await keeping.begin()
            assert outer is keeping.part("outer", made)
            keeping.swap()
        await asyncio.sleep(0.01)
        assert 0 == inner.closed
        await keeping.begin()
        keeping.swap()
        await asyncio.sleep(0.01)
        assert 1 == inner.closed

    asyncio.run(story())


def test_what_is_replaced_is_closed_once_nobody_can_be_using_it_any_more():
    async def story():
        keeping, log = Keeping(seconds=3600.0), []
        parts = [keeping.part(name, lambda: Part(log)) for name in "ab"]
        keeping.swap()
        await keeping.begin()
        keeping.part("a", Part)
        keeping.swap()
        await asyncio.sleep(0)
        assert [] == log
        await keeping.close()
        assert [1, 1] == [part.closed for part in parts]
        assert parts[1] is log[0]

    asyncio.run(story())


def test_a_part_that_fails_leaves_nothing_behind():
    async def story():
        keeping, inner = Keeping(), Part()

        def fails():
            keeping.part("inner", lambda: inner)
            raise OSError

        with pytest.raises(OSError):
            keeping.part("outer", fails)
        await keeping.begin()
        assert 1 == inner.closed
        assert keeping._making == []
        await keeping.close()

    asyncio.run(story())


# -- what settings refer to ----------------------------------------------------------------------------------------


def test_everything_that_settings_refer_to_is_found():
    asked = replace(ASKED, client_key="file:/k", ca_file="/ca.pem", keys="file:/keys.json", decryption_key="env:D")
    settings = Settings(
        introspection=asked,
        issuers=(replace(MAIN, keys="file:/main.json", ca_file="/main.pem", introspection=ASKED), OTHER),
        mint=Mint(keys=("file:/m1", "env:M2")),
        session=Session(keys=("file:/s",)),
    )
    files = {"/k", "/ca.pem", "/keys.json", "/main.json", "/main.pem", "/m1", "/s"}
    assert files == files_of(settings)
    assert {"env:SECRET", "env:D", "env:M2"} == {one for one in references(settings) if one.startswith("env:")}
    assert {"file:/ca.pem", "file:/keys.json"} == set(
        references(asked, ("client_key", "client_secret", "decryption_key"))
    )


def test_a_print_changes_with_what_is_referred_to_and_with_nothing_else(tmp_path):
    file = tmp_path / "secret"
    settings = replace(OPAQUE, introspection=replace(ASKED, client_secret=f"file:{file}"))
    missing = Prints({})(settings)
    file.write_text("one")
    one = Prints({})(settings)
    assert one == Prints({"OTHER": "x"})(settings)
    file.write_text("two")
    two = Prints({})(settings)
    assert 4 == len({missing, one, two, Prints({})(replace(settings, policy=Policy()))})
    assert two == Prints({})(settings, without=())
    assert Prints({})(settings, without=("client_secret",)) != two
    assert "two" not in two
