"""`phantomgate probe`, as a process, at real authorization servers: the settings that it prints are pasted into a
gateway, which lets a real token in with a JWT that its issuer, or we, have signed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

import phantomgate as package
from interop.asking import ask
from interop.canaille_server import canaille
from interop.django_oauth_toolkit_server import django_oauth_toolkit
from interop.glewlwyd_server import glewlwyd
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate
from phantomgate.cli.probing.words import CUT
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.oauth.unverified import read_unverified

pytestmark = pytest.mark.interop

LONG = "a-secret-that-is-long-enough-for-hs256"
KEY, RSA = ECKey.generate_key("P-256"), RSAKey.generate_key(2048)
SECRETS = {
    "GATEWAY_SECRET": "gateway-secret",
    "SERVICE_SECRET": "service-secret",
    "LONG": LONG,
    "MINT_KEY": ECKey.generate_key("P-256").as_pem(private=True).decode(),
    "KEY": KEY.as_pem(private=True).decode(),
    "RSA": RSA.as_pem(private=True).decode(),
}
GATEWAY = ("--client-id", "gateway", "--client-secret", "env:GATEWAY_SECRET")


class Probed:
    """What came of a probe: the exit code, both streams, and that no secret is in them."""

    def __init__(self, *words, token="", **environ):
        given = ["--token", "-"] if token else []
        done = subprocess.run(
            [sys.executable, "-m", "phantomgate", "probe", *words, *given],
            input=token + "\n",
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **SECRETS, **environ, "PYTHONPATH": str(Path(package.__file__).parents[1])},
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        for secret in (*SECRETS.values(), token):
            assert not secret or secret not in self.out + self.err

    @property
    def settings(self):
        """What a person copies: all below the line."""
        return self.out.split(CUT)[1].partition("\n")[2]


def exchanged(folder, settings, token):
    """What a gateway with the pasted *settings* gives for *token*, and for one that nobody issued."""
    folder.mkdir(exist_ok=True)
    with phantomgate(folder, settings, environ=SECRETS) as gate:
        port = int(gate.listen.rpartition(":")[2])
        said, other = ask(port, "/exchange", token=token), ask(port, "/exchange", token="never-issued")
        assert 200 == said.status, gate.said(said.json["decision"])
        assert 401 == other.status
    return read_unverified(said.json["access_token"])


@contextmanager
def development(**more):
    clients = [
        Client("gateway", "gateway-secret", introspects=True),
        Client("service", "service-secret", scopes=frozenset(("read",)), introspects=True),
    ]
    server = DevelopmentServer(clients, **more)
    with server.running_in_thread() as issuer:
        yield server, issuer


def test_the_development_server_has_a_jwt_to_give_and_its_audience_is_found(tmp_path):
    with development() as (server, issuer):
        token = server.issue("service", "read", subject="ann")
        probed = Probed(issuer, *GATEWAY, token=token)
        assert (0, 'answer        = "jwt"' in probed.settings) == (probed.code, True), probed.out + probed.err
        assert 'verify        = "signature"' in probed.settings
        assert 'audiences = ["sample-api"]' in probed.settings
        said = exchanged(tmp_path, probed.settings, token)
    assert ("ann", issuer) == (said.claims["sub"], said.claims["iss"])


def test_a_jwt_of_the_development_server_is_verified_without_a_client(tmp_path):
    with development() as (server, issuer):
        jwt = server.jwt(server.issue("service", "read", subject="ann"))
        probed = Probed(issuer, token=jwt)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path, probed.settings, jwt)
    assert ('mode       = "verify"' in probed.settings, "ann") == (True, said.claims["sub"])


def test_a_token_by_client_credentials_will_do(tmp_path):
    with development() as (server, issuer):
        words = ("--client-id", "service", "--client-secret", "env:SERVICE_SECRET")
        probed = Probed(issuer, *words, "--grant", "client_credentials", "--scope", "read")
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path, probed.settings, server.issue("service", "read"))
    assert ("service", '# scopes = ["read"]' in probed.settings) == (said.claims["client_id"], True)


def test_the_settings_are_written_to_a_file_and_never_over_one(tmp_path):
    file = tmp_path / "phantomgate.toml"
    with development() as (server, issuer):
        token = server.issue("service", "read")
        probed = Probed(issuer, *GATEWAY, "--write", str(file), token=token)
        assert (0, probed.settings) == (probed.code, file.read_text())
        again = Probed(issuer, *GATEWAY, "--write", str(file), token=token)
    assert (2, "") == (again.code, again.out)
    assert "is there already" in again.err


def test_oidc_provider_has_no_jwt_to_give_so_one_is_minted(tmp_path):
    with oidc_provider(tmp_path) as server:
        token = server.issue("read write")
        probed = Probed(server.issuer, *GATEWAY, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert ('answer        = "json"' in probed.settings, "[mint]" in probed.settings) == (True, True)
    assert ("https://gateway.example", "read write") == (said.claims["iss"], said.claims["scope"])


def test_oidc_provider_with_a_jwt_in_its_json_needs_no_minting(tmp_path):
    with oidc_provider(tmp_path, "phantom_token") as server:
        token = server.issue("read write")
        probed = Probed(server.issuer, *GATEWAY, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert ('answer        = "json"' in probed.settings, "[mint]" in probed.settings) == (True, False)
    assert server.issuer == said.claims["iss"]


def test_a_client_of_oidc_provider_whose_tokens_it_may_not_see_is_told_so(tmp_path):
    with oidc_provider(tmp_path) as server:
        words = ("--client-id", "service", "--client-secret", "env:SERVICE_SECRET")
        probed = Probed(server.issuer, *words, "--grant", "client_credentials", "--scope", "read")
    assert (1, False) == (probed.code, CUT in probed.out)
    assert "inactive: the authorization server says the token is not active" in probed.out
    assert "none that this client may ask about" in probed.out


def test_a_wrong_secret_at_oidc_provider_is_tried_no_more_than_three_times(tmp_path):
    with oidc_provider(tmp_path) as server:
        probed = Probed(server.issuer, *GATEWAY, token=server.issue(), GATEWAY_SECRET=LONG)
    asked = [line for line in probed.err.splitlines() if "a made-up token" in line]
    assert (1, 3) == (probed.code, len(asked))
    assert "client_refused" in probed.out
    assert "your token" not in probed.err


CLIENTS = [
    {
        "client_id": "gateway-key",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks": {"keys": [KEY.as_dict(private=False) | {"kid": KEY.thumbprint(), "use": "sig"}]},
    },
    {
        "client_id": "gateway-signed",
        "client_secret": LONG,
        "introspection_signed_response_alg": "ES256",
    },
    {
        "client_id": "gateway-sealed",
        "client_secret": LONG,
        "introspection_signed_response_alg": "RS256",
        "introspection_encrypted_response_alg": "RSA-OAEP-256",
        "introspection_encrypted_response_enc": "A256GCM",
        "jwks": {"keys": [RSA.as_dict(private=False) | {"kid": "sealed", "use": "enc", "alg": "RSA-OAEP-256"}]},
    },
]
WITH_KEY = ("--client-id", "gateway-key", "--client-key", "env:KEY")
SIGNED = ("--client-id", "gateway-signed", "--client-secret", "env:LONG")
SEALED = ("--client-id", "gateway-sealed", "--client-secret", "env:LONG", "--decryption-key", "env:RSA")


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (WITH_KEY, ['client_auth = "private_key_jwt"', 'client_key  = "env:KEY"', 'answer      = "json"']),
        (SIGNED, ['answer        = "json"']),  # which it gives too, and needs no keys
        (SEALED, ['answer         = "signed"', 'decryption_key = "env:RSA"', 'algorithms     = ["RS256"']),
    ],
    ids=["by key", "signed", "encrypted"],
)
def test_what_a_client_of_oidc_provider_is_registered_for_is_found(tmp_path, words, pieces):
    with oidc_provider(tmp_path, clients=CLIENTS) as server:
        token = server.issue("read write")
        probed = Probed(server.issuer, *words, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert pieces == [piece for piece in pieces if piece in probed.settings], probed.settings
    assert ("https://gateway.example", "read write") == (said.claims["iss"], said.claims["scope"])
    assert words is WITH_KEY or "  ok  signed JSON" in probed.out


@pytest.mark.parametrize("start", [django_oauth_toolkit, canaille])
def test_a_server_of_json_alone_has_a_jwt_minted(tmp_path, start):
    with start(tmp_path) as server:
        token = server.issue("read write")
        probed = Probed(server.issuer, *GATEWAY, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert ("https://gateway.example", "service") == (said.claims["iss"], said.claims["sub"])
    assert ('audiences = ["gateway"]' in probed.settings) == (server.name == "Canaille")


def test_a_user_of_django_is_found_under_his_username(tmp_path):
    with django_oauth_toolkit(tmp_path) as server:
        token = server.issue_to("ann")
        probed = Probed(server.issuer, *GATEWAY, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert ("ann", 'subject  = "username"' in probed.settings) == (said.claims["sub"], True)


def test_canaille_tells_a_stranger_nothing_and_probe_says_so(tmp_path):
    with canaille(tmp_path) as server:
        words = ("--client-id", "stranger", "--client-secret", "env:STRANGER_SECRET")
        probed = Probed(server.issuer, *words, token=server.issue(), STRANGER_SECRET="stranger-secret")
    assert (1, True) == (probed.code, "none that this client may ask about" in probed.out)


def test_a_jwt_of_glewlwyd_is_verified_and_no_secret_is_needed(tmp_path):
    with glewlwyd(tmp_path) as server:
        token = server.issue("read")
        probed = Probed(server.issuer, *GATEWAY, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert ('mode       = "verify"' in probed.settings, "secret" in probed.settings) == (True, False)
    assert "service" == said.claims["client_id"]


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_jwt_of_oidc_provider_is_verified_by_the_algorithm_it_was_signed_with(tmp_path, alg):
    resource = f"https://api.example/{alg}"
    with oidc_provider(tmp_path) as server:
        token = server.issue("read", resource=resource)
        probed = Probed(server.issuer, token=token)
        assert 0 == probed.code, probed.out + probed.err
        said = exchanged(tmp_path / "gate", probed.settings, token)
    assert f'audiences  = ["{resource}"]\nalgorithms = ["{alg}"]' in probed.settings
    assert resource == said.claims["aud"]


def test_glewlwyd_without_a_token_is_asked_in_json(tmp_path):
    """Its `application/jwt` is a 400 for an inactive token, so only JSON is an answer to all."""
    with glewlwyd(tmp_path) as server:
        words = ("--client-id", "service", "--client-secret", "env:SERVICE_SECRET")
        probed = Probed(server.issuer, *words, "--json")
        story = json.loads(probed.out)
        ways = {one["way"]: one["result"] for one in story["ways"]}
        assert (0, "does not", "works") == (probed.code, ways["application/jwt"], ways["JSON, JWT minted here"])
        said = exchanged(tmp_path / "gate", story["settings"], server.issue("read"))
    assert "https://gateway.example" == said.claims["iss"]


def test_nobody_there_is_1():
    probed = Probed("http://127.0.0.1:9", *GATEWAY, token="never-issued")
    assert (1, "no connection to" in probed.out) == (probed.code, True)
