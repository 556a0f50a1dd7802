"""CACHE, with a Redis that machines share: whoever can read or write it learns nothing and lets nobody in."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest

from attacks.cases import attack
from phantomgate.config.settings import Cache, Introspection, Log, Policy, Redis, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.testing import FakeClock, FakeHttp, reply
from redis_servers import servers
from tokens import jwt

ENVIRON = {
    "CLIENT": "s3cret",
    "SHARED": "canary-of-thirty-two-characters!",
    "OTHER": "another-of-thirty-two-characters",
}
TOKEN = "opaque-canary"


@pytest.fixture(scope="module")
def server():
    with servers() as make:
        yield make()


@pytest.fixture
def settings(server):
    server.client().flushall()
    return Settings(
        introspection=Introspection("https://as.example/i", client_id="gate", client_secret="env:CLIENT"),
        cache=Cache(negative_max_age=0.0),
        policy=Policy(scopes=("read",)),
        redis=Redis((f"127.0.0.1:{server.port}",), secret="env:SHARED", timeout=1.0),
    )


class Machine:
    """One phantomgate, and an authorization server that says what it is told to."""

    def __init__(self, settings, answer=None):
        clock = FakeClock()
        answer = answer or reply(200, jwt({"scope": "read", "sub": "alice"}), content_type="application/jwt")
        self.http = FakeHttp(answer)
        self.lines = []
        self.wired = wire(
            settings, environ=ENVIRON, write=self.lines.append, now=clock.now, ticks=clock.ticks, http=self.http
        )

    def decide(self, drive, token=TOKEN):
        request = Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))
        return drive(self.wired.gateway.decide(request))

    def counted(self):
        return self.wired.metrics.snapshot()["cache"]["redis"]

    def close(self, drive):
        drive(self.wired.close())


@pytest.fixture
def machine(drive, settings):
    made = []

    def make(*arguments, **changes):
        made.append(Machine(replace(settings, **changes), *arguments))
        return made[-1]

    yield make
    for one in made:
        one.close(drive)


def test_the_second_machine_asks_nobody(drive, machine):
    one, other = machine(), machine(reply(204))
    first, second = one.decide(drive), other.decide(drive)
    assert isinstance(first, Allow)
    assert dict(first.upstream.set) == dict(second.upstream.set)
    assert ("redis", 0) == (second.token.source.value, len(other.http.calls))
    assert {"hit": 1, "miss": 0, "fault": 0, "skipped": 0, "forged": 0} == other.counted()
    assert "memory" == other.decide(drive).token.source.value


def values(client):
    return {name: client.get(name) for name in client.scan_iter()}


@attack("CACHE-011")
@pytest.mark.parametrize(
    "poison",
    [
        json.dumps({"active": True, "sub": "admin", "scope": "read"}).encode(),
        b"\x01" + json.dumps({"active": True, "sub": "admin"}).encode() * 4,
        b"\x01" + bytes(60),
        b"",
        b"\x01",
        "another's",
        "older",
        "turned",
    ],
)
def test_what_an_attacker_writes_is_a_miss_and_an_alarm(case, drive, machine, server, poison):
    admin = reply(200, jwt({"scope": "read", "sub": "admin"}), content_type="application/jwt")
    machine().decide(drive)
    client = server.client()
    (name,) = values(client)
    machine(admin).decide(drive, "another")
    (other,) = set(values(client)) - {name}
    if poison == "another's":
        poison = client.get(other)
    elif poison == "older":
        poison = b"\x00" + client.get(name)[1:]
    elif poison == "turned":
        poison = client.get(name)[:-1] + bytes([client.get(name)[-1] ^ 1])
    client.set(name, poison, ex=100)

    victim = machine()
    decision = victim.decide(drive)

    assert "alice" == decision.token.claims["sub"]
    assert ("network", 1) == (decision.token.source.value, len(victim.http.calls))
    alarm = 1 if poison[:1] == b"\x01" else 0
    assert (alarm, 1) == (victim.counted()["forged"], victim.counted()["miss"])
    assert ["shared_cache_forged"] * alarm == [line.event for line in victim.lines]


@attack("CACHE-013")
def test_what_is_pickled_is_never_unpickled(case, drive, machine, server):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    machine().decide(drive)
    client = server.client()
    (name,) = values(client)
    client.set(name, pickle.dumps(Bomb()), ex=100)
    assert "network" == machine().decide(drive).token.source.value


@attack("CACHE-008")
def test_tenants_at_one_redis_have_entries_of_their_own(case, drive, machine, server, settings):
    bob = reply(200, jwt({"scope": "read", "sub": "bob"}), content_type="application/jwt")
    machine().decide(drive)
    for changed in (
        {"redis": replace(settings.redis, secret="env:OTHER")},
        {"introspection": replace(settings.introspection, endpoint="https://other.example/i")},
        {"introspection": replace(settings.introspection, client_id="another")},
    ):
        assert "bob" == machine(bob, **changed).decide(drive).token.claims["sub"]
    assert 4 == len(values(server.client()))


@attack("CACHE-002")
@pytest.mark.parametrize("said", ["no-store", "no-cache", "max-age=0", "private", "private, max-age=60"])
def test_what_may_not_be_shared_never_reaches_the_store(case, drive, machine, server, said):
    answer = reply(200, jwt({"scope": "read"}), content_type="application/jwt", cache_control=said)
    one = machine(answer)
    assert isinstance(one.decide(drive), Allow)
    assert {} == values(server.client())
    one.decide(drive)
    assert ("private" in said) == (1 == len(one.http.calls))


@attack("CACHE-006")
def test_a_shared_answer_is_judged_anew(case, drive, machine):
    machine().decide(drive)
    decision = machine(reply(204), policy=Policy(scopes=("write",))).decide(drive)
    assert "insufficient_scope" == decision.reason.label


def test_a_dump_is_useless(drive, machine, server):
    machine().decide(drive)
    dump = b"".join(name + value for name, value in values(server.client()).items())
    for secret in (TOKEN, "alice", "canary", "read", "as.example"):
        assert secret.encode() not in dump


def test_a_store_that_is_gone_is_nobody_s_error(drive, machine, settings):
    alone = machine(redis=replace(settings.redis, nodes=("127.0.0.1:1",)))
    assert isinstance(alone.decide(drive), Allow)
    assert 1 == alone.counted()["fault"]
    assert ["shared_cache_lost"] == [line.event for line in alone.lines]
    assert "canary" not in repr(alone.lines)


ASKED = Introspection("https://as.example/i", client_id="gate", client_secret="env:CLIENT")


@pytest.mark.parametrize(
    "changed",
    [
        {"cache": Cache(max_age=60.0, negative_max_age=0.0)},
        {"cache": Cache(max_age=600.0, negative_max_age=0.0)},
        {"policy": Policy(scopes=("read",), clock_skew=60.0)},
        {"introspection": replace(ASKED, client_secret="env:OTHER")},
        {"introspection": replace(ASKED, client_auth="post")},
    ],
    ids=["shorter", "longer", "skew", "secret", "client_auth"],
)
def test_what_was_asked_by_other_settings_is_not_found(drive, machine, changed):
    machine().decide(drive)
    other = machine(**changed)
    assert "network" == other.decide(drive).token.source.value
    assert "redis" == machine().decide(drive).token.source.value


@pytest.mark.parametrize(
    "changed", [{"policy": Policy(scopes=("read",), audiences=("api",))}, {"log": Log(allows=True)}]
)
def test_what_only_judges_or_tells_shares_what_was_asked(drive, machine, changed):
    machine().decide(drive)
    assert "redis" == machine(**changed).decide(drive).token.source.value
