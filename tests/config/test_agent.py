"""[agent]: what its settings say together, what is made of them, and what its log tells."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import signing
from agent.world import APP, CLIENT, ISSUER, as_json
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.backends.blocking import finish
from phantomgate.config.advice import warnings
from phantomgate.config.agent_log import agent_observer
from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.loading import Sources, draft, load
from phantomgate.config.settings import Redis
from phantomgate.core.errors import SettingsError
from phantomgate.core.model import Headers
from phantomgate.testing import FakeHttp, reply

GOOD = {
    "issuer": ISSUER,
    "client_id": CLIENT,
    "client_secret": "env:SPA_SECRET",
    "redirect_uri": f"{APP}/",
}
ENVIRON = {"SPA_SECRET": "spa-secret", "KEY": "ab" * 15 + "cd" * 17, "GATEWAY_SECRET": "gateway-secret"}
SESSION = f'[session]\nkeys = ["env:KEY"]\ntrusted_web_origins = ["{APP}"]\n'
GATEWAY = '[introspection]\nendpoint = "https://as.example/i"\nclient_id = "g"\nclient_secret = "env:GATEWAY_SECRET"\n'


def toml(session=SESSION, gateway=GATEWAY, **agent):
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (GOOD | agent).items() if value is not None)
    return Sources(f"{gateway}{session}[agent]\n{lines}\n", "phantomgate.toml", {})


def problems(**changes):
    return {one.setting: one.message for one in draft(toml(**changes))[1]}


def test_a_good_agent_has_no_problem_and_none_is_one_too():
    assert {} == problems()
    assert {} == {one.setting: one for one in draft(Sources(GATEWAY, "phantomgate.toml", {}))[1]}


@pytest.mark.parametrize(
    ("changes", "setting", "says"),
    [
        ({"issuer": None}, "agent.issuer", "is missing"),
        ({"issuer": "http://as.example"}, "agent.issuer", "is http"),
        ({"client_id": None}, "agent.client_id", "is missing"),
        ({"client_secret": None}, "agent.client_secret", "is missing"),
        ({"client_auth": "bearer"}, "agent.client_auth", "by which no client authenticates"),
        ({"client_auth": "private_key_jwt", "client_secret": None}, "agent.client_key", "is missing"),
        ({"redirect_uri": None}, "agent.redirect_uri", "is missing"),
        ({"redirect_uri": "http://app.example/"}, "agent.redirect_uri", "is http"),
        ({"redirect_uri": "https://other.example/"}, "agent.redirect_uri", "trusted_web_origins"),
        ({"session": ""}, "agent.listen", "needs keys under [session]"),
        ({"listen": "127.0.0.1:9090"}, "agent.listen", "serve.listen"),
        ({"listen": "127.0.0.1:9091"}, "agent.listen", "serve.manage"),
        ({"listen": "9092"}, "agent.listen", "want an address"),
        ({"processes": 2}, "agent.processes", "memory of one process"),
        ({"state": "disk"}, "agent.state", '"dynamodb:TABLE"'),
        ({"state": ""}, "agent.state", '"dynamodb:TABLE"'),
        ({"state": "redis"}, "agent.state", "write nodes under [redis]"),
        ({"state": "dynamodb:table", "refresh_window": "1s"}, "agent.refresh_window", "write 2s or more"),
        ({"algorithms": []}, "agent.algorithms", "is empty"),
        ({"algorithms": ["none"]}, "agent.algorithms", "want one of"),
        ({"discovery": []}, "agent.discovery", "is empty"),
        ({"endpoint": "http://as.example/t"}, "agent.endpoint", "in the clear"),
        ({"keys": "http://as.example/k"}, "agent.keys", "in the clear"),
        ({"revocation_endpoint": "http://as.example/r"}, "agent.revocation_endpoint", "in the clear"),
        ({"extra_params": ["redirect_uri"]}, "agent.extra_params", "protected by"),
        ({"extra_params": ["nonce"]}, "agent.extra_params", "protected by"),
        ({"return_to": ["//evil.example"]}, "agent.return_to", "want a path"),
        ({"return_to": ["/\\evil.example"]}, "agent.return_to", "want a path"),
        ({"max_age": "10s"}, "agent.max_age", ""),
        ({"refresh_window": "10m"}, "agent.refresh_window", ""),
        ({"par": "sometimes"}, "agent.par", "want one of"),
    ],
    ids=str,
)
def test_what_would_leave_a_login_unprotected_or_a_user_without_a_session_is_a_problem(changes, setting, says):
    found = problems(**changes)

    assert setting in found
    assert says in found[setting]


def test_several_processes_may_serve_an_agent_that_shares_its_state():
    assert {} == problems(state="dynamodb:agent-state", processes=8)
    assert {} == problems(processes=1, refresh_window="0s")


def test_an_agent_that_tells_no_gateway_of_a_logout_is_worth_a_thought():
    thoughtless = load(toml(state="dynamodb:agent-state"))
    (told,) = [one for one in warnings(thoughtless) if one.setting == "agent.state"]
    assert "no gateway hears of a logout" in told.message
    for careful in (load(toml()), replace(thoughtless, redis=Redis(("127.0.0.1:6379",), secret="env:SHARED"))):
        assert [] == [one for one in warnings(careful) if one.setting == "agent.state"]


def test_par_needs_a_place_where_nothing_is_discovered():
    written = {
        "endpoint": f"{ISSUER}/t",
        "authorization_endpoint": f"{ISSUER}/a",
        "keys": "file:/keys.json",
        "par": "always",
    }

    assert ["agent.par"] == list(problems(**written))
    assert {} == problems(**written, par_endpoint=f"{ISSUER}/par")
    assert {} == problems(**{**written, "par": "auto", "discovery": [], "issuer": "urn:as"})


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"scope": ["read"]}, "agent.scope"),
        ({"id_token_hint": True}, "agent.id_token_hint"),
        ({"allow_insecure_http": True}, "agent.allow_insecure_http"),
    ],
)
def test_what_works_and_is_probably_not_meant_is_a_warning(changes, setting):
    assert setting in {one.setting for one in warnings(load(toml(**changes)))}
    assert setting not in {one.setting for one in warnings(load(toml()))}


DOCUMENT = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/jwks",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
}


def provider(**changes):
    """Metadata and keys, by paths."""
    answers = {
        "/.well-known/openid-configuration": as_json(DOCUMENT),
        "/jwks": as_json({"keys": [signing.key("RS256").jwk]}),
        **changes,
    }
    return FakeHttp(lambda call: answers.get(call.url.removeprefix(ISSUER), reply(404)))


def wired(http, **changes):
    return wire_agent(load(toml(**changes)), "blocking", environ=ENVIRON, write=lambda line: None, http=http)


def test_a_provider_is_asked_for_what_a_login_needs():
    http = provider()

    assert finish(wired(http).probe.ask()) is None
    assert ["/.well-known/openid-configuration", "/jwks"] == [call.url.removeprefix(ISSUER) for call in http.calls]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"/.well-known/openid-configuration": reply(404)}, "no metadata"),
        ({"/.well-known/openid-configuration": reply(503)}, "503"),
        ({"/.well-known/openid-configuration": as_json({**DOCUMENT, "issuer": "https://evil"})}, "issuer"),
        ({"/.well-known/openid-configuration": as_json({**DOCUMENT, "token_endpoint": "https://evil/t"})}, "origin"),
        ({"/.well-known/openid-configuration": as_json({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"})}, "has no"),
        ({"/jwks": as_json({"keys": []})}, "none of its 0 keys"),
        ({"/jwks": as_json({"keys": [signing.key("ES256").jwk]})}, "none of its 1 keys"),
        ({"/jwks": reply(500)}, "500"),
    ],
    ids=str,
)
def test_a_provider_without_that_is_said(changes, says):
    trouble = finish(wired(provider(**changes)).probe.ask())

    assert says in trouble.detail


def test_what_the_settings_say_comes_before_the_metadata():
    http = provider()
    agent = wired(http, authorization_endpoint=f"{ISSUER}/elsewhere", par="never").agent
    start = finish(agent.handle(page_request()))

    assert json.loads(start.body)["authorizationRequestUrl"].startswith(f"{ISSUER}/elsewhere?response_type=code&")


def test_with_everything_written_nothing_is_discovered(tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [signing.key("RS256").jwk]}))
    http = FakeHttp(reply(500))
    written = {"endpoint": f"{ISSUER}/t", "authorization_endpoint": f"{ISSUER}/a", "keys": f"file:{keys}"}
    one = wired(http, **written)

    assert finish(one.probe.ask()) is None
    assert 200 == finish(one.agent.handle(page_request())).status
    assert [] == http.calls


def page_request():
    headers = Headers.of([("Origin", APP), ("Content-Type", "application/json")])
    return AgentRequest("POST", "/oauth-agent/login/start", headers, b"{}")


def test_secrets_that_arent_there_are_all_said_at_once():
    with pytest.raises(SettingsError) as no:
        wire_agent(load(toml()), "blocking", environ={}, write=lambda line: None)

    assert {"session.keys", "agent.client_secret"} == {one.setting for one in no.value.problems}


def observed(reply, *, allowed=False):
    lines = []
    request = AgentRequest("POST", "/oauth-agent/refresh", Headers.of([("Cookie", "canary")]), b"canary", "10.0.0.1")
    agent_observer(lines.append, now=lambda: 0.0, allowed=allowed)(request, reply)
    return lines


def test_a_line_tells_of_errors_and_notes_and_of_nothing_secret():
    cause = ValueError("canary")
    bad = AgentReply(401, b"canary", ("a=canary",), code="unauthorized_request", detail="no CSRF header", cause=cause)
    [line] = observed(bad)

    assert ("info", 401, "no CSRF header", "ValueError") == (
        line.level.name.lower(), line.fields["status"], line.fields["detail"], line.fields["cause"]
    )  # fmt: skip
    assert b"canary" not in line.encode()
    assert ["WARNING"] == [one.level.name for one in observed(AgentReply(502, code="x"))]
    assert ["WARNING"] == [one.level.name for one in observed(AgentReply(200, note="tokens not revoked"))]
    assert ["ERROR"] == [one.level.name for one in observed(AgentReply(500, code="x", cause=cause))]
    assert [] == observed(AgentReply(204))
    assert ["INFO"] == [one.level.name for one in observed(AgentReply(204), allowed=True)]
