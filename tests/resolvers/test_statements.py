"""RFC 9701: answers that the server signed, for us, now; whatever else comes is a 502 and says nothing of a token."""

import json

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, RSAKey

from phantomgate.backends.jose import decrypter
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.signed_introspection import statement_rules
from phantomgate.resolvers.held import Fixed, Held
from phantomgate.resolvers.introspect import Introspect
from phantomgate.resolvers.keys import keys_at
from phantomgate.resolvers.statements import Statements
from phantomgate.testing import FakeHttp, each_by_itself, reply
from tokens import NOW

ISSUER = "https://as.example"
KEY, OTHER = (RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256"}) for kid in ("k1", "k2"))
OURS = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
FACTS = {"active": True, "sub": "ann", "scope": "read", "exp": NOW + 60}
SIGNED = "application/token-introspection+jwt"


def jwks(*keys):
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def statement(facts=FACTS, *, key=KEY, header=None, **changed):
    claims = {"iss": ISSUER, "aud": "gateway", "iat": NOW, "token_introspection": facts} | changed
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "RS256", "typ": "token-introspection+jwt", "kid": key.kid} | (header or {})
    return jwt.encode(head, claims, key, algorithms=["RS256"])


def encrypted(text, key, alg="RSA-OAEP-256", enc="A256GCM", **more):
    return jwe.encrypt_compact({"alg": alg, "enc": enc, "cty": "JWT"} | more, text, key, algorithms=[alg, enc, "DEF"])


def ask(drive, clock, answer, *, keys=None, decrypt=None, content_type=SIGNED):
    answer = answer if not isinstance(answer, str) else reply(200, answer, content_type=content_type)
    http = FakeHttp(answer)
    keys = keys or Fixed(read_key_set(jwks(KEY), ["RS256"]))
    asking = Introspect(
        http,
        "https://as.example/introspect",
        client_secret_basic("gateway", "s"),
        now=clock.now,
        ticks=clock.ticks,
        answer="signed",
        issuer=ISSUER,
        without_jwt=300.0,
        statements=Statements(keys, statement_rules(ISSUER, "gateway"), decrypt=decrypt),
    )
    token = drive(asking.resolve(Credential("t0ken"), Route("r")))
    assert ("Accept", SIGNED) in http.calls[0].headers
    return token


def refused(drive, clock, answer, **more):
    with pytest.raises(Refused) as no:
        ask(drive, clock, answer, **more)
    return no.value


def test_a_signed_answer_gives_facts_and_never_a_jwt(drive, clock):
    token = ask(drive, clock, statement())

    assert (token.jwt, token.claims["sub"], token.expires_at) == ("", "ann", NOW + 60)
    assert token.claims["iss"] == ISSUER
    assert token.scopes == {"read"}


def test_a_jwt_inside_is_not_taken_either(drive, clock):
    assert ask(drive, clock, statement({**FACTS, "jwt": "a.b.c"})).jwt == ""
    assert "jwt" not in ask(drive, clock, statement({**FACTS, "jwt": "a.b.c"})).claims


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"active": False}, Reason.INACTIVE),
        ({"active": "false"}, Reason.BAD_ANSWER),
        ({}, Reason.BAD_ANSWER),
        ({**FACTS, "exp": NOW}, Reason.EXPIRED),
        ({**FACTS, "iss": "https://other.example"}, Reason.BAD_ANSWER),
        ({**FACTS, "cnf": {"jkt": "x"}}, Reason.BOUND_TOKEN),
    ],
)
def test_what_it_says_of_the_token_is_judged_as_ever(drive, clock, facts, reason):
    assert refused(drive, clock, statement(facts)).reason is reason


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"iat": None},
        {"iat": NOW - 61},
        {"iat": NOW + 6},
        {"iat": "now"},
        {"exp": NOW},
        {"nbf": NOW + 60},
        {"facts": None},
        {"facts": "active"},
        {"facts": [FACTS]},
        {"key": OTHER},
        {"header": {"typ": "at+jwt"}},
        {"header": {"typ": "JWT"}},
        {"header": {"jku": "https://evil.example"}},
        {"header": {"kid": "k9"}},
    ],
    ids=lambda changed: "another key" if "key" in changed else repr(changed),
)
def test_a_statement_of_another_for_another_or_of_yesterday_is_a_502(drive, clock, changed):
    no = refused(drive, clock, statement(**changed))

    assert no.reason is Reason.BAD_ANSWER
    assert "signed answer" in no.detail


