"""`phantomgate doctor` at every gateway: no hole in what we ship, and in each weakened copy its hole by name.

Rule: a run mostly waits for what must not come, so they wait together; each is a test of its own all the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import pytest

from interop.gateways import BINARIES, BY_NAME, Binary, gateway
from interop.needs import SERVERS, needs
from interop.phantomgate_server import ENVIRON, phantomgate
from phantomgate.cli.doctor import examine
from phantomgate.cli.doctor.asking import gateway_at
from phantomgate.cli.doctor.case import Known
from phantomgate.cli.doctor.upstream import upstream
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from ports import free_port
from sealed import KEY

pytestmark = pytest.mark.interop

REST = """
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub" }}
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
SESSION = """
[session]
keys = ["env:SESSION_KEY"]
trusted_web_origins = ["https://www.example.com"]
cookie_prefix = "example"
cors = true
"""
SET_MISC = Binary(
    "nginx, cached by set-misc", "nginx", ("nginx", "nginx's set-misc module"), BY_NAME["nginx"].start,
    BY_NAME["nginx"].version, lambda folder: [*BY_NAME["nginx, cached"].options(folder), "--hash", "set-misc"],
)  # fmt: skip
WEBSOCKETS = [replace(one.with_websocket(), name=f"{one.name}, WebSocket") for one in BINARIES if one.websocket]
SHIPPED = [
    *((binary, "") for binary in (*BINARIES, SET_MISC, *WEBSOCKETS)),
    *((binary, SESSION) for binary in BINARIES if binary.name != "nginx, cached"),  # which `init` refuses
]
"""(gateway, what is in its settings besides)."""
WEAKENED = [
    ("nginx", "auth_request /_phantomgate;", "", "good-token"),  # nobody is asked, so nothing passes: it fails closed
    ("nginx", "proxy_set_header Authorization $phantomgate_authorization", "#", "good-token"),
    ("nginx", "proxy_set_header X-User", "#", "spoofed-x-user"),
    ("nginx", "proxy_set_header X-Forwarded-Authorization", "#", "spoofed-x-forwarded-authorization"),
    ("nginx", "proxy_set_header X-Original-URL", "#", "override-x-original-url"),
    ("nginx", "proxy_set_header X-HTTP-Method-Override", "#", "override-x-http-method-override"),
    ("nginx, cached", "proxy_set_header X-User", "#", "spoofed-x-user"),
    ("nginx, cached by set-misc", "proxy_set_header X-User", "#", "spoofed-x-user"),
    ("nginx", "if ($phantomgate_odd_host) {", "if ($http_x_nothing) {", "host-fragment"),
    ("Traefik", '          X_User: ""\n', "", "spelled-X_User"),
    ("Traefik", " && !Method(`TRACE`) && !Method(`CONNECT`)", "", "with-token-trace"),
    ("Caddy", "\trespond @phantomgate_never 405\n", "", "with-token-trace"),
    (
        "Envoy",
        '- not_rule: { header: { name: ":method", string_match: { exact: TRACE } } }',
        "- any: true",
        "with-token-trace",
    ),
    (
        "Envoy, gRPC",
        '- not_rule: { header: { name: ":method", string_match: { exact: TRACE } } }',
        "- any: true",
        "with-token-trace",
    ),
    ("Varnish", 'if (req.method == "TRACE" ', 'if (req.method == "NONE" ', "with-token-trace"),
    ("Varnish", 'if (req.http.Host ~ "[^A-Za-z0-9._:\\[\\]-]")', "if (false)", "host-path"),
    (
        "HAProxy, SPOE",
        "http-request deny deny_status 405 if",
        "http-request deny deny_status 405 if FALSE",
        "with-token-trace",
    ),
    (
        "HAProxy, Lua",
        "http-request deny deny_status 405 if",
        "http-request deny deny_status 405 if FALSE",
        "with-token-trace",
    ),
    (
        "HAProxy, SPOE",
        "http-request deny deny_status 400 if",
        "http-request deny deny_status 400 if FALSE",
        "host-path",
    ),
    ("Caddy", "\trequest_header @phantomgate_plain -Connection\n", "", "hop-x-user"),
    ("Caddy", "\t\t\trequest_header Authorization {rp.header.Authorization}\n", "", "good-token"),
    ("Caddy, current", "\trequest_header @phantomgate_plain -Connection\n", "", "hop-x-user"),
    ("Caddy, current", "\t\t\trequest_header Authorization {rp.header.Authorization}\n", "", "good-token"),
    (
        "Caddy, current",
        "\trequest_header @phantomgate_websocket Upgrade websocket\n",
        "",
        "h2c-beside-websocket",
    ),
    ("Varnish, WebSocket", '"Upgrade, close"', '"Upgrade"', "websocket-declined"),
    ("Envoy", "- { exact: authorization }\n", "- { exact: x-nothing }\n", "good-token"),
    ("Apache", 'given["Connection"] = (', "local _ = (", "hop-x-user"),
    ("Varnish", "unset req.http.X_User;", "", "spelled-X_User"),
    ("Varnish", "set req.http.Authorization = req.http.X-Phantomgate-JWT;", "", "good-token"),
    (
        "Varnish",
        "        unset bereq.http.X-Phantomgate-Asked;\n",
        "        unset bereq.http.X-Phantomgate-Asked;\n        unset bereq.http.Content-Length;\n",
        "body-question",
    ),
    ("HAProxy, SPOE", "http-request set-header Authorization %[var(txn.pg.authorization)]", "", "good-token"),
    ("HAProxy, SPOE", "http-request del-header '^(x[-_.]user)$' -m reg", "", "spelled-X_User"),
    ("HAProxy, SPOE", "|original|rewrite|", "|", "override-x-original-url"),
    ("HAProxy, Lua", "http-request set-header Authorization %[var(txn.pg.authorization)]", "", "good-token"),
    ("HAProxy, Lua", "http-request del-header '^(x[-_.]user)$' -m reg", "", "spelled-X_User"),
    ("Envoy, gRPC", "cidr_ranges: [{ address_prefix: 192.0.2.0, prefix_len: 32 }]", "", "envoy-internal"),
    (
        "Envoy",
        "internal_address_config: { cidr_ranges: [{ address_prefix: 192.0.2.0, prefix_len: 32 }] }",
        "internal_address_config: { cidr_ranges: [{ address_prefix: 127.0.0.0, prefix_len: 8 }] }",
        "envoy-internal",
    ),
    ("Envoy, gRPC", "exact: allowed", "exact: nothing", "good-token"),  # no proof, so nothing passes: it fails closed
]
"""(gateway, what stands in its files, what stands there instead, the case that finds it)."""


