"""RFC 7515, RFC 7518 §3: nothing in a token chooses how it is verified."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth import jwa
from phantomgate.oauth.jwa import split_signature
from phantomgate.oauth.jwks import Key, KeySet
from phantomgate.oauth.jws import UnknownKey, verify_jws
from signing import (
    ALL,
    CURVES,
    fixed,
    key,
    key_set_body,
    keys,
    refusal,
    signature_of,
    signed,
    token,
    with_signature,
)
from tokens import segment

RS = key("RS256")
ES = key("ES256")


def why(jws, key_set):
    """What the log says about *jws*, which has to be refused as an invalid token."""
    no = refusal(verify_jws, jws, key_set)
    assert Reason.INVALID_TOKEN is no.reason
    assert no.detail.isascii()
    assert no.detail.isprintable()
    return no.detail


@pytest.mark.parametrize("alg", ALL)
def test_a_signature_of_every_algorithm_is_verified(alg):
    header, payload = verify_jws(token(key(alg)), keys(key(alg)))

    assert alg == header.alg
    assert f"{alg}-0" == header.kid
    assert "at+jwt" == header.typ
    assert "ann" == json.loads(payload)["sub"]


@pytest.mark.parametrize("alg", ALL)
def test_whatever_is_changed_the_signature_is_no_longer_good(alg):
    key_set = keys(key(alg))
    good = token(key(alg))
    head, payload, _ = good.split(".")
    signature = signature_of(good)
    changed = bytes([*signature[:-1], signature[-1] ^ 1])
    other_payload = segment(json.dumps({"sub": "eve"}).encode())
    other_head = segment({"typ": "JWT", "alg": alg, "kid": f"{alg}-0"})

    for bad in (
        with_signature(good, changed),
        f"{head}.{other_payload}.{segment(signature)}",
        f"{other_head}.{payload}.{segment(signature)}",
        token(key(alg, 1), header={"kid": f"{alg}-0"}),
    ):
        assert why(bad, key_set).startswith("the signature is wrong")


@pytest.mark.parametrize("alg", ALL)
def test_a_signature_has_its_exact_length(alg):
    key_set = keys(key(alg))
    good = token(key(alg))
    signature = signature_of(good)
    size = len(signature)

    for other in (signature[:-1], signature + b"\0", b"\0" + signature, b"", signature * 2):
        said = why(with_signature(good, other), key_set)
        assert f"{len(other)} bytes, want {size}; {alg}" in said


def test_the_key_is_not_even_asked_about_a_signature_of_another_length():
    asked = []
    key_set = KeySet(["RS256"], [Key("k", "RS256", 256, lambda *args: asked.append(args) or True)])

    refusal(verify_jws, signed(ES, {"alg": "RS256", "kid": "k"}, {}), key_set)

    assert [] == asked


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_r_and_s_are_between_zero_and_the_order(alg):
    good = token(key(alg))
    order = CURVES[alg].group_order
    size = len(signature_of(good)) // 2
    numbers = [0, 1, order - 1, order, order + 1, 256**size - 1]

    for r in numbers:
        for s in numbers:
            signature = r.to_bytes(size) + s.to_bytes(size)
            assert "the signature is wrong" in why(with_signature(good, signature), keys(key(alg)))
            in_range = r in (1, order - 1) and s in (1, order - 1)
            assert ((r, s) if in_range else None) == split_signature(signature, size, order)


@pytest.mark.parametrize(("alg", "crv"), [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")])
def test_the_orders_are_those_of_the_curves(alg, crv):
    assert CURVES[alg].group_order == jwa._CURVES[crv].order


def test_a_signature_in_der_is_not_one():
    good = token(ES)
    size = len(signature_of(good)) // 2
    r, s = (int.from_bytes(half) for half in (signature_of(good)[:size], signature_of(good)[size:]))

    assert "the signature is wrong" in why(with_signature(good, encode_dss_signature(r, s)), keys(ES))


def test_the_other_s_of_the_same_signature_is_good_too():
    # JWS asks for no low s; whoever needs one spelling of a token (replay) must not take its bytes for it
    good = token(ES)
    r, s = decode_dss_signature(ES.private.sign(good.rpartition(".")[0].encode(), ec.ECDSA(hashes.SHA256())))
    key_set = keys(ES)

    for either in (s, CURVES["ES256"].group_order - s):
        verify_jws(with_signature(good, fixed("ES256", r, either)), key_set)


def test_pss_has_the_salt_and_mask_of_its_algorithm():
    ps = key("PS256")
    good = token(ps)
    data = good.rpartition(".")[0].encode()
    sha256, sha1 = hashes.SHA256(), hashes.SHA1()  # noqa: S303 - an attacker's choice

    for scheme, digest in (
        (padding.PSS(padding.MGF1(sha256), 0), sha256),
        (padding.PSS(padding.MGF1(sha256), 20), sha256),
        (padding.PSS(padding.MGF1(sha256), 33), sha256),
        (padding.PSS(padding.MGF1(sha256), padding.PSS.MAX_LENGTH), sha256),
        (padding.PSS(padding.MGF1(sha1), 32), sha256),
        (padding.PSS(padding.MGF1(sha256), 20), sha1),
        (padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
        (padding.PKCS1v15(), sha256),
    ):
        signature = ps.private.sign(data, scheme, digest)
        assert "the signature is wrong" in why(with_signature(good, signature), keys(ps))


@pytest.mark.parametrize(
    "alg", ["none", "None", "nOnE", "NONE", "none ", " none", "", "HS256", "hs256", "RS256 ", "rs256", "RS1", "ES256K"]
)
def test_an_algorithm_that_is_not_in_the_list_is_refused_by_name(alg):
    for bad in (token(RS, header={"alg": alg}), token(RS, header={"alg": alg}).rpartition(".")[0] + "."):
        assert f"alg is {alg!r}, want one of RS256" == why(bad, keys(RS))


@pytest.mark.parametrize("alg", [0, 1, [], ["RS256"], {}, True, 1.5])
def test_an_algorithm_is_a_string(alg):
    assert f"alg is {alg!r}, want a string" == why(token(RS, header={"alg": alg}), keys(RS))


def test_an_algorithm_is_there():
    head = segment({"kid": "RS256-0"})

    assert "alg is None, want a string" == why(f"{head}.{segment({})}.{segment(b's')}", keys(RS))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_shared_secret(alg):
    public = RS.private.public_key()
    encoding, form = serialization.Encoding, serialization.PublicFormat
    digest = getattr(hashlib, f"sha{alg[2:]}")
    secrets = [
        public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo),
        public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo),
        public.public_bytes(encoding.PEM, form.PKCS1),
        public.public_bytes(encoding.OpenSSH, form.OpenSSH),
        json.dumps(RS.jwk).encode(),
        RS.jwk["n"].encode(),
    ]

    for secret in secrets:
        data = f"{segment({'alg': alg, 'kid': 'RS256-0'})}.{segment({'sub': 'eve'})}"
        signature = hmac.digest(secret, data.encode(), digest)
        assert f"alg is '{alg}', want one of RS256" == why(f"{data}.{segment(signature)}", keys(RS))


@pytest.mark.parametrize("named", ALL)
def test_a_key_verifies_with_its_own_algorithm_only_though_the_issuer_may_use_all(named):
    own = ["RS256", "PS256", "ES256", "EdDSA"]

    for alg in own:
        key_set = keys(*(key(one).jwk for one in own), algorithms=ALL)
        jws = token(key(alg), header={"alg": named, "kid": f"{alg}-0"})
        if alg == named:
            verify_jws(jws, key_set)
        else:
            assert f"alg is {named}, and key '{alg}-0' is for {alg}" == why(jws, key_set)


def test_an_rsa_key_does_not_verify_the_other_padding_even_when_the_signature_is_good():
    ps = key("RS256")._replace(alg="PS256")
    key_set = keys(RS, algorithms=("RS256", "PS256"))

    assert "alg is PS256, and key 'RS256-0' is for RS256" == why(token(ps), key_set)


def test_an_unknown_kid_may_be_in_a_newer_set():
    no = refusal(verify_jws, token(key("RS256", 1)), keys(RS))

    assert isinstance(no, UnknownKey)
    assert isinstance(no.again(), UnknownKey)
    assert "key 'RS256-1' is not in the issuer's key set" == no.detail == no.again().detail
    assert Reason.INVALID_TOKEN is no.reason is no.again().reason


def test_a_kid_that_is_in_the_set_is_nothing_to_fetch_a_set_for():
    weak = key("RS256", 2, bits=1024)
    key_set = keys(RS, weak, algorithms=("RS256", "PS256"))

    for bad in (
        with_signature(token(RS), bytes(256)),
        token(RS, header={"alg": "PS256"}),
        token(RS, header={"alg": "ES256"}),
        token(weak),
    ):
        assert not isinstance(refusal(verify_jws, bad, key_set), UnknownKey)
    assert "RS256-2' is not used: an RSA modulus of 1024 bits, want 2048 to 16384" in why(token(weak), key_set)


def test_without_kid_there_must_be_one_key_only():
    nameless = {"kid": None}
    second, third = key("RS256", 1), key("RS256", 2)

    verify_jws(token(RS, header=nameless), keys(RS))
    verify_jws(token(RS, header=nameless), keys(RS, ES))
    assert "no kid, and 2 keys are for RS256" == why(token(RS, header=nameless), keys(RS, second))
    assert "no kid, and 3 keys are for RS256" == why(token(RS, header=nameless), keys(RS, second, third))
    nobody = refusal(verify_jws, token(ES, header=nameless), keys(RS, algorithms=("RS256", "ES256")))
    assert isinstance(nobody, UnknownKey)
    assert "no kid, and no key is for ES256" == nobody.detail


def test_a_key_without_kid_answers_to_no_name():
    jwk = {name: value for name, value in RS.jwk.items() if name != "kid"}

    verify_jws(token(RS, header={"kid": None}), keys(jwk))
    assert isinstance(refusal(verify_jws, token(RS), keys(jwk)), UnknownKey)


def test_several_keys_of_one_kid_are_tried_and_no_more_than_four():
    same = [key("ES256", number) for number in range(5)]
    key_set = keys(*({**one.jwk, "kid": "same"} for one in same))

    for one in same[:4]:
        verify_jws(token(one, header={"kid": "same"}), key_set)
    assert "the signature is wrong" in why(token(same[4], header={"kid": "same"}), key_set)
    assert [("same", "4 keys before it have its kid and alg")] == list(key_set.skipped)


def test_keys_of_different_kinds_may_share_a_kid():
    key_set = keys({**RS.jwk, "kid": "same"}, {**ES.jwk, "kid": "same"})

    for one in (RS, ES):
        verify_jws(token(one, header={"kid": "same"}), key_set)


@pytest.mark.parametrize("kid", [1, 0, [], ["RS256-0"], {}, True, "x" * 513, "x" * 10240])
def test_a_kid_is_a_string_that_could_be_a_name(kid):
    bad = token(RS, header={"kid": kid})

    assert why(bad, keys(RS)).endswith("want a string of at most 512 characters")
    assert len(why(bad, keys(RS))) < 200


def test_a_kid_of_512_characters_is_a_name():
    kid = "x" * 512

    verify_jws(token(RS, header={"kid": kid}), keys({**RS.jwk, "kid": kid}))


def test_a_kid_of_null_is_not_the_same_as_none():
    bad = signed(RS, b'{"alg":"RS256","kid":null}', {})

    assert "kid is None, want a string of at most 512 characters" == why(bad, keys(RS))


@pytest.mark.parametrize(
    "kid", ["' OR 1=1--", "$(id)", "a\r\nX-Forged: 1", "../../etc/passwd", "\x1b[2J", "naïve \u202e"]
)
def test_a_kid_that_is_no_name_of_ours_is_escaped_in_the_log(kid):
    no = refusal(verify_jws, token(RS, header={"kid": kid}), keys(RS))

    assert isinstance(no, UnknownKey)
    assert no.detail.isascii()
    assert no.detail.isprintable()


@pytest.mark.parametrize("name", ["crit", "b64", "zip"])
@pytest.mark.parametrize("value", [[], ["exp"], ["b64"], True, False, "DEF", None, ""])
def test_a_header_that_would_change_how_the_rest_is_read_is_refused(name, value):
    header = json.dumps({"alg": "RS256", "kid": "RS256-0", name: value}).encode()

    assert why(signed(RS, header, {}), keys(RS)).startswith(f"the header has {name}: ")


@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt"])
def test_a_token_in_a_token_is_refused(cty):
    inner = token(RS).encode()

    assert why(signed(RS, {"alg": "RS256", "kid": "RS256-0", "cty": cty}, inner), keys(RS)).startswith("cty is JWT")


@pytest.mark.parametrize("typ", [1, None, "", [], {}, True, "application/", "at+ȷwt"])
def test_a_type_is_a_media_type(typ):
    header = json.dumps({"alg": "RS256", "kid": "RS256-0", "typ": typ}, ensure_ascii=False).encode()

    assert why(signed(RS, header, {}), keys(RS)).endswith("want a media type")


def test_a_type_is_compared_without_case_and_application():
    for typ, media_type in (("AT+JWT", "at+jwt"), ("application/at+jwt", "at+jwt"), (None, ""), ("text/x", "text/x")):
        header, _ = verify_jws(token(RS, header={"typ": typ}), keys(RS))
        assert media_type == header.typ


def test_the_keys_in_a_header_are_never_used():
    eve = key("RS256", 1)
    own = {
        "jwk": eve.jwk,
        "jku": "https://eve.example/jwks.json",
        "x5u": "http://169.254.169.254/latest/meta-data/",
        "x5c": ["MIIB"],
    }

    for name, value in own.items():
        forged = token(eve, header={name: value, "kid": "RS256-0"})
        assert why(forged, keys(RS)).startswith("the signature is wrong")
        header, _ = verify_jws(token(RS, header={name: value}), keys(RS))
        assert {name} == header.own_keys  # whether that is acceptable is for the rules to say


GOOD = token(RS)
HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "jws",
    [
        "",
        ".",
        "..",
        "...",
        HEAD,
        f"{HEAD}.{PAYLOAD}",
        f"{GOOD}.",
        f".{GOOD}",
        f"{GOOD}.{SIGNATURE}",
        f"{GOOD}.x.y.z",
        f"{HEAD}..{PAYLOAD}.{SIGNATURE}",
        f"{HEAD}.{PAYLOAD}.",
        f".{PAYLOAD}.{SIGNATURE}",
        f"{HEAD}..{SIGNATURE}",
        f"{HEAD} .{PAYLOAD}.{SIGNATURE}",
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}=",
        f"{GOOD}==",
        f"{HEAD}=.{PAYLOAD}.{SIGNATURE}",
        f"{HEAD}.{PAYLOAD}=.{SIGNATURE}",
        f"{HEAD}.{PAYLOAD[:-1]}\n{PAYLOAD[-1]}.{SIGNATURE}",
        f"{GOOD[:-4]}+/{GOOD[-2:]}",
        f"{GOOD[:-3]}é{GOOD[-2:]}",
        GOOD.replace(".", "\u2024"),
        GOOD.translate({ord("-"): "+", ord("_"): "/"}),
        '{"payload":"' + PAYLOAD + '","protected":"' + HEAD + '","signature":"' + SIGNATURE + '"}',
        '{"payload":"' + PAYLOAD + '","signatures":[]}',
        '{"header":{"alg":"RS256"},"payload":"' + PAYLOAD + '","signature":"' + SIGNATURE + '"}',
        '{"alg":"RS256"}.{"sub":"ann"}.x',
        f"{HEAD}.{PAYLOAD}.{SIGNATURE}".replace("_", "-_"),
    ],
)
def test_what_is_not_a_compact_jws_is_refused(jws):
    assert why(jws, keys(RS))
    key_set = keys(RS)
    verify_jws(GOOD, key_set)
    assert why(jws, key_set)  # also when the header is remembered


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_signature_has_one_spelling(alg):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = token(key(alg))
    key_set = keys(key(alg))

    spellings = [good[:-1] + letter for letter in alphabet]
    accepted = [jws for jws in spellings if not _refuses(jws, key_set)]

    assert [good] == accepted


def _refuses(jws, key_set):
    try:
        verify_jws(jws, key_set)
    except Refused:
        return True
    return False


def test_a_jws_has_two_dots_though_fewer_could_be_signed_too():
    signed_header = f"{HEAD}.{segment(RS.sign(HEAD.encode()))}"

    for jws, dots in (("", 0), (HEAD, 0), (signed_header, 1), (f"{GOOD}.", 3), ("...", 3), (f"{GOOD}.x.y.z", 5)):
        assert f"{dots} dots, want the two of a compact JWS (RFC 7515 section 7.1)" == why(jws, keys(RS))


def test_an_encrypted_token_is_refused_as_one():
    assert "an encrypted token (JWE)" in why("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", keys(RS))


def test_a_token_has_a_greatest_size():
    longest = token(RS, claims=b"x" * 11000)
    assert 14000 < len(longest) <= 16384
    verify_jws(longest, keys(RS))

    assert "a token of 16385 bytes, want at most 16384" == why("x" * 16385, keys(RS))
    assert "a token of 900 bytes, want at most 899" == refusal(verify_jws, "x" * 900, keys(RS), max_bytes=899).detail


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"RS256","kid":"RS256-0"}',
        b'{"alg":"RS256","kid":"RS256-0","kid":"RS256-1"}',
        b'{"alg":"RS256","kid":"RS256-0","x":NaN}',
        b'\xef\xbb\xbf{"alg":"RS256","kid":"RS256-0"}',
        '{"alg":"RS256","kid":"RS256-0"}'.encode("utf-16"),
        b'{"alg":"RS256","kid":"RS256-0","x":"\xff"}',
        b'{"alg":"RS256","kid":"RS256-0","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'["alg","RS256"]',
        b"null",
        b"",
        b" ",
        b'{"alg":"RS256","kid":"RS256-0"} {}',
    ],
)
def test_a_header_has_one_meaning(header):
    assert why(signed(RS, header, {}), keys(RS)).startswith("the header can't be read: ")


def test_the_names_in_a_header_are_case_sensitive():
    assert "alg is None" in why(signed(RS, {"ALG": "RS256", "Kid": "RS256-0"}, {}), keys(RS))


def test_white_space_in_a_header_is_json():
    verify_jws(signed(RS, b' { "kid" : "RS256-0",\r\n\t"alg" : "RS256" } ', {}), keys(RS))


def test_a_header_is_remembered_once_somebody_could_sign_it_and_not_before():
    key_set = keys(RS)

    for bad in (with_signature(GOOD, bytes(256)), token(key("RS256", 1), header={"kid": "RS256-0"}), "x.y.z"):
        refusal(verify_jws, bad, key_set)
        assert {} == key_set.remembered
    first, _ = verify_jws(GOOD, key_set)
    again, _ = verify_jws(token(RS, sub="bob"), key_set)

    assert first is again
    assert [HEAD.encode()] == list(key_set.remembered)
    assert "the signature is wrong" in why(with_signature(GOOD, bytes(256)), key_set)
    with pytest.raises(TypeError):
        first.values["alg"] = "none"


def test_no_more_headers_are_remembered_than_an_issuer_has():
    key_set = keys(key("EdDSA"))

    for number in range(70):
        verify_jws(token(key("EdDSA"), header={"n": number}), key_set)

    assert 64 == len(key_set.remembered)
    verify_jws(token(key("EdDSA"), header={"n": 70}), key_set)


def test_a_removed_key_is_no_longer_trusted():
    before, after = keys(RS, ES), keys(ES, algorithms=("RS256", "ES256"))

    verify_jws(GOOD, before)
    assert isinstance(refusal(verify_jws, GOOD, after), UnknownKey)


def test_one_issuers_key_does_not_verify_for_another():
    assert key_set_body(RS.jwk) != key_set_body(key("RS256", 1).jwk)
    theirs = keys({**key("RS256", 1).jwk, "kid": "RS256-0"})

    assert "the signature is wrong" in why(GOOD, theirs)


@pytest.mark.parametrize("jws", [GOOD, with_signature(GOOD, bytes(256)), f"{HEAD}.{PAYLOAD}", f"{GOOD}="])
def test_the_log_is_never_told_the_token(jws):
    said = refusal(verify_jws, jws, keys(ES)).detail

    for piece in (HEAD, PAYLOAD, SIGNATURE):
        assert piece[:20] not in said
