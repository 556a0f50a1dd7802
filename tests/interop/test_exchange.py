"""Token exchange at oidc-provider's token endpoint. The grant is ours (oidc-provider has none, see server.mjs); client
authentication, the tokens, their signatures and the key set are the server's.
"""

from __future__ import annotations

import time
import urllib.request

import pytest

from interop.asking import ask
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import RFC_9068, access_token_rules

pytestmark = pytest.mark.interop

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
CLIENTS = [
    {"client_id": "gateway-basic", "grant_types": [GRANT], "client_secret": "s1"},
    {
        "client_id": "gateway-post",
        "grant_types": [GRANT],
        "client_secret": "s1",
        "token_endpoint_auth_method": "client_secret_post",
    },
]
SETTINGS = """
[policy]
scopes = ["read"]

[introspection]
endpoint = "{introspection}"
client_id = "gateway"
client_secret = "env:GATEWAY"
answer = "json"

[exchange]
issuer = "{issuer}"
client_id = "{client}"
client_secret = "env:EXCHANGER"
client_auth = "{auth}"
audience = "{audience}"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with oidc_provider(tmp_path_factory.mktemp("oidc"), clients=CLIENTS) as running:
        yield running


def gate(folder, server, *, client="gateway-basic", auth="basic", audience="orders", secret="s1"):
    text = SETTINGS.format(
        introspection=server.introspection_endpoint,
        issuer=server.issuer,
        client=client,
        auth=auth,
        audience=audience,
    )
    return phantomgate(folder, text, environ={"GATEWAY": "gateway-secret", "EXCHANGER": secret})


def exchange(running, token):
    return ask(int(running.listen.rpartition(":")[2]), "/exchange", token=token)


@pytest.mark.parametrize(("client", "auth"), [("gateway-basic", "basic"), ("gateway-post", "post")])
def test_an_opaque_token_becomes_the_servers_jwt_for_the_api(tmp_path, server, client, auth):
    with gate(tmp_path, server, client=client, auth=auth) as running:
        good, poor, revoked = server.issue("read write"), server.issue("write"), server.issue()
        server.revoke(revoked)
        said = [exchange(running, good) for _ in range(2)]
        assert [200, 200] == [one.status for one in said], running.said(said[0].json["decision"])
        refused = [exchange(running, token).status for token in (poor, revoked, "never-issued")]

    with urllib.request.urlopen(f"{server.issuer}/jwks") as published:
        keys = read_key_set(published.read(), ["ES256"])
    rules = access_token_rules(server.issuer, ["orders"], required=RFC_9068)
    given = said[0].json["access_token"]
    claims = verify(given, keys, rules, time.time()).claims
    assert ("service", "read write") == (claims["client_id"], claims["scope"])
    assert said[1].json["access_token"] == given, "one exchange serves both"
    assert 0 < claims["exp"] - time.time() <= 120
    assert [403, 401, 401] == refused


@pytest.mark.parametrize("changed", [{"audience": "elsewhere"}, {"client": "gateway"}, {"secret": "wrong"}])
def test_what_is_between_us_and_the_server_is_a_502_and_never_a_401(tmp_path, server, changed):
    with gate(tmp_path, server, **changed) as running:
        said = exchange(running, server.issue())
        assert (502, "client_refused") == (said.status, running.said(said.json["decision"])["reason"])
