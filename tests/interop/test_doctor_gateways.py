"""`phantomgate doctor` at every gateway but nginx (`test_doctor`): no hole as shipped; a weakened copy's by name."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager

import pytest

from interop.gateways import BINARIES, BY_NAME, gateway
from interop.phantomgate_server import phantomgate
from interop.processes import free_port
from interop.test_doctor import REST
from phantomgate.cli.main import main
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop

OTHERS = [binary.name for binary in BINARIES if binary.gateway != "nginx"]
WEAKENED = [
    ("Traefik", '          X_User: ""\n', "", "spelled-X_User"),
    ("Caddy", "\trequest_header @phantomgate_plain -Connection\n", "", "hop-x-user"),
    ("Caddy", "\t\t\trequest_header Authorization {rp.header.Authorization}\n", "", "good-token"),
    ("Envoy", "- { exact: authorization }\n", "- { exact: x-nothing }\n", "good-token"),
    ("Apache", 'given["Connection"] = (', "local _ = (", "hop-x-user"),
    ("Varnish", "unset req.http.X_User;", "", "spelled-X_User"),
    ("Varnish", "set req.http.Authorization = req.http.X-Phantomgate-JWT;", "", "good-token"),
    ("HAProxy, SPOE", "http-request set-header Authorization %[var(txn.pg.authorization)]", "", "good-token"),
    ("HAProxy, Lua", "http-request set-header Authorization %[var(txn.pg.authorization)]", "", "good-token"),
    ("Envoy, gRPC", "exact: allowed", "exact: nothing", "good-token"),  # no proof, so nothing passes: it fails closed
]
"""(gateway, what stands in its files, what stands there instead, the case that finds it)."""


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    """(how it is asked -> a phantomgate that serves, a good token)."""
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)], access_token_seconds=3600)
    with ExitStack() as stack:
        issuer = stack.enter_context(server.running_in_thread())
        known = {}

        def gate(source):
            if source not in known:
                folder = tmp_path_factory.mktemp("gate")
                known[source] = stack.enter_context(phantomgate(folder, REST.format(issuer=issuer), source=source))
            return known[source]

        yield gate, server.issue("service", "read", subject="ann")


@contextmanager
def examined(gates, capsys, name, weaken=lambda folder: None):
    """(exit code, finding by case) of `doctor` at the gateway *name*, whose files *weaken* changes first."""
    gate, token = gates
    binary = BY_NAME[name]
    settings, port = gate(binary.source).settings, free_port()
    with gateway(binary, settings, port, weaken) as running:
        capsys.readouterr()
        options = [f"http://127.0.0.1:{running.port}", "--api", f"127.0.0.1:{port}", "--token", "env:TOKEN"]
        more = ["--allowed", "/orders", "--forbidden", "/admin", "--config", str(settings), "--json"]
        code = main(["doctor", *options, *more], {"TOKEN": token})
        out = capsys.readouterr().out
    assert token not in out
    yield code, {one["case"]: one for one in json.loads(out)["findings"]}


@pytest.mark.parametrize("name", OTHERS)
def test_what_we_ship_has_no_holes(gates, capsys, name):
    with examined(gates, capsys, name) as (code, found):
        assert [] == [f"{case}: {one['seen']}" for case, one in found.items() if one["outcome"] == "hole"]
        assert 0 == code
        assert len(found) > 70


@pytest.mark.parametrize(("name", "there", "instead", "hole"), WEAKENED)
def test_a_weakened_copy_is_told_its_hole(gates, capsys, name, there, instead, hole):
    def weaken(folder):
        files = [file for file in folder.rglob("*") if file.is_file() and there in file.read_text()]
        assert files, there
        for file in files:
            file.write_text(file.read_text().replace(there, instead))

    with examined(gates, capsys, name, weaken) as (code, found):
        holes = {case for case, one in found.items() if one["outcome"] == "hole"}
        assert (1, True) == (code, hole in holes), holes


def test_every_gateway_was_weakened():
    assert {BY_NAME[name].gateway for name in OTHERS} == {BY_NAME[name].gateway for name, *_ in WEAKENED}
