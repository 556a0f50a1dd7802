"""`phantomgate.aws.agent`: the OAuth agent as a Lambda function, from its variables to its answers."""

from __future__ import annotations

import json
import os

import pytest

from agent.events import event_of, reply_of
from agent.world import APP, CLIENT, ISSUER, SIGNING, as_json
from phantomgate.adapters.aws_agent import Form
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.agent.model import AgentRequest
from phantomgate.agent.refresh import Renewed
from phantomgate.agent.session import Brought, Person, Session
from phantomgate.backends.blocking import finish
from phantomgate.config.agent_function import load_agent
from phantomgate.config.agent_state import state_of
from phantomgate.config.family import back_ends
from phantomgate.core.errors import SettingsError
from phantomgate.core.model import Headers
from phantomgate.servers.agent_function import AgentFunction
from phantomgate.session.csrf import SESSION_ID_BYTES
from phantomgate.testing import FakeClock, reply
from redis_servers import servers
from sealed import KEY

SECRET = "canary-spa-secret"
ENVIRON = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "canary-aws",
    "PHANTOMGATE__AGENT__ISSUER": ISSUER,
    "PHANTOMGATE__AGENT__CLIENT_ID": CLIENT,
    "PHANTOMGATE__AGENT__CLIENT_SECRET": "env:SPA_SECRET",
    "PHANTOMGATE__AGENT__REDIRECT_URI": f"{APP}/",
    "PHANTOMGATE__AGENT__STATE": "dynamodb:sessions",
    "PHANTOMGATE__SESSION__KEYS": "env:SESSION_KEY",
    "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS": APP,
    "SPA_SECRET": SECRET,
    "SESSION_KEY": KEY,
}
METADATA = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/jwks",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
}


class World:
    """Everything that the function calls: the provider, and DynamoDB."""

    def __init__(self):
        self.calls = []
        self.answers = {
            "/.well-known/openid-configuration": as_json(METADATA),
            "/jwks": as_json({"keys": [SIGNING.jwk]}),
            "/token": as_json({"error": "invalid_grant"}, 400),
            "": as_json({}),
            "/": as_json({}),
        }

    async def send(self, call):
        self.calls.append(call)
        path = call.url.partition("://")[2].partition("/")
        return self.answers[path[1] + path[2]]


class Function:
    def __init__(self, environ=None, **more):
        self.environ = {**(ENVIRON if environ is None else environ), **more}
        self.world, self.clock, self.lines = World(), FakeClock(), []
        self.function = AgentFunction(
            lambda: self.environ,
            write=self.lines.append,
            now=self.clock.now,
            ticks=self.clock.ticks,
            http=self.world,
        )

    def __call__(self, path, said=None, form=Form.COOKIES, method="POST", **fields):
        pairs = {"origin": APP, "content-type": "application/json", **fields}
        body = b"" if said is None else json.dumps(said).encode()
        request = AgentRequest(method, f"/oauth-agent{path}", Headers.of(list(pairs.items())), body)
        event = json.loads(json.dumps(event_of(request, form)))
        return reply_of(json.loads(json.dumps(self.function.answer(event))), form)

    @property
    def log(self):
        return b"".join(line.encode() for line in self.lines).decode()


@pytest.mark.parametrize("form", Form)
def test_a_login_starts_with_a_sealed_cookie_and_the_servers_address(form):
    function = Function()
    answer = function("/login/start", {}, form)

    assert 200 == answer.status, function.log
    assert json.loads(answer.body)["authorizationRequestUrl"].startswith(f"{ISSUER}/authorize?")
    (cookie,) = answer.cookies
    assert cookie.startswith("__Host-")
    assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=600")
    assert APP == dict(answer.headers)["Access-Control-Allow-Origin"]


@pytest.mark.parametrize("form", Form)
def test_origin_and_method_are_checked_as_anywhere(form):
    function = Function()

    assert 401 == function("/login/start", {}, form, origin="https://evil.example").status
    assert 405 == function("/login/start", None, form, method="GET").status
    assert 404 == function("/elsewhere", {}, form).status
    preflight = function("/login/start", None, form, method="OPTIONS")
    assert (204, "GET, POST") == (preflight.status, dict(preflight.headers)["Access-Control-Allow-Methods"])
    assert [] == function.world.calls


def test_a_login_that_nobody_can_know_to_be_new_is_refused():
    function = Function()
    start = function("/login/start", {})
    state = json.loads(start.body)["authorizationRequestUrl"].partition("state=")[2].partition("&")[0]
    function.world.answers[""] = reply(500, "canary")
    cookie = start.cookies[0].partition(";")[0]
    answer = function("/login/end", {"pageUrl": f"{APP}/?code=c&state={state}"}, cookie=cookie)

    assert 502 == answer.status
    assert [] == [call for call in function.world.calls if call.url.endswith("/token")]
    assert "canary" not in function.log


