"""Wiring joins what the settings ask for: each that matters changes what is decided or sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Cache, ForwardRule, Introspection, Log, Policy, RouteRule, Serve, Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, Refused, SettingsError, Unavailable
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.core.ports import HttpCall
from phantomgate.testing import FakeHttp, on_a_loop, reply
from processes import python
from tokens import NOW, jwt

SECRET = "canary-3c1d"
BASIC = "Z2F0ZXdheTpjYW5hcnktM2MxZA=="
ENVIRON = {"SECRET": SECRET}
GOOD = Settings(
    introspection=Introspection(endpoint="https://as.example/", client_id="gateway", client_secret="env:SECRET")
)


def wired(clock, settings: Settings = GOOD, answer=None, **more) -> tuple[Wired, FakeHttp, list]:
    """The gateway of *settings* with a fake server in place of the HTTP client, and the log's lines."""
    lines: list = []
    made = wire(
        settings,
        environ=ENVIRON,
        write=lines.append,
        now=clock.now,
        ticks=clock.ticks,
        random=lambda n: b"r" * n,
        **more,
    )
    http = FakeHttp(answer or reply(200, jwt(), content_type="application/jwt"))
    made.introspect.http = http
    return made, http, lines


def ask(made: Wired, method: str = "GET", path: str = "/", token: str = "t0ken") -> Allow | Refuse:
    return finish(made.gateway.decide(Request(method, path, Headers.of([("Authorization", f"Bearer {token}")]))))


def jwt_reply(**claims: object):
    return reply(200, jwt(**claims), content_type="application/jwt")


def test_a_good_token_is_let_in_with_its_jwt_and_claims(clock):
    made, http, _ = wired(clock, replace(GOOD, forward=ForwardRule({"X-User": "sub"})))
    decision = ask(made)
    assert isinstance(decision, Allow)
    assert dict(decision.upstream.set) == {"Authorization": f"Bearer {jwt()}", "X-User": "ann"}
    [call] = http.calls
    assert (call.url, call.timeout) == ("https://as.example/", 2.0)
    assert ("Accept", "application/jwt") in call.headers


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        (
            {"client_auth": "basic"},
            lambda call: ("Authorization", "Basic Z2F0ZXdheTpjYW5hcnktM2MxZA==") in call.headers,
        ),
        ({"client_auth": "post"}, lambda call: b"client_id=gateway&client_secret=canary-3c1d" in call.body),
        ({"answer": "json"}, lambda call: ("Accept", "application/json") in call.headers),
        ({"timeout": 0.5}, lambda call: call.timeout == 0.5),
    ],
)
def test_the_question_is_asked_as_the_settings_say(clock, settings, sent):
    made, http, _ = wired(clock, replace(GOOD, introspection=replace(GOOD.introspection, **settings)))
    ask(made)
    assert sent(http.calls[0])


@pytest.mark.parametrize(
    ("policy", "claims", "reason"),
    [
        (Policy(scopes=("admin",)), {}, Reason.INSUFFICIENT_SCOPE),
        (Policy(any_scopes=("admin", "root")), {}, Reason.INSUFFICIENT_SCOPE),
        (Policy(issuers=("https://other.example",)), {}, Reason.WRONG_ISSUER),
        (Policy(audiences=("other",)), {}, Reason.WRONG_AUDIENCE),
        (Policy(), {"nbf": NOW + 6}, Reason.INVALID_TOKEN),
        (Policy(clock_skew=60.0), {"nbf": NOW + 61}, Reason.INVALID_TOKEN),
        (Policy(), {"exp": NOW}, Reason.EXPIRED),
        (Policy(scopes=("read", "write"), any_scopes=("read",), issuers=("https://as.example",)), {}, None),
        (Policy(audiences=("api", "other"), clock_skew=60.0), {"nbf": NOW + 59}, None),
        (Policy(scopes=("read.all",), scope_strategy="hierarchic"), {}, None),
        (Policy(scopes=("read.all",), scope_strategy="wildcard"), {"scope": "read.*"}, None),
        (Policy(scopes=("read.all",)), {"scope": "read.*"}, Reason.INSUFFICIENT_SCOPE),
    ],
)
def test_the_policy_is_judged(clock, policy, claims, reason):
    made, _, _ = wired(clock, replace(GOOD, policy=policy), jwt_reply(**claims))
    decision = ask(made)
    assert (decision.reason if isinstance(decision, Refuse) else None) is reason


