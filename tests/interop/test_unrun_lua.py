"""The functions that we ship for Kong and APISIX, in nginx's Lua module, which is what these gateways are made of.

Rule: the functions are the shipped ones, word for word. What they call of Kong, APISIX and lua-resty-http are stand-ins
of ours (`lua/`), so this says what the functions do, and not that Kong or APISIX call them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
import yaml

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.needs import HERE, MODULES, command, needs
from interop.processes import listens, process
from interop.stubbed import FAULTY, JWT, settings_file
from interop.test_contract import arrived
from phantomgate.cli.gateways.headers import look_alikes
from phantomgate.cli.main import main
from ports import free_port

pytestmark = pytest.mark.interop

NGINX = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off;
{user}
pid nginx.pid;
error_log error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path temp;
  underscores_in_headers on;
  ignore_invalid_headers off;
  lua_package_path "{lua}/?.lua;;";
  init_by_lua_block {{
    function run(file, more)
      local made = assert(loadfile("{folder}/" .. file))
      return setfenv(made, setmetatable(more or {{}}, {{ __index = _G }}))
    end
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      {phases}
      proxy_pass http://127.0.0.1:{api};
      proxy_http_version 1.1;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""
KONG = 'access_by_lua_block { return run("access.lua", { kong = require("pdk") })() }'
MARKED = """access_by_lua_block {
  local pdk = require("pdk")
  pdk.ctx.shared.phantomgate = ngx.var.http_x_mark
  return run("access.lua", { kong = pdk })()
}"""
APISIX = """rewrite_by_lua_block {
  local code = run("rewrite.lua")()({}, {})
  if code then ngx.exit(code) end
}
access_by_lua_block {
  -- forward-auth: `upstream_headers` that the answer lacks are removed
  ngx.req.set_header("Authorization", ngx.var.http_x_answer)
  local code = run("access.lua")()({}, {})
  if code then ngx.exit(code) end
}"""
FORGED = ["X-User", "X-Tenant", "X-Authorization", "X-Original-URL", "X-HTTP-Method-Override", "X-Forwarded-User"]
FORGED += [*look_alikes("X-User"), *look_alikes("X-HTTP-Method-Override"), *look_alikes("X-Forwarded-User")]


def plugins(service):
    """The plugins of a kong.yml by name."""
    return {one["name"]: one["config"] for one in service["services"][0]["plugins"]}


@contextmanager
def nginx(folder, api, phases, **functions):
    """The port of an nginx with Lua in which the *functions* are called by *phases*, in front of the API."""
    needs("nginx's Lua module")
    for name, text in functions.items():
        (folder / f"{name}.lua").write_text(text)
    folder.chmod(0o755)
    port, user = free_port(), "user root;" if os.geteuid() == 0 else ""
    conf = folder / "lua.conf"
    said = {"modules": MODULES, "lua": HERE / "lua", "folder": folder, "port": port, "api": api.port, "user": user}
    conf.write_text(NGINX.format(phases=phases, **said))
    with process([command("nginx"), "-p", f"{folder}/", "-c", conf], folder / "log", ready=lambda: listens(port)):
        yield port


@pytest.fixture(scope="module")
def api():
    with echo_api.running() as api:
        yield api


@pytest.fixture(scope="module")
def started(tmp_path_factory, api):
    """(decision stub, the API, the port) with the function that `init kong` writes."""
    folder = tmp_path_factory.mktemp("kong")
    with decision_stub.running() as stub:
        settings = settings_file(folder, stub.port, FAULTY, source='source = "forwarded"')
        assert 0 == main(["init", "kong", "--config", str(settings), "--output", str(folder)], {})
        (function,) = plugins(yaml.safe_load((folder / "kong.yml").read_text()))["pre-function"]["access"]
        with nginx(folder, api, KONG, access=function) as port:
            yield stub, api, port


@pytest.fixture
def kong(started):
    """The same, calm."""
    stub, api, _ = started
    stub.seen.clear()
    api.requests.clear()
    stub.says(200, ("Authorization", JWT), ("X-User", "ann"))
    return started


def test_kongs_function_asks_about_what_came_and_replaces_the_token(kong):
    stub, api, port = kong
    answer = ask(port, "/orders?x=1", *((name, "made-up") for name in FORGED), ("X-Mine", "kept"), token="opaque")
    ((method, path, asked),) = stub.seen
    assert (200, "GET", "/decide") == (answer.status, method, path)
    said = {"authorization": "Bearer opaque", "x-forwarded-method": "GET", "x-forwarded-uri": "/orders?x=1"}
    assert said.items() <= dict(asked).items()
    fields = arrived(api)
    assert (JWT, "ann", "", "kept") == (
        fields["authorization"], fields["x-user"], fields.get("x-tenant", ""), fields["x-mine"],
    )  # fmt: skip
    assert not api.contains("made-up")


def test_kongs_function_asks_with_both_of_two_credentials(kong):
    stub, _, port = kong
    ask(port, "/", ("Authorization", "Bearer one"), ("Authorization", "Bearer two"))
    # nginx from 1.23 on refuses them itself
    assert all([value for name, value in asked if name == "authorization"] == ["Bearer one", "Bearer two"]
               for _, _, asked in stub.seen)  # fmt: skip


def test_a_refusal_is_the_clients_to_read_by_kongs_function(kong):
    stub, api, port = kong
    challenge = 'Bearer realm="api"'
    for status in (400, 401, 403, 500, 502, 503):
        stub.says(status, ("WWW-Authenticate", challenge), ("Content-Type", "application/json"), body=b'{"error": "x"}')
        answer = ask(port, token="opaque")
        assert (status, {"error": "x"}, challenge) == (answer.status, answer.json, answer.one("www-authenticate"))
    assert [] == api.requests


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, []),
        (200, [("Authorization", "")]),
        (200, [("Authorization", "Bearer opaque")]),
        (200, [("Authorization", "Basic x, Bearer a.b.c")]),
        (200, [("Authorization", JWT), ("Authorization", JWT)]),
        (204, [("Authorization", JWT)]),
        (302, [("Authorization", JWT), ("Location", "/elsewhere")]),
    ],
)
def test_what_is_no_allow_lets_nothing_in_by_kongs_function(kong, status, fields):
    stub, api, port = kong
    stub.says(status, *fields)
    assert (502, []) == (ask(port, token="opaque").status, api.requests)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\x00garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nAuthorization: %b" % JWT.encode()]
)
def test_no_answer_lets_nothing_in_by_kongs_function(kong, contract, raw):
    stub, api, port = kong
    stub.raw, stub.closes = raw, True
    assert (503, []) == (ask(port, token="opaque").status, api.requests)
    contract.record_check("Kong, by its serverless functions", "its function runs in nginx's Lua module")


def test_after_the_python_plugin_nothing_passes_without_its_mark(tmp_path, api):
    config = yaml.safe_load((HERE.parents[1] / "deploy" / "kong-python" / "kong.yml").read_text())
    (function,) = plugins(config)["post-function"]["access"]
    api.requests.clear()
    with nginx(tmp_path, api, MARKED, access=function) as port:
        assert [503, 503] == [ask(port, "/", *mark).status for mark in ([], [("X-Mark", "anything")])]
        assert [] == api.requests
        assert 200 == ask(port, "/", ("X-Mark", "allowed")).status


def test_apisixs_functions_take_away_what_is_forged_and_let_nothing_pass_without_a_jwt(tmp_path, api, contract):
    shipped = yaml.safe_load((HERE.parents[1] / "deploy" / "apisix" / "bearer" / "apisix.yaml").read_text())
    on_route = shipped["routes"][0]["plugins"]
    (rewrite,), (access,) = (on_route[f"serverless-{when}-function"]["functions"] for when in ("pre", "post"))
    with nginx(tmp_path, api, APISIX, rewrite=rewrite, access=access) as port:
        api.requests.clear()
        none = [[], [("X-Answer", "Bearer opaque")], [("X-Answer", "Basic a.b.c")], [("X-Answer", "Bearer a.b.c x")]]
        assert [502] * 4 == [ask(port, "/", *answer, token="opaque").status for answer in none]
        twice = [("Authorization", "Bearer one"), ("Authorization", "Bearer two"), ("X-Answer", JWT)]
        assert (400, []) == (ask(port, "/", *twice).status, api.requests)
        sent = [
            *((name, "made-up") for name in FORGED if name != "X-Tenant"),
            ("Connection", "X-Mine"),
            ("X-Mine", "kept"),
        ]
        assert 200 == ask(port, "/", *sent, ("X-Answer", JWT), token="opaque").status
        fields = arrived(api)
        assert (JWT, "kept") == (fields["authorization"], fields["x-mine"])
        assert not api.contains("made-up")
    contract.record_check("APISIX", "its functions run in nginx's Lua module; the rest is not checked")
