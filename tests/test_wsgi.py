"""The WSGI middleware, called as a server calls it."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from apps import CORS, METADATA, RESOURCE, Answer, Behind, deciding, settings
from phantomgate.config.settings import RouteRule, Settings
from phantomgate.core.errors import Refused, SettingsError
from phantomgate.core.model import Answer as Decided
from phantomgate.wsgi import PhantomGate
from tokens import jwt

READ = RouteRule("/**", scopes=("read",))
FILE = """
[introspection]
endpoint = "https://as.example/i"
client_id = "gateway"
client_secret = "env:SECRET"
"""


@pytest.fixture
def behind(clock):
    return Behind(clock, "blocking")


class Body(list):
    closed = False

    def close(self):
        self.closed = True


class App:
    """An application that remembers how it was called."""

    def __init__(self):
        self.environs = []
        self.body = Body([b"of the application"])

    def __call__(self, environ, start_response):
        self.environs.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.body


def gate(app, behind, *routes, root_path="", **more):
    return PhantomGate(app, settings(*(routes or (READ,)), **more), root_path=root_path, wire=behind)


def ask(app, path="/orders", *, token="good", method="GET", **more) -> Answer:
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "HTTP_HOST": "api.example",
        "REMOTE_ADDR": "192.0.2.1", "wsgi.input": io.BytesIO(), **more,
    }  # fmt: skip
    if token:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    began = []
    body = app(environ, lambda status, fields, error=None: began.append((int(status.split()[0]), fields)))
    [(status, fields)] = began
    return Answer(status, fields, b"".join(body))


def refused(answer: Answer) -> tuple[int, str]:
    assert answer.all("content-type") == ["application/json"]
    assert answer.all("content-length") == [str(len(answer.body))]
    return answer.status, json.loads(answer.body)["error"]


def test_the_application_gets_the_jwt_and_who_calls_and_its_answer_is_its_own(behind):
    app = App()
    middleware = gate(app, behind)

    assert b"of the application" == ask(middleware, HTTP_X_USER="eve").body
    [environ] = app.environs
    assert f"Bearer {jwt({'scope': 'read write'})}" == environ["HTTP_AUTHORIZATION"]
    assert ("ann", "ann") == (environ["HTTP_X_USER"], environ["phantomgate.caller"].subject)
    assert app.body is middleware({**environ, "HTTP_AUTHORIZATION": "Bearer good"}, lambda *args: None)


REFUSALS = [
    ({"token": ""}, 401, "missing_credential"),
    ({"token": "unknown"}, 401, "invalid_token"),
    ({"token": "good, Bearer good"}, 400, "invalid_request"),
    ({"token": "", "HTTP_AUTHORIZATION": "Basic eDp5,Bearer good"}, 400, "invalid_request"),
    ({"HTTP_authorization": "Bearer good"}, 400, "invalid_request"),
    ({"token": "down"}, 503, "temporarily_unavailable"),
    ({"token": "odd"}, 502, "bad_gateway"),
    ({"path": "/a/b", "REQUEST_URI": "/a%2Fb"}, 400, "invalid_request"),
    ({"path": "/admin", "SCRIPT_NAME": "/public"}, 400, "invalid_request"),
]


@pytest.mark.parametrize(("options", "status", "error"), REFUSALS)
def test_a_refusal_is_the_contracts_and_the_application_is_not_called(behind, options, status, error):
    app = App()

    answer = ask(gate(app, behind, resource=RESOURCE), **options)

    assert (status, error) == refused(answer)
    assert [] == app.environs
    assert (["7"] if status == 503 else []) == answer.all("retry-after")
    assert [f'resource_metadata="{METADATA}"' in one for one in answer.all("www-authenticate")] == [True] * (
        status < 402
    )


def test_a_refused_head_has_no_body(behind):
    assert (401, b"") == ((answer := ask(gate(App(), behind), token="", method="HEAD")).status, answer.body)


@pytest.mark.parametrize(
    "broken", [{"PATH_INFO": None}, {"HTTP_X": 1}, {"PATH_INFO": "/\u1234"}, {"SCRIPT_NAME": 1}], ids=str
)
def test_an_environ_that_cannot_be_read_is_a_refusal(behind, broken):
    app = App()

    assert (500, "server_error") == refused(ask(gate(app, behind), **broken))
    assert [] == app.environs


@pytest.mark.parametrize("part", ["match", "find", "resolver", "policies", "forward", "observe"])
def test_whatever_part_is_broken_the_application_is_not_called(behind, part):
    def breaking(settings):
        made = behind(settings)
        return replace(made, gateway=replace(made.gateway, **{part: None}))

    app = App()

    assert (500, "server_error") == refused(ask(PhantomGate(app, settings(READ), wire=breaking)))
    assert [] == app.environs


def test_settings_with_problems_are_said_before_anything_is_served():
    with pytest.raises(SettingsError, match="client_id"):
        PhantomGate(App(), Settings())


def test_settings_are_a_file_too(behind, tmp_path):
    file = tmp_path / "phantomgate.toml"
    file.write_text(
        '[introspection]\nendpoint = "https://as.example/i"\nclient_id = "g"\nclient_secret = "env:SECRET"\n'
    )

    assert [200, 200] == [ask(PhantomGate(App(), source, wire=behind)).status for source in (file, str(file))]


def test_metadata_is_for_everybody(behind):
    app = App()

    answer = ask(gate(app, behind, resource=RESOURCE), "/.well-known/oauth-protected-resource/mcp", token="")

    assert (200, "https://api.example/mcp") == (answer.status, json.loads(answer.body)["resource"])
    assert [] == app.environs


def test_the_application_asks_for_more_by_itself(behind):
    app = App()
    ask(gate(app, behind))

    with pytest.raises(Refused):
        app.environs[0]["phantomgate.caller"].require("admin")


def test_threads_share_a_gateway_and_nothing_of_each_others(behind):
    """As many as a server has: each request is answered for its own token, and each token is asked about once."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [f"{environ['phantomgate.caller'].subject} {environ['HTTP_X_USER']}".encode()]

    middleware = gate(app, behind, RouteRule("/**"))
    names = [f"n{number % 40}" for number in range(4000)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda name: ask(middleware, token=f"t-{name}").body.decode(), names))

    assert [f"{name} {name}" for name in names] == answers
    assert 40 == len(behind.http.calls)


def test_a_preflight_is_answered_and_the_application_never_hears_of_it(behind):
    app = App()
    middleware = PhantomGate(app, settings(READ), wire=deciding(behind, lambda decision: Decided(204, CORS)))

    answer = ask(middleware, method="OPTIONS", token="")

    assert (204, b"") == (answer.status, answer.body)
    assert ["https://www.example"] == answer.all("access-control-allow-origin")
    assert [] == app.environs


@pytest.mark.parametrize("left", [b"", b"theme=dark"])
def test_cookies_and_cors_are_ours_where_there_are_sessions(behind, left):
    def change(decision):
        decision.client = CORS
        decision.upstream = replace(decision.upstream, cookies=lambda headers: left)
        return decision

    def app(environ, start_response):
        start_response("200 OK", [("access-control-allow-origin", "*"), ("X-Other", environ.get("HTTP_COOKIE", ""))])
        return []

    answer = ask(PhantomGate(app, settings(READ), wire=deciding(behind, change)), HTTP_COOKIE="app-at=sealed")

    assert [("X-Other", left.decode()), *CORS] == answer.headers
