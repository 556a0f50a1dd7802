"""The agent served twice over one Redis: the same browser, whichever it reaches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import phantomgate
from agent.page import Page, at_the_development_server
from agent.serving import served
from agent.test_end_to_end import APP, ENVIRON, TOML
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from redis_servers import servers

SECRET = "a secret that machines share: 32 of it"


class Stage:
    """The development server, a Redis, and two agents on it."""

    def __init__(self, folder, ends):
        scopes = frozenset({"openid", "profile", "read"})
        client = Client("spa", "spa-secret", scopes, (f"{APP}/",), post_logout_redirect_uris=(f"{APP}/bye",))
        self.server = DevelopmentServer([client])
        issuer = ends.enter_context(self.server.running_in_thread())
        self.redis = ends.enter_context(servers())()
        file = folder / "phantomgate.toml"
        shared = f'[redis]\nnodes = ["127.0.0.1:{self.redis.port}"]\nsecret = "env:SHARED"\n'
        file.write_text(TOML.format(app=APP, issuer=issuer, timeout="5s") + 'state = "redis"\n' + shared)
        environ = {**ENVIRON, "SHARED": SECRET, "WEB_CONCURRENCY": "2"}
        self.agents = [
            ends.enter_context(served(phantomgate.agent_app(file, environ=environ))).partition("://")[2]
            for _ in range(2)
        ]

    def page(self):
        return Page(f"http://{self.agents[0]}", APP)

    def at_the_other(self, page):
        """The same browser, which reaches the other agent: cookies are for the name that both have."""
        tab = page.tab()
        tab.agent = f"http://{self.agents[1]}"
        tab.client.cookies = {(self.agents[1], *key[1:]): value for key, value in tab.client.cookies.items()}
        return tab


@pytest.fixture
def stage(tmp_path):
    with ExitStack() as ends:
        yield Stage(tmp_path, ends)


def test_twenty_tabs_over_both_are_one_refresh_and_a_logout_at_one_holds_at_the_other(stage):
    page = stage.page()
    url = at_the_development_server(page.client, page.start())
    assert 200 == stage.at_the_other(page).end(url).status  # begun at one, ended at the other
    assert 400 == page.end(url).status  # once
    page = stage.page()
    page.log_in(at_the_development_server)
    tabs = [page.tab() if number % 2 else stage.at_the_other(page) for number in range(20)]
    before = stage.server.token_requests

    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(lambda tab: tab.ask("POST", "/refresh"), tabs))
    assert [204] * 20 == [one.status for one in replies]
    assert 1 == stage.server.token_requests - before

    other = stage.at_the_other(tabs[1])
    assert 200 == other.ask("GET", "/claims").status
    assert 200 == tabs[1].ask("POST", "/logout").status
    assert 401 == other.ask("GET", "/claims").status


def test_without_the_store_nothing_is_done_nobody_is_logged_out_and_it_goes_on_when_it_is_back(stage):
    page = stage.page()
    page.log_in(at_the_development_server)
    kinds = page.kinds()
    before = stage.server.token_requests
    stage.redis.freeze()
    assert 502 == page.ask("POST", "/refresh").status
    assert (before, kinds) == (stage.server.token_requests, page.kinds())
    stage.redis.thaw()

    assert 204 == page.ask("POST", "/refresh").status