def test_the_issuer_of_the_answer_is_checked(clock):
    settings = replace(GOOD, introspection=replace(GOOD.introspection, issuer="https://other.example"))
    made, _, _ = wired(clock, settings)
    assert ask(made).reason is Reason.BAD_ANSWER


ROUTES = (
    RouteRule("/orders/**", ("POST",), ("write",)),
    RouteRule("/any", any_scopes=("admin", "write")),
    RouteRule("/aud", audiences=("orders",)),
    RouteRule("/**"),
)


@pytest.mark.parametrize(
    ("method", "path", "claims", "reason"),
    [
        ("POST", "/orders/7", {}, None),
        ("POST", "/orders/7", {"scope": "read"}, Reason.INSUFFICIENT_SCOPE),
        ("GET", "/orders/7", {"scope": "read"}, None),
        ("GET", "/any", {"scope": "read write"}, None),
        ("GET", "/any", {"scope": "read"}, Reason.INSUFFICIENT_SCOPE),
        ("GET", "/aud", {}, Reason.WRONG_AUDIENCE),
        ("GET", "/aud", {"aud": ["orders"]}, None),
        ("GET", "/else", {"scope": "write"}, Reason.INSUFFICIENT_SCOPE),  # [policy] holds on every route
        ("GET", "/a//b", {}, Reason.MALFORMED_REQUEST),
    ],
)
def test_routes_are_judged_on_top_of_the_policy(clock, method, path, claims, reason):
    made, _, _ = wired(clock, replace(GOOD, policy=Policy(scopes=("read",)), routes=ROUTES), jwt_reply(**claims))
    decision = ask(made, method, path)
    assert (decision.reason if isinstance(decision, Refuse) else None) is reason


def test_no_route_means_no(clock):
    made, http, _ = wired(clock, replace(GOOD, routes=(RouteRule("/a"),)))
    assert ask(made, path="/b").reason is Reason.NO_ROUTE
    assert http.calls == []


def test_a_decision_by_the_table_knows_that_it_holds_here_only(clock):
    made, _, _ = wired(clock, replace(GOOD, routes=(RouteRule("/a"),)))
    assert ask(made, path="/a").route.of_table
    made, _, _ = wired(clock, GOOD)
    assert not ask(made, path="/a").route.of_table


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"scope": "x a", "aud": ["api", "orders"]}, None),
        ({"scope": "a", "aud": ["api", "orders"]}, Reason.INSUFFICIENT_SCOPE),
        ({"scope": "x", "aud": ["api", "orders"]}, Reason.INSUFFICIENT_SCOPE),
        ({"scope": "x a", "aud": ["orders"]}, Reason.WRONG_AUDIENCE),
        ({"scope": "x a", "aud": ["api"]}, Reason.WRONG_AUDIENCE),
    ],
)
def test_a_route_never_weakens_the_policy(clock, claims, reason):
    settings = replace(
        GOOD,
        policy=Policy(any_scopes=("x", "y"), audiences=("api",)),
        routes=(RouteRule("/**", any_scopes=("a", "b"), audiences=("orders",)),),
    )
    made, _, _ = wired(clock, settings, jwt_reply(**claims))
    decision = ask(made)
    assert (decision.reason if isinstance(decision, Refuse) else None) is reason


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["not expired"]),
        ({"policy": Policy(issuers=("a",))}, ["not expired", "issuer"]),
        ({"policy": Policy(scopes=("a",), audiences=("b",))}, ["not expired", "audience", "scopes"]),
        ({"routes": (RouteRule("/", any_scopes=("a",)),)}, ["not expired", "scopes"]),
        ({"routes": (RouteRule("/", audiences=("a",)),)}, ["not expired", "audience"]),
    ],
)
def test_policies_that_nothing_needs_are_left_out(clock, settings, names):
    made, _, _ = wired(clock, replace(GOOD, **settings))
    assert list(made.policy_names) == names
    assert len(made.gateway.policies) == len(names)