@pytest.mark.parametrize("state", ["", "memory"])
def test_lambda_starts_no_agent_that_keeps_its_state_to_itself(state):
    environ = {name: value for name, value in ENVIRON.items() if not name.endswith("STATE")}
    function = Function(environ, **({"PHANTOMGATE__AGENT__STATE": state} if state else {}))

    for _ in range(2):
        with pytest.raises(Trouble, match="settings"):
            function("/login/start", {})
    (problem,) = function.lines[0].fields["problems"]
    assert 'write state = "dynamodb:TABLE" under [agent], or "redis"' in problem
    assert [] == function.world.calls


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"PHANTOMGATE__AGENT__STATE": "redis"}, "write nodes under [redis]"),
        ({"PHANTOMGATE__AGENT__STATE": "dynamodb:"}, "agent.state"),
        ({"PHANTOMGATE__AGENT__REFRESH_WINDOW": "0s"}, "write 2s or more"),
        ({"AWS_REGION": ""}, "there are no AWS_REGION"),
        ({"AWS_ENDPOINT_URL": "http://example.com"}, "in the clear"),
        ({"SPA_SECRET": ""}, "empty"),
        ({"PHANTOMGATE__AGENT__ISSUER": ""}, "agent.issuer"),
        ({"PHANTOMGATE__SESSION__KEYS": ""}, "needs keys under [session]"),
    ],
    ids=str,
)
def test_settings_that_cant_be_used_are_said_in_the_log_and_no_event_is_answered(more, says):
    function = Function(**more)
    with pytest.raises(Trouble):
        function("/login/start", {})

    assert says in function.log
    assert "canary" not in function.log


def test_without_an_agent_there_is_nothing_to_serve():
    with pytest.raises(SettingsError, match=r"agent.*is missing"):
        load_agent({})


def test_settings_of_an_authorizer_beside_it_are_its_own_affair():
    shared = {
        "PHANTOMGATE__AWS__CACHE_TTL": "300s",  # which an authorizer of sessions refuses
        "PHANTOMGATE__INTROSPECTION__ENDPOINT": f"{ISSUER}/introspect",
        "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
        "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:NOT_HERE",
    }

    assert 200 == Function(**shared)("/login/start", {}).status


def test_settings_and_a_secret_beside_the_code_are_found_and_warned_about(tmp_path):
    (tmp_path / ".env").write_text(f"SPA_SECRET={SECRET}\nPHANTOMGATE__AGENT__STATE=dynamodb:table-of-file\n")
    environ = {
        name: value for name, value in ENVIRON.items() if name not in ("SPA_SECRET", "PHANTOMGATE__AGENT__STATE")
    }
    function = Function(environ, LAMBDA_TASK_ROOT=str(tmp_path))

    assert 200 == function("/login/start", {}).status
    assert ["settings"] == [line.event for line in function.lines]
    assert SECRET not in function.log


@pytest.mark.parametrize("event", [{}, None, {"type": "TOKEN", "authorizationToken": "Bearer canary"}])
def test_an_event_that_is_no_request_is_an_error_that_names_its_keys(event):
    function = Function()
    with pytest.raises(Trouble, match="no event that we know"):
        function.function.answer(event)

    assert "unknown_event" in function.log
    assert "canary" not in function.log


def test_secrets_are_read_anew_when_the_provider_refuses_them_and_no_more_than_once_a_minute():
    function = Function()
    function.world.answers["/token"] = as_json({"error": "invalid_client"}, 401)

    def log_in():
        start = function("/login/start", {})
        state = json.loads(start.body)["authorizationRequestUrl"].partition("state=")[2].partition("&")[0]
        cookie = start.cookies[0].partition(";")[0]
        return function("/login/end", {"pageUrl": f"{APP}/?code=c&state={state}"}, cookie=cookie).status

    assert [502, 502] == [log_in(), log_in()]
    assert 1 == function.log.count("secrets_read_anew")
    sent = [dict(call.headers)["Authorization"] for call in function.world.calls if call.url.endswith("/token")]
    function.environ["SPA_SECRET"] = "another"
    function.clock.advance(61)
    log_in()
    log_in()
    sent = [dict(call.headers)["Authorization"] for call in function.world.calls if call.url.endswith("/token")]
    assert 2 == len(set(sent))
    assert sent[-1] != sent[0]


def test_a_bug_is_an_error_whose_text_tells_nothing():
    function = Function()

    def broken():
        raise KeyError("canary")

    function.function = AgentFunction(broken, write=function.lines.append)
    with pytest.raises(Trouble, match="no answer could be made"):
        function("/login/start", {})
    assert "KeyError" in function.log
    assert "canary" not in function.log


