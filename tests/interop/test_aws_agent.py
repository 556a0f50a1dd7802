"""The OAuth agent as a Lambda function: its state in DynamoDB as moto has it, under the real client, and behind an
emulated API Gateway with a browser's cookies.

What the emulator proves, and what not, says `serverless_offline.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipFile

import pytest

from agent.events import event_of, reply_of
from agent.page import Page, at_the_development_server
from agent_state import assert_remembers
from interop.aws.moto_server import boto, moto_server
from interop.aws.runtime_api import function
from interop.needs import needs
from interop.serverless_offline import serverless_offline
from phantomgate.adapters.aws_agent import Form
from phantomgate.agent.model import AgentRequest
from phantomgate.backends.aws_api import place_of
from phantomgate.backends.blocking import finish
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.backends.dynamodb import DynamoDbState
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.cli.main import main
from phantomgate.config.agent_function import load_agent
from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.function import Function
from phantomgate.core.model import Headers
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.servers.agent_function import AgentFunction
from sealed import KEY

pytestmark = pytest.mark.interop
APP = "https://app.example"
TABLE = """
client('dynamodb').create_table(
    TableName='sessions', BillingMode='PAY_PER_REQUEST',
    KeySchema=[{'AttributeName': 'key', 'KeyType': 'HASH'}],
    AttributeDefinitions=[{'AttributeName': 'key', 'AttributeType': 'B'}],
)
"""


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """Variables of a function that may use the table."""
    needs("awslambdaric and moto")
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as environ:
        boto(environ, TABLE)
        yield environ


@pytest.fixture(scope="module")
def server():
    scopes = frozenset({"openid", "profile", "read"})
    spa = Client("spa", "spa-secret", scopes, (f"{APP}/",), post_logout_redirect_uris=(f"{APP}/bye",))
    server = DevelopmentServer([spa])
    with server.running_in_thread():
        yield server


@pytest.fixture
def environ(moto, server):
    return {
        **moto,
        "PHANTOMGATE__AGENT__ISSUER": server.issuer,
        "PHANTOMGATE__AGENT__CLIENT_ID": "spa",
        "PHANTOMGATE__AGENT__CLIENT_SECRET": "env:SPA_SECRET",
        "PHANTOMGATE__AGENT__REDIRECT_URI": f"{APP}/",
        "PHANTOMGATE__AGENT__ALGORITHMS": "ES256",
        "PHANTOMGATE__AGENT__SCOPE": "openid,profile,read",
        "PHANTOMGATE__AGENT__STATE": "dynamodb:sessions",
        "PHANTOMGATE__SESSION__KEYS": "env:SESSION_KEY",
        "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS": APP,
        "SPA_SECRET": "spa-secret",
        "SESSION_KEY": KEY,
    }


@pytest.mark.parametrize("blocks", [True, False], ids=["blocking", "loop"])
def test_a_table_remembers_for_several_processes(moto, blocks):
    boto(moto, "client('dynamodb').delete_table(TableName='sessions')" + TABLE)
    place = place_of("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", moto["AWS_REGION"], moto, "1.0")

    def state(http):
        return DynamoDbState(http, place, "sessions", now=time.time, random=os.urandom)

    if blocks:
        assert_remembers(finish, state(BlockingHttp()), state(BlockingHttp()), time.sleep)
        return
    with asyncio.Runner() as runner:
        https = [AiohttpHttp(), AiohttpHttp()]
        assert_remembers(runner.run, *map(state, https), time.sleep)
        for http in https:
            runner.run(http.close())


def test_a_table_that_is_not_there_is_named_by_check(environ):
    function: Function = load_agent({**environ, "PHANTOMGATE__AGENT__STATE": "dynamodb:elsewhere"})
    wired = wire_agent(function.settings, "blocking", environ=function.environ)

    assert "DynamoDB (elsewhere): 400 ResourceNotFoundException" in finish(wired.probe.ask()).detail
    finish(wired.close())
    there = load_agent(environ)
    wired = wire_agent(there.settings, "blocking", environ=environ)
    assert finish(wired.probe.ask()) is None
    finish(wired.close())


class Fleet:
    """A browser's page whose requests are taken by *functions* in turn, as Lambda spreads them."""

    def __init__(self, environ, count):
        self.functions = [AgentFunction(lambda: environ) for _ in range(count)]

    def ask(self, number, method, path, cookies, said=None, **fields):
        pairs = {"origin": APP, "content-type": "application/json", **fields}
        if cookies:
            pairs["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        body = b"" if said is None else json.dumps(said).encode()
        request = AgentRequest(method, f"/oauth-agent{path}", Headers.of(list(pairs.items())), body)
        return reply_of(self.functions[number].answer(event_of(request, Form.COOKIES)), Form.COOKIES)

    def close(self):
        for one in self.functions:
            finish(one._wired.close())

    @staticmethod
    def kept(answer, cookies):
        set_by = (cookie.partition(";")[0].partition("=") for cookie in answer.cookies)
        return {**cookies, **{name: value for name, _, value in set_by}}


def test_tabs_that_many_functions_answer_at_once_are_one_refresh(environ, server):
    fleet = Fleet(environ, 6)
    start = fleet.ask(0, "POST", "/login/start", {}, {})
    cookies = fleet.kept(start, {})
    person = Page("", APP).client
    url = at_the_development_server(person, json.loads(start.body)["authorizationRequestUrl"])
    end = fleet.ask(1, "POST", "/login/end", cookies, {"pageUrl": url})
    assert 200 == end.status, end
    assert 400 == fleet.ask(2, "POST", "/login/end", cookies, {"pageUrl": url}).status
    csrf = {"x-session-csrf": json.loads(end.body)["csrf"]}
    cookies = {name: value for name, value in fleet.kept(end, cookies).items() if value}
    before = server.token_requests

    with ThreadPoolExecutor(6) as threads:
        asking = [threads.submit(fleet.ask, number, "POST", "/refresh", cookies, **csrf) for number in range(6)]
    replies = [one.result() for one in asking]
    assert [204] * 6 == [one.status for one in replies]
    assert 1 == server.token_requests - before

    newest = {**cookies, **{name: value for name, value in fleet.kept(replies[0], cookies).items() if value}}
    assert 200 == fleet.ask(3, "POST", "/logout", newest, **csrf).status
    assert [401] * 6 == [fleet.ask(number, "POST", "/refresh", newest, **csrf).status for number in range(6)]
    fleet.close()


def test_the_zip_of_the_agent_under_the_real_client(tmp_path, monkeypatch, environ):
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["package", "--agent", "--python", "3.11", "--ca", "none"], {})
    with ZipFile("phantomgate-agent.zip") as archive:
        archive.extractall()
        names = archive.namelist()
    assert "phantomgate/agent/agent.py" in names
    request = AgentRequest("POST", "/oauth-agent/login/start", Headers.of([("origin", APP)]), b"{}")
    event = event_of(request, Form.LISTS)
    event["multiValueHeaders"]["Content-Type"] = ["application/json"]
    no_state = {name: value for name, value in environ.items() if not name.endswith("STATE")}
    with function(tmp_path, {**environ, "PYTHONPATH": ""}, "index.handler") as api:
        started = api.invoke(event)
        unknown = api.invoke({"type": "TOKEN"})
    with function(tmp_path, {**no_state, "PYTHONPATH": ""}, "index.handler") as api:
        refused = api.invoke(event)

    assert not started.error, started.text
    assert 200 == started.value["statusCode"]
    assert 1 == len(started.value["multiValueHeaders"]["Set-Cookie"])
    assert (True, True) == (unknown.error, refused.error)
    assert "the settings of this function can't be used" in refused.value["errorMessage"]
    assert 'state = \\"dynamodb:TABLE\\"' in (tmp_path / "function.log").read_text()