def test_answers_are_remembered_for_as_long_as_the_settings_say(clock):
    made, http, _ = wired(clock, replace(GOOD, cache=Cache(max_age=10.0)))
    ask(made)
    clock.advance(9)
    ask(made)
    assert len(http.calls) == 1
    clock.advance(1)
    ask(made)
    assert len(http.calls) == 2
    assert made.metrics.snapshot()["cache"]["memory"] == {"hit": 1, "miss": 2, "negative": 0}


def test_a_max_age_of_nothing_asks_for_every_request(clock):
    made, http, _ = wired(clock, replace(GOOD, cache=Cache(max_age=0.0)))
    ask(made)
    ask(made)
    assert len(http.calls) == 2


@pytest.mark.parametrize(("seconds", "calls"), [(5.0, 1), (0.0, 2)])
def test_not_active_is_remembered_for_as_long_as_the_settings_say(clock, seconds, calls):
    made, http, _ = wired(clock, replace(GOOD, cache=Cache(negative_max_age=seconds)), reply(204))
    assert [ask(made).reason, ask(made).reason] == [Reason.INACTIVE, Reason.INACTIVE]
    assert len(http.calls) == calls


def test_each_process_has_a_cache_key_of_its_own(clock):
    def secret(made: Wired) -> bytes:
        return made.gateway.resolver._secret

    one, other = (wire(GOOD, environ=ENVIRON, now=clock.now, ticks=clock.ticks) for _ in range(2))
    assert len(secret(one)) == 32
    assert secret(one) != secret(other)


def test_only_a_family_that_shares_divides_the_cache(clock):
    settings = replace(GOOD, serve=Serve(workers=4), cache=Cache(max_entries=4000, max_bytes=4 << 20))

    async def sizes(family):
        made = wire(settings, family, environ=ENVIRON)
        await made.close()
        cache = made.gateway.resolver.cache
        return cache._entries * 2, cache._bytes * 2

    assert finish(sizes("blocking")) == (4000, 4 << 20)
    assert on_a_loop(sizes("nonblocking")) == (1000, 1 << 20)


def test_both_families_decide(clock):
    async def decided(family):
        made = wire(GOOD, family, environ=ENVIRON, write=lambda line: None, now=clock.now, ticks=clock.ticks)
        made.introspect.http = FakeHttp(reply(200, jwt(), content_type="application/jwt"))
        decision = await made.gateway.decide(Request("GET", "/", Headers.of([("Authorization", "Bearer t0ken")])))
        await made.close()
        return decision

    assert isinstance(finish(decided("blocking")), Allow)
    assert isinstance(on_a_loop(decided("nonblocking")), Allow)


def test_refusals_are_logged_and_counted_and_allows_only_where_asked(clock):
    for allows, events in ((False, ["refused"]), (True, ["allowed", "refused"])):
        made, _, lines = wired(clock, replace(GOOD, log=Log(allows=allows)))
        ask(made)
        ask(made, token="")
        assert [line.fields["outcome"] for line in lines] == events
        assert (made.metrics.allowed, made.metrics.refused["missing_credential"]) == (1, 0)
        assert made.metrics.refused["malformed_request"] == 1
        assert sum(made.metrics.latency) == 1


def test_decision_ids_come_from_the_given_randomness(clock):
    made, _, _ = wired(clock)
    assert ask(made, token="").id == b"rrrrrrrr".hex()


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (reply(204), None),
        (reply(200, '{"active": false}', content_type="application/json"), None),
        (reply(401), Reason.CLIENT_REFUSED),
        (reply(404), Reason.BAD_ANSWER),
        (reply(200, "<html>", content_type="text/html"), Reason.BAD_ANSWER),
        (Unavailable("no connection to https://as.example"), Reason.UNAVAILABLE),
        (reply(200, jwt(), content_type="application/jwt"), Reason.BAD_ANSWER),
    ],
)
def test_a_probe_finds_what_is_wrong_with_the_server(clock, answer, wrong):
    made, http, lines = wired(clock, GOOD, answer)
    found = finish(made.probe())
    assert (found.reason if isinstance(found, Refused) else None) is wrong
    assert lines == []
    assert b"phantomgate-probe-72727272" in http.calls[0].body


def test_a_probe_asks_every_time(clock):
    made, http, _ = wired(clock, GOOD, reply(204))
    finish(made.probe())
    finish(made.probe())
    assert len(http.calls) == 2


