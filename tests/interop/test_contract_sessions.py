"""The contract's cases of `[session]`: cookies, CSRF and CORS through every gateway that has a binary."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BINARIES, gateway
from interop.phantomgate_server import ENVIRON, phantomgate
from interop.test_nginx_sessions import GOOD, ORIGIN, SETTINGS, arrived, authority, cookie, told
from sealed import KEY

__all__ = ["authority"]

pytestmark = pytest.mark.interop

CSRF = ("X-Example-CSRF", "csrf-token")
SESSIONS = [binary for binary in BINARIES if binary.name != "nginx, cached"]  # which refuses to be written for them


@pytest.fixture(scope="module")
def backs(authority, tmp_path_factory):
    """(echo API, how it is asked -> a phantomgate with sessions)."""
    with ExitStack() as stack:
        api, gates = stack.enter_context(echo_api.running()), {}

        def gate(source):
            if source not in gates:
                settings = SETTINGS.format(endpoint=authority.url, cors="true", host_prefix="true")
                environ = {**ENVIRON, "SESSION_KEY": KEY}
                folder = tmp_path_factory.mktemp("sessions")
                gates[source] = stack.enter_context(phantomgate(folder, settings, environ=environ, source=source))
            return gates[source]

        yield api, gate


@pytest.fixture(scope="module", params=SESSIONS, ids=lambda binary: binary.name)
def started(request, backs):
    """(each gateway in turn, the API, where it listens)."""
    api, gate = backs
    with gateway(request.param, gate(request.param.source).settings, api.port) as running:
        yield request.param, api, running.port


@pytest.fixture
def through(started):
    """The same, calm."""
    started[1].requests.clear()
    return started


@pytest.fixture
def record(contract, through):
    """Says what came of a case."""
    binary = through[0]
    return lambda case, outcome: contract.record(binary.name, binary.version(), case, outcome)


def readable(answer):
    """Whether a page of ours may read *answer*, and with which words that is said."""
    said = told(answer)
    assert said[:2] == [ORIGIN, "true"], said
    assert len(answer.all("access-control-allow-origin")) == 1
    return True


def test_a_get_of_a_session_becomes_a_jwt_and_its_cookies_go_no_further(through, record):
    _, api, port = through
    answer = ask(port, "/orders?x=1", cookie(GOOD), ("Origin", ORIGIN), CSRF)
    fields = arrived(api)
    assert (200, "alice", "theme=dark; lang=en") == (answer.status, fields["x-user"], fields["cookie"])
    assert fields["authorization"].startswith("Bearer ey")
    assert not api.contains("__Host-")
    assert "x-example-csrf" not in fields
    assert readable(answer)
    record("a session's GET", "200, other cookies stay, readable by the page")


def test_a_session_without_other_cookies_leaves_none(through):
    _, api, port = through
    name, value = cookie(GOOD)
    ours = "; ".join(part for part in value.split("; ") if part.startswith("__Host-"))
    assert 200 == ask(port, "/orders", (name, ours), ("Origin", ORIGIN)).status
    assert "" == arrived(api).get("cookie", "")


def test_a_post_needs_the_csrf_token_and_our_origin(through, record):
    _, api, port = through
    sent = [cookie(GOOD), ("Origin", ORIGIN)]
    refused = ask(port, "/orders", *sent, method="POST", body=b"x")
    strange = ask(port, "/orders", cookie(GOOD), CSRF, ("Origin", "https://evil.example"), method="POST", body=b"x")
    assert (403, 403, []) == (refused.status, strange.status, api.requests)
    assert readable(refused)
    assert [] == strange.all("access-control-allow-origin")
    assert 200 == ask(port, "/orders", *sent, CSRF, method="POST", body=b"x").status
    assert "POST" == api.requests[0][0]
    record("a session's POST without CSRF token", "403, readable by the page")


def test_a_session_beside_a_token_is_refused(through, record):
    _, api, port = through
    answer = ask(port, "/orders", cookie(GOOD), ("Origin", ORIGIN), token=GOOD)
    assert ([], True) == (api.requests, answer.status in (400, 401))
    record("a session and a token", str(answer.status))


def test_a_preflight_is_answered_and_the_api_hears_nothing(through, record):
    _, api, port = through
    wanted = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-example-csrf")]
    answer = ask(port, "/orders", ("Origin", ORIGIN), *wanted, method="OPTIONS")
    strange = ask(port, "/orders", ("Origin", "https://evil.example"), *wanted, method="OPTIONS")
    assert ([], True) == (api.requests, answer.status in (200, 204))
    assert readable(answer)
    assert "x-example-csrf" in (answer.one("access-control-allow-headers") or "").lower()
    assert "POST" in (answer.one("access-control-allow-methods") or "")
    assert [] == strange.all("access-control-allow-origin")
    record("a preflight", f"{answer.status}, and the API hears nothing")


def test_an_options_that_is_no_preflight_is_judged(through):
    _, api, port = through
    assert 401 == ask(port, "/orders", ("Origin", ORIGIN), method="OPTIONS").status
    assert 401 == ask(port, "/", ("Access-Control-Request-Method", "GET"), method="OPTIONS").status
    assert [] == api.requests
