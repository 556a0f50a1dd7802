"""A session that is over at the agent is over at every gateway at once, whatever is remembered of it there."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack

import pytest

import phantomgate
from agent.page import Page, at_the_development_server
from agent.serving import served
from agent.test_end_to_end import APP, ENVIRON, TOML
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client as Registered
from ports import free_port
from redis_servers import servers
from servers.process import SECRET, serving, settings

TIMES = 12
"""Requests, each on a connection of its own: enough that each of two workers gets some."""


@pytest.fixture
def agent_at():
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def server(agent_at):
    scopes = frozenset({"openid", "profile", "read"})
    told = f"http://{agent_at}/oauth-agent/backchannel-logout"
    spa = Registered("spa", "spa-secret", scopes, (f"{APP}/",), backchannel_logout_uri=told)
    server = DevelopmentServer([spa, Registered("gateway", SECRET, introspects=True)])
    with server.running_in_thread():
        yield server


def gateway(server, more=""):
    agent = TOML.format(app=APP, issuer=server.issuer, timeout="5s")
    return settings(f"{server.issuer}/introspect", workers=2) + agent + more


def statuses(service, page):
    """What the gateway says of the session's cookies, several times."""
    cookies = "; ".join(f"{name}={value}" for (_, path, name), value in page.cookies().items() if path == "/")
    found = set()
    for _ in range(TIMES):
        connection = service.connect()
        connection.request("GET", "/decide/orders", headers={"Cookie": cookies, "Origin": APP})
        found.add(connection.getresponse().status)
        connection.close()
    return found


class Copy:
    """The cookies that a page had."""

    def __init__(self, page):
        self.kept = dict(page.cookies())

    def cookies(self):
        return self.kept


@pytest.mark.parametrize("how", ["the authorization server says so", "the user logs out"])
def test_a_session_that_ends_is_refused_by_every_worker_whatever_it_remembers(server, agent_at, tmp_path, how):
    with serving(tmp_path, gateway(server, f'listen = "{agent_at}"\n'), also=ENVIRON) as service:
        service.until_ready()
        page, other = (Page(f"http://{agent_at}", APP) for _ in range(2))
        other.log_in(at_the_development_server)
        page.log_in(at_the_development_server)
        copies = Copy(page), Copy(other)
        assert [{200}, {200}] == [statuses(service, copy) for copy in copies]

        if how == "the user logs out":
            assert 200 == page.ask("POST", "/logout").status
        else:
            sid = list(server._sessions._logins)[-1]
            asyncio.run(server.log_out(sid))

        assert {401} == statuses(service, copies[0])  # the answer came after every worker had confirmed
        assert {200} == statuses(service, copies[1]) or how != "the user logs out"
        (said,) = service.lines("purged")[:1]
        assert ("agent", True) == (said["how"], said["everywhere"])
        _, _, status = service.get("/status", listener="manage")
        assert "agent" in {one["how"] for one in json.loads(status)["purges"]}
        assert 2 <= service.metrics()['phantomgate_authorization_server_calls_total{issuer="agent",result="answered"}']
        assert 0 == service.end()


@pytest.mark.parametrize("mounted", [False, True], ids=["served", "mounted"])
def test_gateways_of_other_machines_hear_of_it_within_a_second(server, agent_at, tmp_path, mounted):
    environ = ENVIRON | {"SHARED": "x" * 40}
    with servers() as make, ExitStack() as stack:
        shared = f'[redis]\nnodes = ["127.0.0.1:{make().port}"]\nsecret = "env:SHARED"\ntimeout = "1s"\n'
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        alone = gateway(server, shared)
        there = stack.enter_context(serving(tmp_path / "two", alone, also=environ)).until_ready()
        if mounted:
            (tmp_path / "agent.toml").write_text(alone)
            app = phantomgate.agent_app(tmp_path / "agent.toml", environ=environ | {"GATEWAY_SECRET": SECRET})
            page = Page(stack.enter_context(served(app)), APP)
        else:
            here = gateway(server, f'listen = "{agent_at}"\n{shared}')
            stack.enter_context(serving(tmp_path / "one", here, also=environ)).until_ready()
            page = Page(f"http://{agent_at}", APP)
        page.log_in(at_the_development_server)
        copy = Copy(page)
        assert {200} == statuses(there, copy)

        assert 200 == page.ask("POST", "/logout").status
        began = time.monotonic()
        while {401} != statuses(there, copy):
            assert time.monotonic() - began < 30.0  # a quarter of a second, on a machine that is not busy