def test_closing_gives_back_everything_in_order(clock):
    class Connections:
        async def close(self):
            closed.append(self)

    closed: list = []
    made = replace(wired(clock)[0], closing=(Connections(), Connections()))
    finish(made.close())
    assert closed == list(made.closing)


def test_both_families_have_their_connections_closed():
    async def closing(family):
        made = wire(GOOD, family, environ=ENVIRON, write=lambda line: None)
        await made.close()
        return made

    for made in (finish(closing("blocking")), on_a_loop(closing("nonblocking"))):
        assert made.introspect.http.http in made.closing
        assert made.introspect.http.http._closed


def told(settings: Settings, environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as no:
        wire(settings, environ=environ)
    assert SECRET not in str(no.value)
    return {problem.setting: f"{problem.message} ({problem.origin})" for problem in no.value.problems}


def test_a_secret_that_is_not_there_is_a_problem_with_its_origin():
    settings = replace(GOOD, origins={"introspection.client_secret": "gate.toml"})
    said = told(settings, {})["introspection.client_secret"]
    assert "the variable SECRET, which is not set" in said
    assert said.endswith("(gate.toml)")


@pytest.mark.parametrize(
    "pem", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_certificates_that_cannot_be_used_are_a_problem(tmp_path, pem):
    if pem is not None:
        (tmp_path / "ca.pem").write_text(pem)
    settings = replace(GOOD, introspection=replace(GOOD.introspection, ca_file=str(tmp_path / "ca.pem")))
    assert "want a file of certificates in PEM" in told(settings, ENVIRON)["introspection.ca_file"]


def test_everything_that_is_not_there_is_told_at_once():
    settings = replace(
        GOOD, introspection=replace(GOOD.introspection, ca_file="/nowhere.pem"), routes=(RouteRule("/a/{"),)
    )
    assert sorted(told(settings, {})) == ["introspection.ca_file", "introspection.client_secret", "routes[1].path"]
    assert [problem.setting for problem in unmet(settings, {})] == [
        "introspection.client_secret",
        "introspection.ca_file",
    ]


def test_settings_made_by_hand_are_checked_too():
    assert "is missing" in told(Settings(), {})["introspection.endpoint"]


def test_nothing_that_is_wired_shows_the_secret(clock):
    made, _, _ = wired(clock)
    assert SECRET not in repr(made) + repr(made.settings) + repr(made.introspect.client)


BUDGET = frozenset(
    ["asyncio", "http.client", "email", "aiohttp", "cryptography", "joserfc", "prometheus_client", "tomllib", "logging"]
)
WIRE = """
import sys, json
from pathlib import Path
from phantomgate.config.loading import load_settings
from phantomgate.config.wiring import wire
wired = wire(load_settings({path}, {environ!r}), "blocking", environ={{"SECRET": "x"}})
print(json.dumps(sorted(sys.modules)))
"""


def imported(code: str) -> set[str]:
    done = python("-c", code)
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_wiring_what_blocks_imports_no_event_loop_and_nothing_heavy():
    environ = {
        "PHANTOMGATE__INTROSPECTION__ENDPOINT": "https://as.example/",
        "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
        "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:SECRET",
    }
    assert imported(WIRE.format(path=None, environ=environ)).isdisjoint(BUDGET)


def test_toml_is_imported_only_with_a_file(tmp_path):
    (tmp_path / "a.toml").write_text(
        '[introspection]\nendpoint="https://as.example/"\nclient_id="gateway"\nclient_secret="env:SECRET"'
    )
    modules = imported(WIRE.format(path=f"Path({str(tmp_path / 'a.toml')!r})", environ={}))
    assert "tomllib" in modules
    assert modules.isdisjoint(BUDGET - {"tomllib"})


def test_the_call_knows_nothing_of_the_route(clock):
    """Facts are the server's about the token; the route is for policies alone, or a cached answer would be wrong."""
    made, http, _ = wired(clock, replace(GOOD, routes=(RouteRule("/a", scopes=("read",)), RouteRule("/b"))))
    ask(made, path="/a")
    ask(made, path="/b")
    assert [type(call) for call in http.calls] == [HttpCall]