@pytest.mark.parametrize(("length", "told"), [(100, 0), (8000, 1)])
def test_an_answer_that_api_gateway_would_not_pass_on_is_told_to_the_log(length, told):
    function = Function(PHANTOMGATE__AGENT__SCOPE="read")
    function.world.answers["/token"] = as_json({"access_token": "x" * length, "token_type": "Bearer"})
    start = function("/login/start", {})
    state = json.loads(start.body)["authorizationRequestUrl"].partition("state=")[2].partition("&")[0]
    cookie = start.cookies[0].partition(";")[0]

    assert 200 == function("/login/end", {"pageUrl": f"{APP}/?code=c&state={state}"}, cookie=cookie).status
    assert told == function.log.count("API Gateway passes on 10240")


def test_nobody_is_waited_for_longer_than_the_invocation_lasts():
    class Context:
        def get_remaining_time_in_millis(self):
            return 400

    function = Function()
    answer = event_of(
        AgentRequest("POST", "/oauth-agent/login/start", Headers.of([("origin", APP)]), b""), Form.COOKIES
    )
    said = reply_of(function.function.answer(answer, Context()), Form.COOKIES)

    assert (502, []) == (said.status, function.world.calls)
    assert "less than 0.5 s left" in function.log


def test_a_context_that_can_not_be_read_is_no_answer_and_its_words_are_nobodys():
    class Context:
        def get_remaining_time_in_millis(self):
            raise RuntimeError("canary-of-the-context")

    function = Function()
    with pytest.raises(Trouble, match="no answer could be made") as no:
        function.function.answer({}, Context())

    assert "canary" not in f"{no.value}{function.log}"


def test_the_state_may_be_in_redis():
    with servers() as make:
        shared = {
            "PHANTOMGATE__AGENT__STATE": "redis",
            "PHANTOMGATE__AGENT__SCOPE": "read",
            "PHANTOMGATE__REDIS__NODES": f"127.0.0.1:{make().port}",
            "PHANTOMGATE__REDIS__SECRET": "env:SHARED",
            "SHARED": "a secret that machines share: 32 of it",
        }
        one, other = Function(**shared), Function(**shared)
        one.world.answers["/token"] = as_json({"access_token": "access", "token_type": "Bearer"})
        start = one("/login/start", {})
        state = json.loads(start.body)["authorizationRequestUrl"].partition("state=")[2].partition("&")[0]
        end = ("/login/end", {"pageUrl": f"{APP}/?code=c&state={state}"})
        cookie = start.cookies[0].partition(";")[0]

        assert 200 == one(*end, cookie=cookie).status, one.log
        assert 400 == other(*end, cookie=cookie).status
        assert "this login was answered before" in other.log
        for function in (one, other):
            finish(function.function._wired.close())


def names_in_the_store(**more):
    """What an agent calls, in DynamoDB, what all agents call the same: a session that the provider numbers, say."""
    environ, world, clock = {**ENVIRON, **more}, World(), FakeClock()
    settings = load_agent(environ).settings
    ends = back_ends(settings, "blocking", clock.ticks, world)
    found = Renewed("", "", "", Person(b"", 0.0))

    async def nothing():
        return found

    state = state_of(settings, ends, "blocking", environ, clock.now, clock.ticks, os.urandom)
    finish(state.ended.put(b"k" * 32, b"", 9.0))
    finish(state.used.first(b"k" * 32, 9.0))
    finish(state.answers.get(b"k" * 32))
    finish(state.once(b"k" * 32, nothing))
    said = [json.loads(call.body) for call in world.calls]
    return [one.get("Item", one.get("Key"))["key"]["B"] for one in said]


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ({}, True),
        ({"SESSION_KEY": KEY[::-1]}, True),  # a key that rotates
        ({"PHANTOMGATE__AGENT__ISSUER": "https://other.example"}, False),
        ({"PHANTOMGATE__AGENT__CLIENT_ID": "another"}, False),
    ],
)
def test_what_one_agent_remembers_is_nothing_to_another_in_the_same_table(more, same):
    """Two providers may number their users and logout tokens alike; two processes of one agent must agree."""
    ours, theirs = names_in_the_store(), names_in_the_store(**more)

    assert 5 == len(ours)
    assert [same] * 5 == [one == other for one, other in zip(ours, theirs, strict=True)]


def test_a_cold_function_that_gets_no_keys_shows_no_refresh_token():
    """Else its ID token couldn't be verified, and by then the provider has taken the refresh token back."""
    function = Function()
    function("/login/start", {})
    jar = function.function._wired.agent.jar
    session = Session(Person(bytes(SESSION_ID_BYTES), function.clock.now(), "ann"), "csrf-token", "access", "refresh")
    cookie = "; ".join(one.partition(";")[0] for one in jar.keep(session, Brought()))
    function.world.answers["/jwks"] = reply(500)
    fields = {jar.names.csrf_header: "csrf-token"}

    assert 502 == function("/refresh", None, cookie=cookie, **fields).status
    assert [] == [call for call in function.world.calls if call.url.endswith("/token")]
    function.world.answers["/jwks"] = as_json({"keys": [SIGNING.jwk]})
    function.clock.advance(60)
    assert 401 == function("/refresh", None, cookie=cookie, **fields).status  # by the provider's own word