class Copy(NamedTuple):
    """A gateway to be examined, with the text of its settings besides, and what stands where in its files."""

    name: str
    also: str = ""
    there: str = ""
    instead: str = ""

    def weaken(self, folder):
        """Changes the files in *folder*; what is to be changed must be there."""
        files = [file for file in folder.rglob("*") if self.there and file.is_file() and self.there in file.read_text()]
        assert files or not self.there, self.there
        for file in files:
            file.write_text(file.read_text().replace(self.there, self.instead))


COPIES = [*(Copy(binary.name, also) for binary, also in SHIPPED), *(Copy(name, "", *how) for name, *how, _ in WEAKENED)]
KNOWN = {**BY_NAME, **{one.name: one for one in (SET_MISC, *WEBSOCKETS)}}


class Gates:
    """phantomgates by how they are asked and what is in their settings besides; each started once."""

    def __init__(self, stack, tmp_path_factory, issuer):
        self._stack, self._folder, self._issuer = stack, tmp_path_factory, issuer
        self._known = {}

    def start(self, key):
        source, also = key
        folder = self._folder.mktemp("gate")
        text, environ = REST.format(issuer=self._issuer) + also, {**ENVIRON, "SESSION_KEY": KEY}
        self._known[key] = self._stack.enter_context(phantomgate(folder, text, source=source, environ=environ))

    def __getitem__(self, key):
        return self._known[key]


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """The finding by case for each copy whose gateway is here, or what went wrong with it, as a future."""
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)], access_token_seconds=3600)
    here = [one for one in COPIES if all(SERVERS[name]() for name in KNOWN[one.name].needs)]
    token = server.issue("service", "read", subject="ann")
    # What a thread starts ends with the thread, so the pool outlives all that
    with ThreadPoolExecutor(12) as pool, ExitStack() as stack:
        gates = Gates(stack, tmp_path_factory, stack.enter_context(server.running_in_thread()))
        list(pool.map(gates.start, {(KNOWN[one.name].source, one.also) for one in here}))

        def findings(one):
            binary, port = KNOWN[one.name], free_port()
            settings = gates[binary.source, one.also].settings
            with gateway(binary, settings, port, one.weaken) as running, upstream("127.0.0.1", port) as api:
                known = Known(token, "", "/orders", "/admin", ("X-User",))
                where = gateway_at(f"http://127.0.0.1:{running.port}")
                return {finding.case.name: finding for finding in examine(where, api, known)}

        done = {one: pool.submit(findings, one) for one in here}
        for future in done.values():
            future.exception()
        yield done


def of(examined, copy):
    """The findings about *copy*. Skips where its gateway isn't here."""
    needs(*KNOWN[copy.name].needs)
    return examined[copy].result()


@pytest.mark.parametrize(("binary", "also"), SHIPPED, ids=lambda one: one.name if isinstance(one, Binary) else one[1:8])
def test_what_we_ship_has_no_holes(examined, binary, also):
    found = of(examined, Copy(binary.name, also))
    assert [] == [f"{name}: {one.why}" for name, one in found.items() if one.outcome == "hole"]
    assert len(found) > 70


@pytest.mark.parametrize(("name", "there", "instead", "hole"), WEAKENED)
def test_a_weakened_copy_is_told_its_hole(examined, name, there, instead, hole):
    found = of(examined, Copy(name, "", there, instead))
    holes = {case: one.case.remedy for case, one in found.items() if one.outcome == "hole"}
    assert hole in holes
    assert all(holes.values())


def test_every_gateway_was_weakened():
    assert set(KNOWN) == {name for name, *_ in WEAKENED}
