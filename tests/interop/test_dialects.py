"""A real authorization server's dialects of introspection, and ways to show who we are: what comes out is a JWT of ours
that the keys we publish verify.
"""

from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from interop.minting import MINT_ENVIRON, OURS, exchange, minting, verified
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate

pytestmark = pytest.mark.interop

CLIENT, EDWARDS, RSA = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)
SECRET = "a-secret-that-is-long-enough-for-hs256"
ENVIRON = {
    **MINT_ENVIRON,
    "SECRET": SECRET,
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


def encrypted(name, key, alg, enc, signed_by="RS256", **more):
    wanted = {"introspection_encrypted_response_alg": alg, "introspection_encrypted_response_enc": enc}
    return signed(name, signed_by, **{"jwks": public(key, use="enc", alg=alg)} | wanted | more)


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
    encrypted("ecdh-cbc", CLIENT, "ECDH-ES", "A128CBC-HS256", "ES256"),
    encrypted(
        "without-secrets",
        RSA,
        "RSA-OAEP-256",
        "A256GCM",
        "ES256",
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="ES256",
        jwks={"keys": public(CLIENT, use="sig")["keys"] + public(RSA, use="enc", alg="RSA-OAEP-256")["keys"]},
    ),
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
    "ecdh-cbc": SIGNED | {"decryption_key": "env:CLIENT", "algorithms": ["ES256"]},
    "without-secrets": {
        "answer": "signed",
        "client_auth": "private_key_jwt",
        "client_key": "env:CLIENT",
        "decryption_key": "env:RSA",
        "algorithms": ["ES256"],
    },
}
CLIENT_AUTH = {"client_secret_basic": "basic", "client_secret_post": "post"}


def words(name):
    """The way *name* in the matrix: the dialect, and how we show who we are, as the server knows it."""
    (known,) = [one for one in CLIENTS if one["client_id"] == f"gateway-{name}"]
    dialect = "opaque, JSON (RFC 7662)"
    if signed_by := known.get("introspection_signed_response_alg"):
        dialect = f"opaque, signed JSON (RFC 9701), {signed_by}"
    if alg := known.get("introspection_encrypted_response_alg"):
        dialect += f", encrypted by {alg} with {known['introspection_encrypted_response_enc']}"
    method = known.get("token_endpoint_auth_method", "client_secret_basic")
    by = f", {known['token_endpoint_auth_signing_alg']}" if method == "private_key_jwt" else ""
    return dialect, f"`{CLIENT_AUTH.get(method, method)}`{by}"


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
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([minting(), "[introspection]", *lines])


@pytest.mark.parametrize("name", WAYS)
def test_an_opaque_token_becomes_a_jwt_of_ours(tmp_path, server, matrix, name):
    with phantomgate(tmp_path, settings(server, name), environ=ENVIRON) as gate:
        good, poor, revoked = server.issue("read write"), server.issue("write"), server.issue()
        server.revoke(revoked)
        claims = verified(gate, exchange(gate, good))
        refused = [exchange(gate, token).status for token in (poor, revoked, "never-issued")]
    assert ("read write", "service", "service") == (claims["scope"], claims["client_id"], claims["sub"])
    assert 0 < claims["exp"] - claims["iat"] <= 120
    assert [403, 401, 401] == refused
    matrix.record(server, *words(name), OURS)


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


def test_a_signed_answer_by_a_new_key_is_used_when_the_key_was_fetched(tmp_path, server):
    with phantomgate(tmp_path, settings(server, "signed-rs256"), environ=ENVIRON) as gate:
        before = verified(gate, exchange(gate, server.issue("read")))
        server.rotate()
        after = verified(gate, exchange(gate, server.issue("read write")))
    assert ["read", "read write"] == [claims["scope"] for claims in (before, after)]
