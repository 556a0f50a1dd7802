"""FWD behind a real nginx, with the files of `phantomgate init nginx`: what the API gets, and what nginx remembers."""

from __future__ import annotations

import pytest

from attacks.authority import Answer
from attacks.cases import attack
from attacks.harness import CLAIMS, TOKEN
from interop import echo_api
from interop.asking import ask
from interop.nginx_server import nginx
from interop.stubbed import settings_file
from phantomgate.config.settings import RouteRule

pytestmark = pytest.mark.interop

UNTIL = 1_800_000_300
ROUTES = [
    RouteRule("/public/**", methods=("GET",)),
    RouteRule("/orders/**", methods=("GET",), scopes=("read",)),
    RouteRule("/orders/**", methods=("POST",), scopes=("write",)),
    RouteRule("/admin/**", scopes=("admin",)),
]


@pytest.fixture(params=["direct", "cached"])
def behind(request, serve, authority, tmp_path):
    """(a gate, the API, nginx's port): nginx asks each time, or remembers."""
    gate = serve(routes=ROUTES, source="original", nginx=True)
    authority.issue(TOKEN, sub="alice", scope="read", exp=UNTIL)
    claims = ", ".join(f'"{name}" = "{claim}"' for name, claim in CLAIMS.items())
    more = f'[[routes]]\npath = "/**"\n[forward]\nclaims = {{ {claims} }}'
    settings = settings_file(tmp_path, gate.port, more)
    with echo_api.running() as api, nginx(settings, api.port, variant=request.param) as server:
        yield gate, api, server.port


@attack("FWD-036")
def test_what_nginx_remembers_of_one_request_says_nothing_about_another(case, behind):
    _, api, port = behind
    for _ in range(3):
        assert 200 == ask(port, "/orders/1", token=TOKEN).status
    assert 403 == ask(port, "/orders/1", token=TOKEN, method="POST").status
    assert 403 == ask(port, "/admin/x", token=TOKEN).status
    assert 403 == ask(port, "/unknown", token=TOKEN).status
    assert {("GET", "/orders/1")} == {(method, path) for method, path, *_ in api.requests}


@attack("FWD-032")
def test_nginx_tells_the_client_what_was_meant(case, behind, authority):
    _, api, port = behind
    assert 401 == ask(port, "/orders/1").status
    assert 401 == ask(port, "/orders/1", token="abc=def").status  # 400, in the only words that nginx has for it
    assert 403 == ask(port, "/admin/x", token=TOKEN).status
    for answer, status in ((Answer(500), 503), (Answer(404), 502), (Answer(302), 502), (Answer(401), 502)):
        authority.says = answer
        refused = ask(port, "/orders/1", token=f"{TOKEN}-{status}-{answer.status}")
        assert status == refused.status
        assert ("5" if status == 503 else None) == refused.one("retry-after")
        assert refused.json["decision"]
    assert [] == api.requests


@attack("FWD-017", "FWD-026", "FWD-040")
def test_the_api_gets_the_jwt_and_what_we_say_of_the_client_and_nothing_else(case, behind, authority):
    _, api, port = behind
    lies = [("X-User", "admin"), ("X-Auth-Scope", "*"), ("X-Groups", "admin"), ("X_User", "admin"), ("X.User", "admin")]
    more = [
        ("X-Original-URI", "/public/x"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Proxy-Authorization", "Basic eDp5"),
    ]
    for _ in range(2):  # fresh, and remembered
        assert 200 == ask(port, "/orders/1", *lies, *more, token=TOKEN).status
        fields = api.requests[-1][2]
        assert [f"Bearer {authority.active[TOKEN]}"] == [value for name, value in fields if name == "authorization"]
        assert ["alice"] == [value for name, value in fields if name.replace("_", "-").replace(".", "-") == "x-user"]
        assert not api.contains(TOKEN)
        assert not api.contains("admin")
        assert {"proxy-authorization", "x-http-method-override", "x-original-uri"}.isdisjoint(
            name for name, _ in fields
        )
