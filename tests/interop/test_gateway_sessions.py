"""Sessions through gateways that can be told which cookies are left, with the files that `init` writes."""

from __future__ import annotations

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.phantomgate_server import ENVIRON, phantomgate
from interop.processes import until
from interop.test_nginx_sessions import GOOD, ORIGIN, READABLE, SETTINGS, arrived, authority, cookie, told
from sealed import KEY

pytestmark = pytest.mark.interop
__all__ = ["authority"]

NAMES = ["HAProxy, SPOE", "HAProxy, Lua", "Envoy, gRPC"]
PREFLIGHT = [("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]


@pytest.fixture(scope="module", params=NAMES)
def world(request, tmp_path_factory, authority):
    binary = BY_NAME[request.param]
    settings = SETTINGS.format(endpoint=authority.url, cors="true", host_prefix="true")
    environ = {**ENVIRON, "SESSION_KEY": KEY}
    with (
        phantomgate(tmp_path_factory.mktemp("s"), settings, environ=environ, source=binary.source) as gate,
        echo_api.running() as api,
        gateway(binary, gate.settings, api.port) as front,
    ):
        until(lambda: ask(front.port).status == 401, "the gateway to see phantomgate")
        yield front.port, api


@pytest.fixture
def everything(world):
    world[1].requests.clear()
    return world


def test_a_session_reaches_the_api_with_a_jwt_and_without_its_cookies(everything):
    port, api = everything
    answer = ask(port, "/orders?x=1", cookie(GOOD), ("Origin", ORIGIN), ("x_example.csrf", "made up"))
    fields = arrived(api)
    assert (200, READABLE) == (answer.status, told(answer))
    assert ("theme=dark; lang=en", "alice") == (fields["cookie"], fields["x-user"])
    assert fields["authorization"].startswith("Bearer ey")
    assert "made up" not in fields.values()
    assert not api.contains("__Host-")


def test_where_no_other_cookie_is_left_there_is_no_cookie_field(everything):
    port, api = everything
    name, value = cookie(GOOD)
    ours = "; ".join(one for one in value.split("; ") if one.startswith("__Host-"))
    assert 200 == ask(port, "/orders", (name, ours), ("Origin", ORIGIN)).status
    assert "" == arrived(api).get("cookie", "")


def test_a_post_needs_the_csrf_token_and_the_api_does_not_see_it(everything):
    port, api = everything
    asked = [cookie(GOOD), ("Origin", ORIGIN)]
    answer = ask(port, "/orders", *asked, method="POST", body=b"{}")
    assert (403, "forged_request", READABLE) == (answer.status, answer.json["error"], told(answer))
    assert [] == api.requests
    assert 200 == ask(port, "/orders", *asked, ("x-example-csrf", "csrf-token"), method="POST", body=b"{}").status
    assert "x-example-csrf" not in arrived(api)


def test_bearer_and_cookie_are_one_too_many(everything):
    port, api = everything
    assert 400 == ask(port, "/orders", cookie(GOOD), ("Origin", ORIGIN), token=GOOD).status
    assert [] == api.requests


def test_a_preflight_is_answered_here(everything):
    port, api = everything
    answer = ask(port, "/orders", *PREFLIGHT, method="OPTIONS")
    assert (204, [ORIGIN]) == (answer.status, answer.all("access-control-allow-origin"))
    assert "POST" in answer.one("access-control-allow-methods")
    strange = ask(port, "/orders", ("Origin", "https://evil.example"), PREFLIGHT[1], method="OPTIONS")
    assert [] == strange.all("access-control-allow-origin")
    assert [] == api.requests
