"""The Serverless files that we ship, run by serverless-offline with our handler and real authorization servers.

What that proves, and what not, says `serverless_offline.py`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack

import pytest

from interop.asking import ask
from interop.oidc_provider_server import oidc_provider
from interop.serverless_offline import LOCAL, copied, serverless_offline
from interop.test_development_server import development_server
from phantomgate.oauth.unverified import read_claims
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import seal_v1
from sealed import KEY

pytestmark = pytest.mark.interop
SHIPPED = LOCAL.parent / "serverless"
PAGE = "https://www.example.com"
KINDS = ("token", "request", "simple", "policies")
"""REST with a TOKEN and a REQUEST authorizer, HTTP API 2.0 with simple answers and with policies."""


@pytest.fixture(scope="module", params=["development server", "oidc-provider"])
def apis(request, tmp_path_factory):
    """The port of all four, and the server that they ask."""
    folder = tmp_path_factory.mktemp("local")
    with ExitStack() as stack:
        if request.param == "oidc-provider":
            server = stack.enter_context(oidc_provider(folder, "phantom_token"))
        else:
            server = stack.enter_context(development_server(member=True))
        environ = {
            "INTROSPECTION_ENDPOINT": server.introspection_endpoint,
            "PHANTOMGATE__INTROSPECTION__ANSWER": "json",  # the runner passes its own environment on
        }
        port = stack.enter_context(serverless_offline(copied(LOCAL, folder / "apis"), environ))
        yield port, server, folder / "apis" / "offline.log"


@pytest.mark.parametrize("kind", KINDS)
def test_the_jwt_arrives_at_the_integration_and_a_wrong_token_does_not(apis, kind):
    port, server, log = apis
    token, poor, gone = server.issue("read"), server.issue("write"), server.issue("read")
    server.revoke(gone)

    let_in = ask(port, f"/{kind}/orders/1", token=token)
    assert 200 == let_in.status, log.read_text()
    told = let_in.json
    scheme, _, jwt = told["Authorization"].partition(" ")
    assert ("Bearer", 2, False) == (scheme, jwt.count("."), token in jwt)
    claims = read_claims(jwt)
    assert (server.issuer, "service", "read") == (claims["iss"], claims["client_id"], claims["scope"])
    assert ("service", "read") == (told["sub"], told["scope"])

    refused = 401 if kind in ("token", "request") else 403
    for wrong, status in ((f"{token}x", refused), (gone, refused), (poor, 403)):
        answer = ask(port, f"/{kind}/orders/1", token=wrong)
        assert status == answer.status
        assert b"eyJ" not in answer.body
    assert 401 == ask(port, f"/{kind}/orders/1").status  # the identity source is missing: nobody is asked
    said = log.read_text()
    assert token not in said
    assert "gateway-secret" not in said


def test_a_session_becomes_a_jwt_in_the_file_for_the_oauth_proxys_variables(tmp_path):
    with ExitStack() as stack:
        server = stack.enter_context(development_server())
        folder = copied(SHIPPED, tmp_path / "shipped")
        shutil.copy(LOCAL / "offline.py", folder)
        file = folder / "serverless.yml"
        changed = file.read_text()
        for shipped, here in (  # the emulator doesn't unpack a zip for Python
            ("useDotenv: true\n", "useDotenv: true\nplugins: [serverless-offline]\n"),
            ("handler: index.handler", "handler: offline.handler"),
            ("    package:\n      artifact: phantomgate.zip\n", ""),
        ):
            assert 1 == changed.count(shipped)
            changed = changed.replace(shipped, here)
        file.write_text(changed)
        environ = {
            "TRUSTED_WEB_ORIGINS": f"{PAGE},https://app.example.com",
            "COOKIE_NAME_PREFIX": "example",
            "ENCRYPTION_KEY": KEY,
            "INTROSPECTION_URL": server.introspection_endpoint,
            "CLIENT_ID": "gateway",
            "CLIENT_SECRET": "gateway-secret",
        }
        token = server.issue("read")
        cookie = ("Cookie", f"example-at={sealed(token)}; example-csrf={sealed('c' * 64)}")
        page, proof = ("Origin", PAGE), ("X-Example-Csrf", "c" * 64)
        with serverless_offline(folder, environ) as port:
            read = ask(port, "/dev/orders", page, cookie)
            assert (200, {"sub": "service", "has_jwt": True}) == (read.status, read.json)
            assert PAGE == read.one("access-control-allow-origin")
            written = ask(port, "/dev/orders", page, cookie, proof, method="POST", body=b"")
            assert 200 == written.status
            for fields in ((page, cookie), (cookie, proof), (("Origin", "https://evil.example"), cookie, proof)):
                assert 403 == ask(port, "/dev/orders", *fields, method="POST", body=b"").status
            broken = ("Cookie", f"example-at={sealed('another')}x")
            assert 401 == ask(port, "/dev/orders", page, broken).status
            stack.close()  # the server is gone: on AWS, where trouble is raised, a 500
            assert 403 == ask(port, "/dev/orders", page, ("Cookie", f"example-at={sealed('another')}")).status
        said = (folder / "offline.log").read_text()
    assert [] == [secret for secret in (token, KEY, "gateway-secret", "c" * 64) if secret in said]


def sealed(value: str) -> str:
    """*value* in a cookie of format v1."""
    return seal_v1(read_session_key(KEY), value.encode(), random=os.urandom)
