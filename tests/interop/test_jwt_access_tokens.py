"""JWT access tokens of real servers (RFC 9068), verified by the keys that those publish: nobody is asked about them."""

from __future__ import annotations

import json
import urllib.request

import pytest

from interop.glewlwyd_server import RESOURCE, glewlwyd
from interop.minting import MINT_ENVIRON, OURS, decide, minting, verified
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate

pytestmark = pytest.mark.interop

RESOURCES = {alg: f"https://api.example/{alg}" for alg in ("RS256", "ES256")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with oidc_provider(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running


def gateway(folder, server, alg, **changed):
    """phantomgate that verifies this server's tokens, its keys found in its metadata."""
    values = {
        "name": "as",
        "issuer": server.issuer,
        "mode": "verify",
        "audiences": [RESOURCES[alg]],
        "algorithms": [alg],
        **changed,
    }
    return phantomgate(folder, '[policy]\nscopes = ["read"]\n' + table("[[issuers]]", values))


def table(head, values):
    """A table of TOML."""
    return "\n".join([head, *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""])


def kid(server):
    """Which of its keys verify RS256 now."""
    with urllib.request.urlopen(f"{server.issuer}/jwks") as said:
        return [key["kid"] for key in json.load(said)["keys"] if key["alg"] == "RS256"]


@pytest.mark.parametrize("alg", RESOURCES)
def test_a_jwt_is_verified_and_goes_upstream_as_it_is(tmp_path, server, matrix, alg):
    with gateway(tmp_path, server, alg) as gate:
        token = server.issue("read write", resource=RESOURCES[alg])
        said = decide(gate, token)
        assert 200 == said.status, gate.said(said.json["decision"])
        assert f"Bearer {token}" == said.one("authorization")
        assert 0 < int(said.one("x-accel-expires")) <= 120
        assert 403 == decide(gate, server.issue("write", resource=RESOURCES[alg])).status
    matrix.record(server, f"JWT (RFC 9068), {alg}, verified by its keys", "nobody is asked", "the token itself")


def test_a_jwt_that_is_changed_for_another_api_or_by_another_algorithm_is_refused(tmp_path, server):
    other = RESOURCES["ES256"]
    with gateway(tmp_path, server, "RS256") as gate:
        good = server.issue(resource=RESOURCES["RS256"])
        head, body, signature = good.split(".")
        flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
        bad = [f"{head}.{body}.{flipped}", server.issue(resource=other), server.issue()]
        said = [decide(gate, token) for token in [good, *bad]]
        assert [200, 401, 401, 401] == [one.status for one in said]
        assert {"invalid_token"} == {one.json["error"] for one in said[1:]}


def test_a_new_key_is_fetched_and_a_removed_one_verifies_nothing_more(tmp_path, server):
    """What it verified before is remembered as long as the keys were to be used anyway; here that is not looked at."""
    resource = RESOURCES["RS256"]
    with gateway(tmp_path, server, "RS256") as gate:
        unseen = server.issue(resource=resource)
        assert 200 == decide(gate, server.issue(resource=resource)).status
        old = kid(server)

        server.rotate()
        after = server.issue(resource=resource)

        assert old != kid(server)
        assert [200, 401] == [decide(gate, token).status for token in (after, unseen)]


@pytest.mark.parametrize("found", [{}, {"keys": "{issuer}/jwks"}], ids=["metadata", "keys"])
def test_a_jwt_of_glewlwyd_is_verified_by_the_key_in_its_metadata_or_at_its_address(tmp_path, other, matrix, found):
    where = {name: value.format(issuer=other.issuer) for name, value in found.items()}
    with gateway(tmp_path, other, "RS256", audiences=[RESOURCE], **where) as gate:
        token = other.issue("read write", resource=RESOURCE)
        said = decide(gate, token)
        assert 200 == said.status, gate.said(said.json["decision"])
        assert f"Bearer {token}" == said.one("authorization")
        assert [403, 401] == [
            decide(gate, other.issue(scope, **more)).status
            for scope, more in (("write", {"resource": RESOURCE}), ("read", {}))
        ]
    matrix.record(other, "JWT (RFC 9068), RS256, verified by its keys", "nobody is asked", "the token itself")


def test_a_jwt_of_glewlwyd_that_is_verified_and_asked_about_becomes_ours_until_it_is_revoked(tmp_path, other, matrix):
    """By its keys alone it would be good until it expires."""
    issuer = {
        "name": "as",
        "issuer": other.issuer,
        "mode": "both",
        "audiences": [RESOURCE],
        "algorithms": ["RS256"],
        "keys": f"{other.issuer}/jwks",
    }
    asked = {
        "endpoint": other.introspection_endpoint,
        "client_id": RESOURCE,
        "client_secret": "env:GATEWAY_SECRET",
        "client_auth": "post",
        "answer": "json",
    }
    text = minting() + table("[[issuers]]", issuer) + table("[issuers.introspection]", asked)
    with phantomgate(tmp_path, text, environ=MINT_ENVIRON) as gate:
        good, revoked = (other.issue("read write", resource=RESOURCE) for _ in range(2))
        other.revoke(revoked)
        claims = verified(gate, decide(gate, good))
        assert ("read write", "service", "service") == (claims["scope"], claims["client_id"], claims["sub"])
        head, body, signature = good.split(".")
        flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
        assert [401, 401] == [decide(gate, token).status for token in (revoked, f"{head}.{body}.{flipped}")]
    matrix.record(other, "JWT (RFC 9068), RS256, verified by its keys and asked about in JSON", "`post`", OURS)


def test_a_jwt_that_oidc_provider_will_not_answer_about_is_a_502(tmp_path, server, matrix):
    """It answers 400, `unsupported_token_type`: such tokens are to be verified."""
    with phantomgate(tmp_path, minting() + server.settings(answer="json"), environ=MINT_ENVIRON) as gate:
        said = decide(gate, server.issue(resource=RESOURCES["RS256"]))
        line = gate.said(said.json["decision"])
    assert (502, "bad_answer") == (said.status, line["reason"])
    assert "status 400" in line["detail"]
    matrix.record(server, "JWT (RFC 9068), asked about in JSON", "`basic`", "502: the server answers 400")
