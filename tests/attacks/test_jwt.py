"""JWT, META: what every verifier that was fooled once teaches the others, about tokens and key sets."""

from __future__ import annotations

import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jwk

from attacks.cases import attacks
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Token
from phantomgate.gateway.judge import scopes
from phantomgate.oauth.claims import read_scopes
from phantomgate.oauth.jwks import KeySet, read_key_set
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import ABSENT, RFC_9068, access_token_rules
from refusals import why_not
from signing import (
    ALL,
    AUDIENCE,
    CURVES,
    ISSUER,
    claims_of,
    fixed,
    key,
    key_set_body,
    keys,
    refusal,
    rsa_members,
    signature_of,
    signed,
    token,
    with_signature,
)
from tokens import NOW, segment

RS, PS, ES = key("RS256"), key("PS256"), key("ES256")
EVE = key("RS256", 9)
KEYS = keys(RS, PS, ES, key("ES384"), key("EdDSA"))
STRICT = access_token_rules(ISSUER, [AUDIENCE], required=RFC_9068)
LAX = access_token_rules(ISSUER, [AUDIENCE], types=["at+jwt", "JWT", ABSENT])
GOOD = token(RS)
HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")


def refused(jws: str, key_set: KeySet = KEYS) -> Refused:
    """The refusal of *jws*, by the strictest rules and by the laxest that can be configured alike."""
    no = refusal(verify, jws, key_set, LAX, NOW)
    assert refusal(verify, jws, key_set, STRICT, NOW).reason.status == no.reason.status == 401
    assert "invalid_token" == no.reason.error
    assert no.detail.isascii()
    assert no.detail.isprintable()
    assert len(no.detail) < 400
    return no


def with_secret(secret: bytes, alg: str = "HS256") -> str:
    data = f"{segment({'alg': alg, 'typ': 'at+jwt', 'kid': 'RS256-0'})}.{segment(claims_of())}"
    return f"{data}.{segment(hmac.digest(secret, data.encode(), getattr(hashlib, f'sha{alg[2:]}')))}"


def encrypted(alg: str, inner: str) -> str:
    """A JWE for our public key, as anybody can make one."""
    public = jwk.RSAKey.import_key({**RS.jwk, "use": "enc", "alg": alg})
    registry = jwe.JWERegistry(algorithms=[alg, "A128CBC-HS256"])
    return jwe.encrypt_compact({"alg": alg, "enc": "A128CBC-HS256"}, inner.encode(), public, registry=registry)


def wrapped(wrapping: object, encrypted_key: bytes = b"") -> str:
    """The shape of a JWE with the header *wrapping*."""
    return (
        f"{segment(wrapping)}.{segment(encrypted_key)}.{segment(bytes(16))}.{segment(bytes(32))}.{segment(bytes(16))}"
    )


def nested(depth: int) -> str:
    """A token in a token, *depth* times, as deep as the greatest size lets it."""
    jws = GOOD
    for _ in range(depth):
        jws = signed(RS, {"alg": "RS256", "kid": "RS256-0", "cty": "JWT"}, jws[:4000].encode())
    return jws


def pss(salt: int, mask: hashes.HashAlgorithm) -> str:
    """A PS256 token with another salt or mask."""
    jws = token(PS)
    data = jws.rpartition(".")[0].encode()
    return with_signature(jws, PS.private.sign(data, padding.PSS(padding.MGF1(mask), salt), hashes.SHA256()))


