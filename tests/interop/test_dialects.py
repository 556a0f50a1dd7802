"""A real authorization server's dialects of introspection, and ways to show who we are: what comes out is a JWT of ours
that the keys we publish verify.
"""

from __future__ import annotations

import json
import time

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from interop.asking import ask
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import RFC_9068, access_token_rules

pytestmark = pytest.mark.interop

MINT, CLIENT, EDWARDS, RSA = (
    ECKey.generate_key("P-256"),
    ECKey.generate_key("P-256"),
    OKPKey.generate_key("Ed25519"),
    RSAKey.generate_key(2048),
)
SECRET = "a-secret-that-is-long-enough-for-hs256"
ENVIRON = {
    "SECRET": SECRET,
    "MINT": MINT.as_pem(private=True).decode(),
    "CLIENT": CLIENT.as_pem(private=True).decode(),
    "EDWARDS": EDWARDS.as_pem(private=True).decode(),
    "RSA": RSA.as_pem(private=True).decode(),
}


def client(name, **metadata):
    return {"client_id": f"gateway-{name}", "client_secret": SECRET, **metadata}


def public(key, **more):
    return {"keys": [key.as_dict(private=False) | {"kid": key.thumbprint()} | more]}


def by_key(name, key, alg):
    return client(
        name,
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg=alg,
        jwks=public(key, use="sig"),
    )


def signed(name, alg, **more):
    return client(name, introspection_signed_response_alg=alg, **more)


def encrypted(name, key, alg, enc):
    more = {"introspection_encrypted_response_alg": alg, "introspection_encrypted_response_enc": enc}
    return signed(name, "RS256", jwks=public(key, use="enc", alg=alg), **more)


CLIENTS = [
    client("basic"),
    client("post", token_endpoint_auth_method="client_secret_post"),
    client("secret-jwt", token_endpoint_auth_method="client_secret_jwt"),
    by_key("es256", CLIENT, "ES256"),
    by_key("eddsa", EDWARDS, "EdDSA"),
    by_key("rs256", RSA, "RS256"),
    signed("signed-rs256", "RS256"),
    signed("signed-es256", "ES256"),
    encrypted("rsa-gcm", RSA, "RSA-OAEP-256", "A256GCM"),
    encrypted("rsa-cbc", RSA, "RSA-OAEP-256", "A128CBC-HS256"),
    encrypted("ecdh-gcm", CLIENT, "ECDH-ES", "A256GCM"),
]
PLAIN = {"answer": "json", "client_secret": "env:SECRET"}
KEYED = {"answer": "json", "client_auth": "private_key_jwt"}
SIGNED = {"answer": "signed", "client_secret": "env:SECRET"}
WAYS = {
    "basic": PLAIN,
    "post": PLAIN | {"client_auth": "post"},
    "secret-jwt": PLAIN | {"client_auth": "client_secret_jwt"},
    "es256": KEYED | {"client_key": "env:CLIENT"},
    "eddsa": KEYED | {"client_key": "env:EDWARDS"},
    "rs256": KEYED | {"client_key": "env:RSA"},
    "signed-rs256": SIGNED,
    "signed-es256": SIGNED | {"algorithms": ["ES256"]},
    "rsa-gcm": SIGNED | {"decryption_key": "env:RSA"},
    "rsa-cbc": SIGNED | {"decryption_key": "env:RSA"},
    "ecdh-gcm": SIGNED | {"decryption_key": "env:CLIENT"},
}
MINTING = """
[policy]
scopes = ["read"]
[mint]
keys = ["env:MINT"]
issuer = "https://gateway.example"
audience = "orders"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with oidc_provider(tmp_path_factory.mktemp("oidc"), clients=CLIENTS) as running:
        yield running


def settings(server, name, **changed):
    """[introspection] for the way *name*, with [mint]."""
    keys = {"keys": f"{server.issuer}/jwks"} if WAYS[name]["answer"] == "signed" else {}
    values = {
        "endpoint": server.introspection_endpoint,
        "issuer": server.issuer,
        "client_id": f"gateway-{name}",
        **WAYS[name],
        **keys,
        **changed,
    }
    return "\n".join([MINTING, "[introspection]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())])


def exchange(gate, token):
    """What /exchange says about *token*."""
    return ask(int(gate.listen.rpartition(":")[2]), "/exchange", token=token)


@pytest.mark.parametrize("name", WAYS)
def test_an_opaque_token_becomes_a_jwt_of_ours(tmp_path, server, name):
    with phantomgate(tmp_path, settings(server, name), environ=ENVIRON) as gate:
        good, poor, revoked = server.issue("read write"), server.issue("write"), server.issue()
        server.revoke(revoked)
        said = exchange(gate, good)
        assert 200 == said.status, gate.said(said.json["decision"])
        published = ask(int(gate.listen.rpartition(":")[2]), "/.well-known/jwks.json")
        refused = [exchange(gate, token).status for token in (poor, revoked, "never-issued")]

    rules = access_token_rules("https://gateway.example", ["orders"], required=RFC_9068)
    keys = read_key_set(published.body, ["ES256"])
    claims = verify(said.json["access_token"], keys, rules, time.time()).claims
    assert ("read write", "service", "service") == (claims["scope"], claims["client_id"], claims["sub"])
    assert 0 < claims["exp"] - claims["iat"] <= 120
    assert [403, 401, 401] == refused


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("es256", {"client_key": "env:MINT"}, "client_refused"),
        ("es256", {"assertion_audience": "https://other.example"}, "client_refused"),
        ("signed-rs256", {"algorithms": ["ES256"]}, "bad_answer"),
        ("signed-rs256", {"decryption_key": "env:RSA"}, "bad_answer"),
        ("rsa-gcm", {"decryption_key": "env:CLIENT"}, "bad_answer"),
        ("signed-rs256", {"issuer": "https://other.example"}, "bad_answer"),
    ],
)
def test_what_does_not_fit_is_a_502_and_never_a_401(tmp_path, server, name, changed, why):
    with phantomgate(tmp_path, settings(server, name, **changed), environ=ENVIRON) as gate:
        said = exchange(gate, server.issue())
        assert (502, why) == (said.status, gate.said(said.json["decision"])["reason"])
