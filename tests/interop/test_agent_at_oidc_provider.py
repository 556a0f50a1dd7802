"""The OAuth agent at oidc-provider: logged in, refreshed by twenty tabs with rotation, logged out, by plain HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

import phantomgate
from agent.page import Client, Page
from agent.serving import served
from interop.authorization_server import AuthorizationServer
from interop.oidc_provider_server import oidc_provider
from ports import free_port

pytestmark = pytest.mark.interop

APP = "http://127.0.0.1:9998"
KEY = "1f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0"


@pytest.fixture(scope="module")
def place() -> str:
    """Where the agent will be, which the provider must know before."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, place: str) -> Iterator[AuthorizationServer]:
    """With our client."""
    spa = {
        "client_id": "spa",
        "client_secret": "spa-secret",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [f"{APP}/"],
        "post_logout_redirect_uris": [f"{APP}/bye"],
        "application_type": "native",  # for http on loopback
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid offline_access read",
        "backchannel_logout_uri": f"http://{place}/oauth-agent/backchannel-logout",
        "backchannel_logout_session_required": True,
    }
    with oidc_provider(tmp_path_factory.mktemp("oidc"), clients=[spa]) as server:
        yield server


@pytest.fixture(scope="module")
def agent(provider: AuthorizationServer, place: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An agent that found out everything by itself."""
    file = tmp_path_factory.mktemp("agent") / "phantomgate.toml"
    file.write_text(f"""
[session]
keys = ["env:KEY"]
trusted_web_origins = ["{APP}"]

[agent]
issuer = "{provider.issuer}"
client_id = "spa"
client_secret = "env:SPA_SECRET"
redirect_uri = "{APP}/"
post_logout_redirect_uri = "{APP}/bye"
scope = ["openid", "offline_access", "read"]
extra_params = ["prompt"]
""")
    app = phantomgate.agent_app(file, environ={"KEY": KEY, "SPA_SECRET": "spa-secret"})
    with served(app, int(place.rpartition(":")[2])) as url:
        yield url


@pytest.fixture
def page(agent: str) -> Page:
    """A page in a browser of its own."""
    return Page(agent, APP)


def person(client: Client, url: str) -> str:
    """Logs in and agrees; the address to come back with."""
    at = client.follow(client.call("GET", url), url, APP)
    for form in ({"prompt": "login", "login": "ann", "password": "any"}, {"prompt": "consent"}):
        assert "/interaction/" in at, at
        answer = client.post_form(at, form)
        at = client.follow(answer, at, APP)
    return at


CONSENT = [{"key": "prompt", "value": "consent"}]


def test_a_session_from_login_to_logout(page: Page, provider: AuthorizationServer) -> None:
    url = page.start(extraParams=CONSENT)
    assert {"client_id", "request_uri"} == {pair.partition("=")[0] for pair in urlsplit(url).query.split("&")}  # PAR
    back = person(page.client, url)
    assert f"iss={provider.issuer.replace(':', '%3A').replace('/', '%2F')}" in back  # RFC 9207
    assert page.end(back).json["isLoggedIn"]
    assert {"at", "csrf", "auth", "id"} == page.kinds()
    assert "ann" == page.ask("GET", "/userInfo").json["sub"]
    claims = page.ask("GET", "/claims").json
    assert ("ann", "spa", provider.issuer) == (claims["sub"], claims["aud"], claims["iss"])
    assert 204 == page.ask("POST", "/refresh").status
    answer = page.ask("POST", "/logout")
    assert answer.json["url"].startswith(f"{provider.issuer}/session/end?")
    assert set() == page.kinds()


def test_an_answer_is_good_once_and_in_one_browser(page: Page, agent: str) -> None:
    back = person(page.client, page.start(extraParams=CONSENT))
    stranger = Page(agent, APP)
    stranger.start()

    assert 400 == stranger.end(back).status
    assert 200 == page.end(back).status
    assert 400 == page.tab().end(back).status


def test_twenty_tabs_refresh_at_once_and_all_stay_logged_in(page: Page) -> None:
    page.log_in(person, extraParams=CONSENT)
    tabs = [page.tab() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert [204] * 20 == [one.status for one in pool.map(lambda tab: tab.ask("POST", "/refresh"), tabs)]

    assert 204 == page.ask("POST", "/refresh").status  # late, with the cookies of before
    for tab in (page, tabs[7]):  # a second use at the provider would have ended everything
        assert 204 == tab.ask("POST", "/refresh").status
        assert "ann" == tab.ask("GET", "/userInfo").json["sub"]


def test_a_refusal_by_the_person_is_told_and_no_circle(page: Page) -> None:
    url = page.start(extraParams=CONSENT)
    at = page.client.follow(page.client.call("GET", url), url, APP)
    html = page.client.call("GET", at).body.decode()
    abort = re.search(r'href="([^"]*abort)"', html)
    assert abort, html
    where = abort[1] if "://" in abort[1] else f"http://{urlsplit(at).netloc}{abort[1]}"
    back = page.client.follow(page.client.call("GET", where), where, APP)
    answer = page.end(back)

    assert (400, "access_denied") == (answer.status, answer.json["code"])
    assert 400 == page.end(back).status


def test_a_logout_at_the_provider_is_heard_by_the_back_channel(page: Page, provider: AuthorizationServer) -> None:
    page.log_in(person, extraParams=CONSENT)
    other = page.tab()
    end = f"{provider.issuer}/session/end"
    html = page.client.call("GET", f"{end}?client_id=spa").body.decode()
    xsrf = re.search(r'name="xsrf" value="([^"]+)"', html)
    assert xsrf, html
    answer = page.client.post_form(f"{end}/confirm", {"xsrf": xsrf[1], "logout": "yes"})
    assert answer.status in (200, 303), answer.body
    deadline = time.monotonic() + 120
    while (said := other.tab().ask("GET", "/claims")).status == 200 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert (401, "session_expired") == (said.status, said.json["code"])
