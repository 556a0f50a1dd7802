"""The development server's answers, as `[mint]` takes them: plain JSON, JSON around a JWT, a JWT."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from interop.authorization_server import AuthorizationServer
from interop.minting import MINT_ENVIRON, OURS, decide, exchange, minting, verified
from interop.phantomgate_server import phantomgate
from phantomgate import __version__
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

CLIENTS = (
    Client("gateway", "gateway-secret", introspects=True),
    Client("service", "service-secret", scopes=frozenset({"read", "write"})),
)


@contextmanager
def development_server(*, member=False):
    """The server while the block runs; its JSON has a JWT in `phantom_token` with *member*."""
    with DevelopmentServer(CLIENTS, phantom_token_member=member).running_in_thread() as issuer:
        yield AuthorizationServer(
            name="our development server",
            version=__version__,
            issuer=issuer,
            token_endpoint=f"{issuer}/token",
            introspection_endpoint=f"{issuer}/introspect",
            revocation_endpoint=f"{issuer}/revoke",
        )


@pytest.mark.parametrize(
    ("answer", "member", "dialect"),
    [
        ("json", False, "opaque, JSON (RFC 7662)"),
        ("json", True, "opaque, JSON with a JWT in `phantom_token`"),
        ("jwt", False, "opaque, `application/jwt`"),
    ],
)
@pytest.mark.parametrize("client_auth", ["basic", "post"])
def test_whatever_the_answer_with_mint_a_jwt_of_ours_goes_upstream(
    tmp_path, matrix, answer, member, dialect, client_auth
):
    with development_server(member=member) as server:
        text = minting(max_age="60s") + server.settings(answer=answer, client_auth=client_auth, issuer=server.issuer)
        with phantomgate(tmp_path, text, environ=MINT_ENVIRON) as gate:
            token, poor, revoked = server.issue("read write"), server.issue("write"), server.issue("read")
            server.revoke(revoked)
            for said in (decide(gate, token), exchange(gate, token)):
                claims = verified(gate, said)
                assert ("read write", "service", "service") == (claims["scope"], claims["client_id"], claims["sub"])
                assert 0 < claims["exp"] - claims["iat"] <= 60
            assert [403, 401, 401] == [decide(gate, bad).status for bad in (poor, revoked, "never-issued")]
        matrix.record(server, dialect, f"`{client_auth}`", OURS)


@pytest.mark.parametrize(
    ("answer", "dialect"),
    [("json", "opaque, JSON with a JWT in `phantom_token`"), ("jwt", "opaque, `application/jwt`")],
)
def test_the_jwt_in_an_answer_goes_upstream_when_its_signature_is_verified_too(tmp_path, matrix, answer, dialect):
    with development_server(member=True) as server:
        more = {"verify": "signature", "keys": f"{server.issuer}/jwks", "algorithms": ["ES256"]}
        text = server.settings(answer=answer, issuer=server.issuer, **more)
        with phantomgate(tmp_path, text) as gate:
            said = decide(gate, server.issue("read"))
            assert 200 == said.status, gate.said(said.json["decision"])
        matrix.record(
            server, f"{dialect}, its signature verified", "`basic`", "the JWT in the answer, without `[mint]`"
        )


def test_json_without_a_jwt_is_a_502_unless_we_mint(tmp_path):
    with development_server() as server, phantomgate(tmp_path, server.settings(answer="json")) as gate:
        said = decide(gate, server.issue("read"))
        assert (502, "bad_answer") == (said.status, gate.said(said.json["decision"])["reason"])


def test_its_jwt_goes_upstream_as_it_is_unless_we_mint(tmp_path, matrix):
    with development_server() as server, phantomgate(tmp_path, server.settings(answer="jwt")) as gate:
        said = decide(gate, server.issue("read"))
        assert 200 == said.status
        matrix.record(server, "opaque, `application/jwt`", "`basic`", "the JWT in the answer, without `[mint]`")