SERVICE = """
service: agent
configValidationMode: error
plugins: [serverless-offline]
provider:
  name: aws
  runtime: python3.13
  region: eu-west-1 # where the table is
custom:
  serverless-offline: {noPrependStageInUrl: true, reloadHandler: false}
functions:
  agent:
    handler: agent.handler
    timeout: 29
    events:
      - %s
"""
HANDLER = """
from phantomgate.aws import agent

def handler(event, context):
    if "cookies" in event:  # AWS takes them out of the fields, the emulator leaves them there as well
        event["headers"].pop("cookie", None)
    return agent(event, context)
"""
EVENTS = {
    "REST": "http: {path: '/oauth-agent/{proxy+}', method: any}",
    "HTTP": "httpApi: {path: '/oauth-agent/{proxy+}', method: '*'}",
}


@pytest.mark.parametrize("kind", EVENTS)
def test_a_page_logs_in_and_out_through_an_emulated_api(tmp_path, environ, server, kind):
    (tmp_path / "serverless.yml").write_text(SERVICE % EVENTS[kind])
    (tmp_path / "agent.py").write_text(HANDLER)
    with serverless_offline(tmp_path, environ) as port:
        page = Page(f"http://127.0.0.1:{port}", APP)
        page.log_in(at_the_development_server)
        assert {"at", "csrf", "auth", "id"} == page.kinds()
        assert "ann" == page.ask("GET", "/claims").json["sub"]
        before = page.cookies()
        assert 204 == page.ask("POST", "/refresh").status
        assert before.keys() == page.cookies().keys()
        assert before != page.cookies()
        late = page.tab()
        assert 401 == Page(page.agent, "https://evil.example", late.client, late.csrf).ask("POST", "/refresh").status
        assert 200 == page.ask("POST", "/logout").status
        assert set() == page.kinds()
        assert 401 == late.ask("POST", "/refresh").status
    said = (tmp_path / "offline.log").read_text()
    assert [] == [one for one in ("spa-secret", KEY, page.csrf) if one in said]
