"""The plugin of deploy/kong-python in Kong's real plugin server: a mark after all else, or an answer for the client."""

from __future__ import annotations

import json

import pytest

from interop.kong_server import kong
from interop.phantomgate_server import ENVIRON
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop
pytest.importorskip("msgpack", reason="needs msgpack, to speak as Kong does")

SETTINGS = """
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub", "X-Team" = "team" }}
[resource]
identifier = "https://api.example/orders"
authorization_servers = ["https://as.example"]
[introspection]
endpoint = "{issuer}/introspect"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
[[routes]]
path = "/admin/**"
scopes = ["admin"]
[[routes]]
path = "/**"
"""


@pytest.fixture(scope="module")
def authority():
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)])
    with server.running_in_thread() as issuer:
        yield server, issuer


@pytest.fixture(scope="module", params=[(), ("-g",)], ids=["threads", "gevent"])
def world(request, tmp_path_factory, authority):
    server, issuer = authority
    folder = tmp_path_factory.mktemp("kong")
    settings = folder / "phantomgate.toml"
    settings.write_text(SETTINGS.format(issuer=issuer))
    with kong(folder, settings, ENVIRON, "--no-lua-style", *request.param) as one:
        yield one, server


def test_a_good_token_becomes_a_jwt_and_headers_and_then_the_mark(world):
    kong, server = world
    token = server.issue("service", "read", subject="ann")
    sent = {"host": "a", "authorization": f"Bearer {token}", "x_user": "forged", "x-user": "forged", "x-mine": "kept",
            "x-http-method-override": "DELETE"}  # fmt: skip
    outcome = kong.request("/orders?page=2", sent)
    upstream = outcome.upstream(sent)
    assert outcome.marked
    assert ("kong.ctx.shared.set", ["phantomgate", "allowed"]) == outcome.calls[-1]
    assert upstream.pop("authorization").startswith("Bearer ey")
    assert {"host": "a", "x-user": "ann", "x-team": "", "x-mine": "kept"} == upstream


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        ("/", {}, 401, "missing_credential"),
        ("/", {"authorization": "Bearer nobody"}, 401, "invalid_token"),
        ("/", {"authorization": ["Bearer a", "Bearer b"]}, 400, "invalid_request"),
        ("/", {"authorization": "Bearer a, Bearer b"}, 400, "invalid_request"),
        ("/", {"authorization": "Bearer a", "connection": "x-user"}, 400, "invalid_request"),
        ("/x/%2e%2e/admin", {"authorization": "Bearer a"}, 400, "invalid_request"),
        ("/", {f"x-{number}": "y" for number in range(1000)}, 400, "invalid_request"),
        ("/", {"authorization": "Bearer nobody", **{f"x-{one}": "y" for one in range(100)}}, 400, "invalid_request"),
        ("/", {"authorization": "Bearer nobody"} | {f"x-{number}": "y" for number in range(99)}, 401, "invalid_token"),
        ("/", {"authorization": "Bearer nobody", "x-long": "y" * 65536}, 400, "invalid_request"),
        ("/", {"authorization": 7}, 400, "invalid_request"),
        ("/", "no table", 400, "invalid_request"),
    ],
)
def test_a_refusal_is_an_answer_and_no_mark(world, path, headers, status, error):
    kong, _ = world
    outcome = kong.request(path, headers)
    assert not outcome.marked
    assert [] == outcome.calls
    code, body, fields = outcome.exit
    assert (status, error) == (code, json.loads(body)["error"])
    assert ("application/json", "no-store") == (fields["Content-Type"], fields["Cache-Control"])
    assert fields["WWW-Authenticate"].startswith("Bearer ")
    where = "https://api.example/.well-known/oauth-protected-resource/orders"
    assert f'resource_metadata="{where}"' in fields["WWW-Authenticate"]


def test_a_missing_scope_is_a_403(world):
    kong, server = world
    token = server.issue("service", "read", subject="ann")
    assert 403 == kong.request("/admin/x", {"authorization": f"Bearer {token}"}).exit[0]


def test_an_authorization_server_that_is_down_is_a_503(world):
    kong, server = world
    token = server.issue("service", "read", subject="ann")
    server.down = True
    try:
        code, _, fields = kong.request("/", {"authorization": f"Bearer {token}"}).exit
    finally:
        server.down = False
    assert 503 == code
    assert "Retry-After" in fields


def test_in_the_other_style_of_answers_nothing_passes(tmp_path, authority):
    server, issuer = authority
    settings = tmp_path / "phantomgate.toml"
    settings.write_text(SETTINGS.format(issuer=issuer))
    token = server.issue("service", "read", subject="ann")
    with kong(tmp_path, settings, ENVIRON) as one:
        outcome = one.request("/", {"authorization": f"Bearer {token}"})
    assert not outcome.marked
    assert 400 == outcome.exit[0]


def test_settings_with_problems_are_no_plugin(tmp_path):
    settings = tmp_path / "phantomgate.toml"
    settings.write_text("[introspection]\n")
    with pytest.raises(RuntimeError, match="introspection"), kong(tmp_path, settings, ENVIRON, "--no-lua-style"):
        pass
