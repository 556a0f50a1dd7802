"""The demo's second story: what the order desk is made of, and that the story notices when it isn't true."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from demo.conftest import ask
from phantomgate.demo import session_story, story
from phantomgate.demo.browser import Browser
from phantomgate.demo.order_desk import SERVED
from phantomgate.demo.run import running
from phantomgate.demo.serving import in_thread, listening, serving
from phantomgate.demo.truth import Untrue

SPA = Path(__file__).parents[2] / "examples" / "spa"


@pytest.fixture
def demo():
    with in_thread(partial(running, 0, write=lambda line: None)) as value:
        yield value


def here(demo, path, **more):
    """An answer of the app's origin, asked by the name that it has."""
    return ask(demo.app_url + path, **more)


def test_every_file_of_the_page_is_served_with_its_policy_and_nothing_else_is(demo):
    for name in SERVED:
        answer = here(demo, "/" if name == "index.html" else f"/{name}")
        assert (200, (SPA / name).read_bytes()) == (answer.status, answer.body)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "nosniff" == answer.headers["x-content-type-options"]
    assert {404} == {here(demo, path).status for path in ("/README.md", "/spa.conf", "/index.html", "/../run.py")}
    assert {*SERVED, "README.md", "spa.conf"} == {file.name for file in SPA.iterdir()}


def test_the_page_needs_no_other_file_no_other_host_and_nothing_inline():
    wanted = set(re.findall(r'(?:src|href)="([^"#]+)"', (SPA / "index.html").read_text()))
    for name in SERVED:
        text = (SPA / name).read_text()
        wanted |= set(re.findall(r'from "\./([^"]+)"', text)) if name.endswith(".js") else set()
        assert not re.search(r"(?<!xmlns=\")https?://", text), name
        assert not re.search(r"<style|<script(?! type=\"module\" src=)| style=| on[a-z]+=", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|localStorage\.set", text), (
            name
        )
    assert wanted == {*SERVED} - {"index.html"}


def test_by_another_name_of_this_machine_one_is_sent_to_the_origin_of_the_app(demo):
    port = demo.app_url.rpartition(":")[2]
    answer = ask(f"http://127.0.0.1:{port}/")
    assert (307, demo.app_url + "/") == (answer.status, answer.headers["location"])
    assert 400 == ask(f"http://127.0.0.1:{port}/", Host="evil.example").status


def test_agent_and_gateway_refuse_strangers_in_their_own_words(demo):
    assert (401, "missing_credential") == ((no := here(demo, "/api/orders")).status, no.json["error"])
    no = here(demo, "/oauth-agent/login/start", body=b"{}", Content_Type="application/json")
    assert (401, "unauthorized_request") == (no.status, no.json["code"])
    no = here(demo, "/oauth-agent/refresh", body=b"", Origin=demo.app_url)
    assert (401, "unauthorized_request") == (no.status, no.json["code"])
    assert 404 == here(demo, "/oauth-agent/else").status


def play(demo, *steps):
    """What is untrue about these steps."""
    chosen = [(name, told) for name, told in session_story.SESSION_STORY if told in steps]
    return asyncio.run(story.play(demo, lambda label, text: None, chosen))


def test_the_story_comes_true(demo):
    assert [] == asyncio.run(story.play(demo, lambda label, text: None, session_story.SESSION_STORY))


def test_the_story_fails_when_there_is_nobody_to_log_in_at(demo):
    demo.server.down = True
    (untrue,) = play(demo, session_story._log_in)
    assert "wanted an address to log in at, got 502" in untrue


def test_the_story_fails_when_the_server_gives_no_new_tokens(demo):
    async def no_tokens(telling):
        demo.server.token_status = 503

    steps = [*session_story.SESSION_STORY[:1], ("Trouble", no_tokens), session_story.SESSION_STORY[5]]
    (untrue,) = asyncio.run(story.play(demo, lambda label, text: None, steps))
    assert "wanted 204, 5 times, got [502, 502, 502, 502, 502]" in untrue


def test_without_a_login_nothing_of_the_story_comes_true(demo):
    rest = [told for _, told in session_story.SESSION_STORY[1:]]
    assert len(rest) == len(play(demo, *rest))


@pytest.mark.parametrize(
    ("body", "cookie", "complaint"),
    [
        ('{"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln"}', "", "no token in what a page sees"),
        ('{"at": "sealed-value"}', "", "no token in what a page sees"),
        ("{}", "at=1; Secure; Path=/", "cookies that no script can read"),
        ("{}", "at=1; HttpOnly; Path=/", "cookies that no script can read"),
    ],
)
def test_what_a_page_must_not_see_is_noticed(body, cookie, complaint):
    async def give(_):
        headers = {"Set-Cookie": cookie} if cookie else {}
        return web.Response(text=body, content_type="application/json", headers=headers)

    async def visit():
        app = web.Application()
        app.router.add_get("/", give)
        async with serving(app, listening()) as origin, ClientSession() as http:
            await Browser(http, origin, {"at": ("sealed-value", "/")}).ask("GET", "/")

    with pytest.raises(Untrue, match=complaint):
        asyncio.run(visit())


def test_the_browser_obeys_paths_and_deletion():
    seen = []
    answers = iter(["id=two; Path=/agent; HttpOnly; Secure", "id=; Max-Age=0; Path=/agent; HttpOnly; Secure", ""])

    async def give(request):
        seen.append((request.path, request.headers["Cookie"]))
        cookie = next(answers)
        return web.Response(headers={"Set-Cookie": cookie} if cookie else {})

    async def visit():
        app = web.Application()
        app.router.add_get("/{path:.*}", give)
        async with serving(app, listening()) as origin, ClientSession() as http:
            browser = Browser(http, origin)
            for path in ("/", "/agent/x", "/agent/x"):
                await browser.ask("GET", path)

    asyncio.run(visit())
    assert [("/", ""), ("/agent/x", "id=two"), ("/agent/x", "")] == seen
