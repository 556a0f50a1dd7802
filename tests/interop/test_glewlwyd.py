"""Glewlwyd's other answers: JSON, and JSON that it has signed (RFC 9701); what goes upstream is a JWT of ours.

Its statements are for whom the token is for, and RFC 9701 §5 wants them to be for the client that asked. Both are the
same where the API asks by a client that has the API's own name, and only such a statement is used.
"""

from __future__ import annotations

import pytest

from interop.glewlwyd_server import RESOURCE, glewlwyd
from interop.minting import MINT_ENVIRON, OURS, decide, exchange, minting, verified
from interop.phantomgate_server import phantomgate

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running


def gateway(folder, server, **introspection):
    """phantomgate that mints, and asks as the API itself."""
    values = {"client_id": RESOURCE, "client_auth": "post", "issuer": server.issuer, **introspection}
    return phantomgate(folder, minting() + server.settings(**values), environ=MINT_ENVIRON)


def signed(server, **more):
    return {"answer": "signed", "keys": f"{server.issuer}/jwks", **more}


def test_a_signed_answer_becomes_a_jwt_of_ours(tmp_path, server, matrix):
    with gateway(tmp_path, server, **signed(server)) as gate:
        token = server.issue("read write", resource=RESOURCE)
        for said in (decide(gate, token), exchange(gate, token)):
            claims = verified(gate, said)
            assert ("read write", "service") == (claims["scope"], claims["client_id"])
            assert 0 < claims["exp"] - claims["iat"] <= 120
        assert 403 == decide(gate, server.issue("write", resource=RESOURCE)).status
    matrix.record(server, "opaque, signed JSON (RFC 9701), RS256", "`post`", OURS)


def test_a_signed_answer_for_somebody_else_is_a_502(tmp_path, server, matrix):
    with gateway(tmp_path, server, **signed(server)) as gate:
        said = decide(gate, server.issue("read write"))
        line = gate.said(said.json["decision"])
    assert (502, "bad_answer") == (said.status, line["reason"])
    assert "aud is 'read write', want one of https://api.example" in line["detail"]
    outcome = "502: `aud` is the scope and not our client (RFC 9701 §5)"
    matrix.record(server, "opaque, signed JSON (RFC 9701), RS256, no resource asked for", "`post`", outcome)


def test_an_answer_by_a_key_that_is_not_the_servers_is_a_502(tmp_path, tmp_path_factory, server):
    with glewlwyd(tmp_path_factory.mktemp("other")) as other:
        keys = f"{other.issuer}/jwks"
        with gateway(tmp_path, server, **signed(server, keys=keys)) as gate:
            said = decide(gate, server.issue(resource=RESOURCE))
            assert (502, "bad_answer") == (said.status, gate.said(said.json["decision"])["reason"])


@pytest.mark.parametrize("answer", ["jwt", "signed"])
def test_a_jwt_asked_for_about_an_inactive_token_is_not_given_and_a_502(tmp_path, server, answer):
    """It answers 400 with nothing in it. In JSON it says what it means: `active` is false."""
    more = signed(server) if answer == "signed" else {"answer": answer}
    with gateway(tmp_path, server, **more) as gate:
        assert 502 == decide(gate, "never-issued").status


def test_json_becomes_a_jwt_of_ours_and_an_inactive_token_a_401(tmp_path, server, matrix):
    with gateway(tmp_path, server, answer="json") as gate:
        good, revoked = server.issue("read write"), server.issue("read")
        server.revoke(revoked)
        claims = verified(gate, decide(gate, good))
        assert ("read write", "service") == (claims["scope"], claims["sub"])
        assert [401, 401] == [decide(gate, token).status for token in (revoked, "never-issued")]
    matrix.record(server, "opaque, JSON (RFC 7662)", "`post`", OURS)


def test_its_application_jwt_is_no_access_token_for_minting_either(tmp_path, server):
    with gateway(tmp_path, server, answer="jwt") as gate:
        said = decide(gate, server.issue("read write", resource=RESOURCE))
        line = gate.said(said.json["decision"])
    assert (502, "bad_answer") == (said.status, line["reason"])
    assert "token-introspection+jwt" in line["detail"]