def test_a_statement_a_minute_old_will_do(drive, clock):
    assert ask(drive, clock, statement(iat=NOW - 60)).claims["sub"] == "ann"
    assert ask(drive, clock, statement(aud=["other", "gateway"])).claims["sub"] == "ann"


@pytest.mark.parametrize("body", ['{"active": true}', '{"active": false}', "e30.e30.", "", "a.b.c", statement() + ".x"])
def test_what_is_not_signed_says_nothing(drive, clock, body):
    for content_type in (SIGNED, "application/json", "application/jwt"):
        assert refused(drive, clock, body, content_type=content_type).reason is Reason.BAD_ANSWER


def test_a_good_statement_under_another_name_is_not_one(drive, clock):
    assert refused(drive, clock, statement(), content_type="application/jwt").reason is Reason.BAD_ANSWER
    assert refused(drive, clock, reply(204)).reason is Reason.BAD_ANSWER
    assert refused(drive, clock, reply(401)).reason is Reason.CLIENT_REFUSED
    assert isinstance(refused(drive, clock, reply(503)), Unavailable)


def test_a_rotated_key_is_fetched_once_and_keys_that_can_not_be_had_are_a_503(drive, clock):
    def held(*answers):
        async def where():
            return "https://as.example/jwks"

        http = FakeHttp(answers)
        fetch = keys_at(http, where, ["RS256"], timeout=1.0)
        return http, Held("keys", fetch, each_by_itself, ticks=clock.ticks)

    http, keys = held(reply(200, jwks(KEY)), reply(200, jwks(KEY, OTHER)))
    assert ask(drive, clock, statement(), keys=keys).claims["sub"] == "ann"
    assert ask(drive, clock, statement(key=OTHER), keys=keys).claims["sub"] == "ann"
    assert refused(drive, clock, statement(header={"kid": "k9"}), keys=keys).reason is Reason.BAD_ANSWER
    assert len(http.calls) == 2
    assert isinstance(refused(drive, clock, statement(), keys=held(Unavailable("gone"))[1]), Unavailable)


@pytest.mark.parametrize(("key", "alg"), [(OURS, "RSA-OAEP-256"), (EC, "ECDH-ES")], ids=["RSA-OAEP-256", "ECDH-ES"])
@pytest.mark.parametrize("enc", ["A256GCM", "A128CBC-HS256"])
def test_an_encrypted_statement_is_decrypted_and_then_verified(drive, clock, key, alg, enc):
    decrypt = decrypter(key.as_pem(private=True).decode())

    assert ask(drive, clock, encrypted(statement(), key, alg, enc), decrypt=decrypt).claims["sub"] == "ann"
    no = refused(drive, clock, encrypted(statement(key=OTHER), key, alg, enc), decrypt=decrypt)
    assert (no.reason, "signed answer" in no.detail) == (Reason.BAD_ANSWER, True)


@pytest.mark.parametrize(
    "answer",
    [
        statement(),
        encrypted(statement(), RSAKey.generate_key(2048)),
        encrypted(statement(), OURS)[:-4] + "AAAA",
        encrypted(statement(), OURS, enc="A128GCM"),
        encrypted(statement(), OURS, zip="DEF"),
        encrypted("å", OURS),
        encrypted(json.dumps(FACTS), OURS),
        "a.b.c.d.e",
        "e30.a.b.c.d",
        "x" * 70_000,
    ],
    ids=range(10),
)
def test_with_a_decryption_key_nothing_but_a_good_encrypted_statement_is_used(drive, clock, answer):
    decrypt = decrypter(OURS.as_pem(private=True).decode())
    assert refused(drive, clock, answer, decrypt=decrypt).reason is Reason.BAD_ANSWER


def test_an_encrypted_statement_without_a_key_is_a_502(drive, clock):
    assert refused(drive, clock, encrypted(statement(), OURS)).reason is Reason.BAD_ANSWER


def test_a_key_that_can_not_decrypt_is_refused():
    for text in (OURS.as_pem(private=False).decode(), "canary"):
        with pytest.raises(ValueError, match=r"^holds ") as no:
            decrypter(text)
        assert "canary" not in str(no.value)
