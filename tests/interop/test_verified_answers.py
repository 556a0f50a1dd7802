"""`verify = "signature"` over real HTTP: the development server's JWTs, held to the keys that its metadata names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.conftest import CLIENTS, ask
from phantomgate.backends.blocking import finish
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.demo.authorization_server import DevelopmentServer

SERVICE = ("service", "pa:ss %")
ASKED = Introspection(client_id="gateway", client_secret="env:SECRET", verify="signature", algorithms=("ES256",))


def decide(settings, token):
    wired = wire(settings, environ={"SECRET": "gateway-secret"}, write=str)
    try:
        return finish(wired.gateway.decide(Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))))
    finally:
        finish(wired.close())


def token_of(issuer):
    return ask(f"{issuer}/token", {"grant_type": "client_credentials"}, basic=SERVICE).json["access_token"]


@pytest.mark.parametrize("answer", ["jwt", "json"])
def test_what_the_issuer_signed_goes_upstream(answer):
    with DevelopmentServer(CLIENTS, phantom_token_member=True).running_in_thread() as issuer:
        decision = decide(Settings(introspection=replace(ASKED, issuer=issuer, answer=answer)), token_of(issuer))
        assert isinstance(decision, Allow)
        assert 2 == decision.upstream.jwt.count(".")


def test_what_another_signed_does_not():
    other = DevelopmentServer(CLIENTS)
    with DevelopmentServer(CLIENTS).running_in_thread() as issuer, other.running_in_thread() as stranger:
        asked = replace(ASKED, issuer=issuer, endpoint=f"{issuer}/introspect", keys=f"{stranger}/jwks")
        decision = decide(Settings(introspection=asked), token_of(issuer))
        assert (Reason.BAD_ANSWER, 502) == (decision.reason, decision.reason.status)
