"""`phantomgate doctor` at a real nginx: no holes in what we ship, and the hole by name in each weakened copy of it."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from interop.nginx_server import nginx
from interop.phantomgate_server import phantomgate
from interop.processes import free_port
from phantomgate.cli.main import main
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

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


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(the settings of a phantomgate that serves, a good token)."""
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)], access_token_seconds=3600)
    with (
        server.running_in_thread() as issuer,
        phantomgate(tmp_path_factory.mktemp("world"), REST.format(issuer=issuer)) as gate,
    ):
        yield gate, server.issue("service", "read", subject="ann")


@contextmanager
def gateway(world, weaken=lambda folder: None, **more):
    """The options that send `doctor` to an nginx in front of nothing; *weaken* changes its files before it starts."""
    gate, token = world
    port = free_port()
    with nginx(gate.settings, port, weaken=weaken, **more) as proxy:
        yield (
            [f"http://127.0.0.1:{proxy.port}", "--api", f"127.0.0.1:{port}", "--token", "env:TOKEN"],
            gate.settings,
            {"TOKEN": token},
        )


def examined(capsys, options, settings, environ):
    """(exit code, finding by case) of a run."""
    capsys.readouterr()  # what was printed before
    more = ["--allowed", "/orders", "--forbidden", "/admin", "--config", str(settings), "--json"]
    code = main(["doctor", *options, *more], environ)
    out = capsys.readouterr().out
    assert environ["TOKEN"] not in out
    return code, {one["case"]: one for one in json.loads(out)["findings"]}


@pytest.mark.parametrize("variant", ["direct", "cached"])
def test_what_we_ship_has_no_holes(world, capsys, variant):
    with gateway(world, variant=variant) as (options, settings, environ):
        code, found = examined(capsys, options, settings, environ)
    assert [] == [f"{name}: {one['seen']}" for name, one in found.items() if one["outcome"] == "hole"]
    assert 0 == code
    assert len(found) > 70


def without(*lines):
    """Takes out of every file the lines that hold one of *lines*; each must be there."""

    def weaken(folder):
        for wanted in lines:
            files = [file for file in folder.glob("*.conf") if wanted in file.read_text()]
            assert files, wanted
            for file in files:
                kept = [line for line in file.read_text().splitlines() if wanted not in line]
                file.write_text("\n".join(kept) + "\n")

    return weaken


@pytest.mark.parametrize(
    ("lines", "hole"),
    [
        (["auth_request /_phantomgate;"], "good-token"),  # nobody is asked, so nothing passes: it fails closed
        (["proxy_set_header Authorization $phantomgate_authorization"], "good-token"),
        (["proxy_set_header X-User"], "spoofed-x-user"),
        (["proxy_set_header X-Forwarded-Authorization"], "spoofed-x-forwarded-authorization"),
        (["proxy_set_header X-Original-URL"], "override-x-original-url"),
        (["proxy_set_header X-HTTP-Method-Override"], "override-x-http-method-override"),
    ],
)
def test_a_weakened_copy_is_told_its_hole(world, capsys, lines, hole):
    with gateway(world, without(*lines)) as (options, settings, environ):
        code, found = examined(capsys, options, settings, environ)
    assert 1 == code
    assert "hole" == found[hole]["outcome"]
    assert found[hole]["remedy"]
