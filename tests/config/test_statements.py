"""answer = "signed": wired whole from the settings, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from phantomgate.backends.blocking import finish
from phantomgate.config.checks import problems_between
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Introspection, Mint, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Headers, Request
from phantomgate.testing import FakeHttp, reply
from tokens import NOW

KEY = RSAKey.generate_key(2048, {"kid": "k1"})
ENVIRON = {"SECRET": "s", "MINT": ECKey.generate_key("P-256").as_pem(private=True).decode(), "JUNK": "canary"}
SIGNED = Settings(
    introspection=Introspection(
        "https://as.example/",
        "gateway",
        "env:SECRET",
        answer="signed",
        issuer="https://as.example",
        keys="https://as.example/jwks",
    ),
    mint=Mint(("env:MINT",), "https://gateway.example", "orders"),
)


def changed(**introspection):
    return replace(SIGNED, introspection=replace(SIGNED.introspection, **introspection))


def test_a_signed_answer_becomes_a_jwt_of_ours(clock, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    made = wire(changed(keys=f"file:{path}"), environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks)
    facts = {"active": True, "sub": "ann", "exp": NOW + 60}
    claims = {"iss": "https://as.example", "aud": "gateway", "iat": NOW, "token_introspection": facts}
    header = {"alg": "RS256", "kid": "k1", "typ": "token-introspection+jwt"}
    signed = jwt.encode(header, claims, KEY, algorithms=["RS256"])
    made.introspect.http = FakeHttp(reply(200, signed, content_type="application/token-introspection+jwt"))

    decision = finish(made.gateway.decide(Request("GET", "/", Headers.of([("Authorization", "Bearer t")]))))

    assert decision.upstream.jwt.count(".") == 2
    assert decision.upstream.jwt != signed
    finish(made.close())


@pytest.mark.parametrize(
    ("settings", "blamed"),
    [
        (SIGNED, []),
        (replace(SIGNED, mint=Mint()), ["introspection.answer"]),
        (changed(keys="", issuer=""), ["introspection.issuer", "introspection.keys"]),
        (changed(answer="json"), ["introspection.keys"]),
        (changed(answer="json", keys="", decryption_key="env:MINT"), ["introspection.decryption_key"]),
        (changed(algorithms=()), ["introspection.algorithms"]),
        (changed(keys="http://as.example/jwks"), ["introspection.keys"]),
        (changed(keys="http://127.0.0.1/jwks"), []),
    ],
)
def test_signed_answers_need_all_that_opens_them(settings, blamed):
    assert [name for name, _ in problems_between(settings)] == blamed


def test_a_decryption_key_that_is_none_is_told_at_start():
    [problem] = unmet(changed(decryption_key="env:JUNK"), ENVIRON)
    assert problem.setting == "introspection.decryption_key"
    assert "variable JUNK, which holds no key" in problem.message
    assert "canary" not in problem.message