PUBLIC = RS.private.public_key()
UNSIGNED = f"{segment({'alg': 'none'})}.{segment(claims_of())}."
RAW = b'{"alg":"RS256","kid":"RS256-0"}'
R, S = (int.from_bytes(half) for half in (signature_of(token(ES))[:32], signature_of(token(ES))[32:]))
RSA1_5 = {"alg": "RSA1_5", "enc": "A128CBC-HS256"}
BAD: dict[str, list[str]] = {
    "JWT-002": [
        *(token(RS, header={"alg": alg}) for alg in ("None", "nOnE", "NONE", "none ", " none", "", 0, [])),
        *(token(RS, header={"alg": alg}).rpartition(".")[0] + "." for alg in ("none", "None", "", None)),
        signed(RS, b'{"alg":null,"kid":"RS256-0"}', claims_of()),
        signed(RS, b'{"kid":"RS256-0"}', claims_of()),
    ],
    "JWT-003": [
        *(
            with_secret(PUBLIC.public_bytes(encoding, form))
            for encoding, form in (
                (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
                (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
                (Encoding.PEM, PublicFormat.PKCS1),
                (Encoding.DER, PublicFormat.PKCS1),
                (Encoding.OpenSSH, PublicFormat.OpenSSH),
            )
        ),
        with_secret(json.dumps(RS.jwk).encode()),
    ],
    "JWT-005": [token(RS._replace(alg="PS256")), token(PS._replace(alg="RS256"))],
    "JWT-006": [
        token(RS, header={"kid": "ES256-0"}),
        token(ES, header={"kid": "RS256-0"}),
        token(ES, header={"kid": "ES384-0"}),
        token(key("ES384"), header={"kid": "ES256-0"}),
    ],
    "JWT-008": [
        json.dumps({"payload": PAYLOAD, "header": {"alg": "RS256"}, "signature": SIGNATURE}),
        json.dumps({"payload": PAYLOAD, "protected": HEAD, "signature": SIGNATURE}),
        json.dumps({"payload": PAYLOAD, "signatures": [{"protected": HEAD, "signature": SIGNATURE}]}),
        signed(RS, {"kid": "RS256-0", "header": {"alg": "RS256"}}, claims_of()),
    ],
    "JWT-009": [json.dumps({"payload": PAYLOAD, "signatures": []})],
    "JWT-010": [
        token(EVE, header={"jwk": EVE.jwk}),
        token(EVE, header={"jwk": EVE.jwk, "kid": "RS256-0"}),
        token(EVE, header={"jwk": EVE.jwk, "kid": None}),
        token(RS, header={"jwk": EVE.jwk}),
    ],
    "JWT-012": [token(one, header={"x5u": "http://169.254.169.254/latest/meta-data/"}) for one in (EVE, RS)],
    "JWT-015": [
        token(EVE, header={"kid": kid}) for kid in ("' OR 1=1--", "$(id)", "a\r\nb: c", "\x1b]0;x\x07", "../../key")
    ],
    "JWT-016": [
        *(token(EVE, header={"kid": kid}) for kid in (7, ["RS256-0"], {"a": 1}, True, "x" * 10240)),
        signed(RS, b'{"alg":"RS256","kid":null}', claims_of()),
    ],
    "JWT-022": [token(RS, header={"zip": "DEF"})],
    "JWT-023": [nested(50), nested(1), signed(RS, RAW, GOOD.encode())],
    "JWT-025": [token(RS, sub=None, Sub="admin", SUB="x"), token(RS, sub=None, **{"sub\0": "admin"})],
    "JWT-026": [
        token(RS, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        token(RS, b"[" * 10000),
        f"x.{segment(b'[' * 100_000)}.x",
    ],
    "JWT-034": [
        token(RS, aud=aud)
        for aud in (
            f"{AUDIENCE}.evil",
            f"{AUDIENCE} x",
            f"x{AUDIENCE}",
            AUDIENCE[:-1],
            AUDIENCE[:5],
            "api",
            [AUDIENCE[:-1]],
        )
    ],
    "JWT-036": [
        token(RS, aud="web"),
        token(RS, aud="web", nonce="n", header={"typ": "JWT"}),
        token(RS, nonce="n", at_hash="x", header={"typ": "JWT"}),
    ],
    "JWT-037": [
        token(RS, iss=iss) for iss in (f"{ISSUER}/", ISSUER.upper(), "https://AS.example", "https://as%2eexample")
    ],
    "JWT-038": [
        token(RS, iss=iss) for iss in (None, [ISSUER], {ISSUER: 1}, ISSUER[:-1], f"{ISSUER}d", ISSUER[:1], "", 1)
    ],
    "JWT-045": [
        *(
            token(RS, header={"typ": f"{kind}+jwt"})
            for kind in (
                "dpop",
                "secevent",
                "entity-statement",
                "client-authentication",
                "logout",
                "token-introspection",
                "id_token",
            )
        ),
        token(RS, header={"typ": "JWT"}, iss="web", sub="web", aud=ISSUER),
        token(RS, header={"typ": "JWT"}, sub=ISSUER),
        token(RS, header={"typ": "JWT"}, htm="GET", htu="https://api.example/"),
        token(RS, header={"typ": "JWT"}, events={}),
    ],
    "JWT-046": [
        *(
            token(RS, header={"typ": "JWT"}, **{name: kind})
            for name, kind in (
                ("typ", "Refresh"),
                ("typ", "Offline"),
                ("token_type", "refresh_token"),
                ("token_use", "refresh"),
                ("purpose", "refresh_token"),
            )
        ),
        "SplxlOBeZQQYbYS6WxSbIA",
    ],
    "JWT-048": [
        with_signature(token(ES), signature)
        for signature in (
            encode_dss_signature(R, S),
            signature_of(token(ES))[:-1],
            signature_of(token(ES)) + b"\0",
            bytes(64),
        )
    ],
    "JWT-051": [pss(0, hashes.SHA256()), pss(20, hashes.SHA256()), pss(32, hashes.SHA1())],  # noqa: S303
    "JWT-053": [
        *(
            f"{HEAD}.{PAYLOAD}.{spelling}"
            for spelling in (
                f"{SIGNATURE}=",
                f"{SIGNATURE}==",
                f" {SIGNATURE}",
                f"{SIGNATURE}\n",
                f"{SIGNATURE[:9]}\n{SIGNATURE[9:]}",
                f"{SIGNATURE[:8]}+/{SIGNATURE[10:]}",
                SIGNATURE[:-1] + chr(ord(SIGNATURE[-1]) + 1),
            )
        ),
        f"{HEAD}=.{PAYLOAD}.{SIGNATURE}",
        f"{HEAD}.{PAYLOAD}=.{SIGNATURE}",
    ],
    "JWT-054": [
        f"{GOOD}.x",
        f"{HEAD}.{PAYLOAD}",
        f"{GOOD}.x.y.z",
        f".{GOOD}",
        f"{GOOD}.",
        "..",
        f".{PAYLOAD}.{SIGNATURE}",
        "",
        ".",
        "." * 16384,
    ],
    "JWT-055": ['{"alg":"RS256"}', "{}.{}.{}", f'"{GOOD}"', f"'{GOOD}'", f"{{{GOOD}}}"],
    "JWT-056": [
        signed(RS, RAW[:-1] + b',"x":"\xff"}', claims_of()),
        signed(RS, b"\xef\xbb\xbf" + RAW, claims_of()),
        signed(RS, RAW.decode().encode("utf-16"), claims_of()),
        token(RS, json.dumps(claims_of(x="X")).encode().replace(b"X", b"\xff")),
        token(RS, b"\xef\xbb\xbf" + json.dumps(claims_of()).encode()),
        token(RS, json.dumps(claims_of()).encode("utf-16")),
    ],
    "JWT-059": [token(RS, scope=scope) for scope in ("read  write", "read\twrite", " read", "read\u00a0write")],
    "JWT-060": [
        *(token(RS, **{name: 7}) for name in ("client_id", "sub", "jti")),
        *(token(RS, **{name: None}) for name in ("iss", "exp", "aud", "sub")),
    ],
    "JWT-062": [token(RS, cnf=cnf) for cnf in ({"jkt": "x"}, {"jkt": "x", "x5t#S256": "y"}, {"unknown": 1}, {})],
    "JWT-065": [
        wrapped(RSA1_5, PUBLIC.encrypt(bytes(32), padding.PKCS1v15())),
        wrapped(RSA1_5, bytes(256)),
        wrapped(RSA1_5, b"\xff" * 256),
    ],
    "JWT-066": [
        wrapped({"alg": "RSA-OAEP", "enc": "A128GCM"}),
        wrapped({"alg": "ECDH-ES", "enc": "A128GCM", "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}),
        wrapped({"alg": "ECDH-ES", "enc": "A128GCM", "epk": key("ES384").jwk}),
    ],
    "JWT-067": [
        encrypted("RSA-OAEP", UNSIGNED),
        encrypted("RSA-OAEP", token(EVE)),
        encrypted("RSA-OAEP", GOOD),
    ],
    "JWT-068": [wrapped({"alg": "dir", "enc": "A128GCM"}), with_secret(b"")],
}


@attacks("jws", [(case, jws) for case, tokens in BAD.items() for jws in tokens])
def test_the_token_is_refused(jws):
    assert refused(jws)


def test_a_good_token_is_not():
    assert verify(GOOD, KEYS, STRICT, NOW).claims == verify(GOOD, KEYS, LAX, NOW).claims == claims_of()


@attacks("jwks", [("JWT-004", [{"kty": "oct", "kid": "RS256-0", "alg": "HS256", "k": segment(b"x" * 32)}, RS.jwk])])
def test_a_symmetric_key_in_a_key_set_verifies_nothing(jwks):
    key_set = read_key_set(key_set_body(*jwks), ["RS256"])

    assert "alg is 'HS256'" in refused(with_secret(b"x" * 32), key_set).detail
    assert verify(GOOD, key_set, STRICT, NOW)


@attacks(
    "change",
    [
        ("JWT-007", {"use": "enc"}),
        ("JWT-007", {"use": None}),
        ("JWT-007", {"key_ops": []}),
        ("JWT-007", {"key_ops": ["encrypt"]}),
        ("JWT-007", {"key_ops": ["sign"]}),
    ],
)
def test_a_key_for_something_else_verifies_nothing(change):
    assert "is not used: " in refused(GOOD, keys({**RS.jwk, **change})).detail


@attacks("kid", [("JWT-015", "' OR 1=1--"), ("JWT-015", "$(id)"), ("JWT-015", "a\r\nSet-Cookie: x=y")])
def test_a_kid_is_only_ever_looked_up(kid):
    odd = {**RS.jwk, "kid": kid}

    assert isinstance(refused(token(RS, header={"kid": kid})), UnknownKey)
    assert verify(token(RS, header={"kid": kid}), keys(odd), STRICT, NOW)


@attacks("count", [("JWT-018", 3), ("JWT-018", 50)])
def test_without_a_kid_no_key_is_guessed(count):
    tried = []
    one = KEYS.find("RS256-0", "RS256")[0]
    noting = [
        type(one)(f"k{number}", "RS256", 256, lambda *args: tried.append(args) or one.check(*args))
        for number in range(count)
    ]

    assert f"{count} keys are for RS256" in refused(token(RS, header={"kid": None}), KeySet(["RS256"], noting)).detail
    assert [] == tried
    assert verify(token(RS, header={"kid": None}), keys(RS, ES), STRICT, NOW)


@attacks("alike", [("JWT-025", alike) for alike in ({"Sub": "admin", "SUB": "x"}, {"sub\0": "admin"}, {"SuB": "x"})])
def test_a_name_that_looks_like_another_is_another(alike):
    claims = verify(token(RS, **alike), KEYS, STRICT, NOW).claims

    assert {**claims_of(), **alike} == claims


@attacks("other", [("JWT-039", "https://b.example")])
def test_a_token_of_one_issuer_is_no_token_of_another(other):
    theirs = key("ES256", 7)
    rules = access_token_rules(other, [AUDIENCE])
    jws = token(theirs, iss=other)

    assert verify(jws, keys(theirs), rules, NOW)
    assert isinstance(refused(jws, KEYS), UnknownKey)
    assert Reason.WRONG_ISSUER is refused(jws, keys(theirs)).reason
    assert "the signature is wrong" in refused(token(theirs, header={"kid": "ES256-0"})).detail


@attacks("alg", [("JWT-048", alg) for alg in ("ES256", "ES384")])
def test_both_forms_of_an_ecdsa_signature_are_one_token(alg):
    good = token(key(alg))
    half = len(signature_of(good)) // 2
    r, s = int.from_bytes(signature_of(good)[:half]), int.from_bytes(signature_of(good)[half:])

    for either in (s, CURVES[alg].group_order - s):
        jws = with_signature(good, fixed(alg, r, either))
        assert claims_of() == verify(jws, KEYS, STRICT, NOW).claims


@attacks("scope", [("JWT-059", "READ"), ("JWT-059", "readwrite"), ("JWT-059", "read:all")])
def test_a_scope_is_compared_as_it_is_written(scope):
    claims = verify(token(RS, scope=scope), KEYS, STRICT, NOW).claims
    facts = Token("jwt", claims, read_scopes(claims), claims["exp"], 0.0)
    route = Route("orders", scopes=frozenset({"read"}))

    no = refusal(scopes(), Request("GET", "/", Headers()), route, facts)
    assert Reason.INSUFFICIENT_SCOPE is no.reason


@attacks("name", [("JWT-060", name) for name in RFC_9068])
def test_the_strict_profile_misses_every_claim(name):
    assert f"{name} is missing" == refusal(verify, token(RS, **{name: None}), KEYS, STRICT, NOW).detail


@attacks("jws", [(case, jws) for case in ("JWT-065", "JWT-066", "JWT-067") for jws in BAD[case]])
def test_every_encrypted_token_is_refused_alike(jws):
    said = "an encrypted token (JWE), which is not accepted as an access token"

    assert said == refused(jws).detail


@attacks(
    "body",
    [
        ("META-006", b'{"keys":[' + b" " * 10_000_000 + b"]}"),
        ("META-006", key_set_body(*({"kty": "RSA", "kid": str(number)} for number in range(100_000)))),
        ("META-006", key_set_body(*({"kty": "oct"} for _ in range(101)))),
        ("META-006", b'{"keys":{}}'),
        ("META-006", b'{"keys":"x"}'),
        ("META-006", b'{"keys":null}'),
        ("META-006", b"[]"),
        *(
            ("META-006", key_set_body(ES.jwk, {**RS.jwk, **rsa_members(RS.private), member: "AQAB"}))
            for member in ("d", "p", "q", "dp", "dq", "qi")
        ),
    ],
)
def test_the_key_set_is_refused(body):
    assert why_not(lambda text: read_key_set(text, ALL), body).startswith("a key set ")


@attacks("jwk", [("META-006", {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB"}), ("META-006", {"kty": "XYZ"})])
def test_an_unknown_kind_of_key_is_skipped_and_the_others_used(jwk):
    key_set = read_key_set(key_set_body(jwk, RS.jwk), ["RS256"])

    assert [(None, f"kty is '{jwk['kty']}', want RSA, EC or OKP")] == list(key_set.skipped)
    assert verify(GOOD, key_set, STRICT, NOW)
