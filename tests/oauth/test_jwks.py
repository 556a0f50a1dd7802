"""RFC 7517: a key that can't be used safely is not used, and the log knows why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jws import verify_jws
from refusals import why_not
from signing import ALL, CURVES, SigningKey, key, key_set_body, keys, number, rsa_members, token
from tokens import segment

SOURCES = Path(__file__).parents[2] / "src"
RS, ES, ED = key("RS256"), key("ES256"), key("EdDSA")


def without(jwk, *names):
    return {name: value for name, value in jwk.items() if name not in names}


def why_skipped(jwk, algorithms=ALL, **options):
    """Why *jwk* is not used, beside a key that is."""
    key_set = read_key_set(key_set_body(jwk, {**ES.jwk, "kid": "other"}), algorithms, **options)
    assert ["other"] == [one.kid for one in key_set.keys]
    [(kid, why)] = key_set.skipped
    assert (jwk["kid"] if isinstance(jwk.get("kid"), str) else None) == kid
    assert why.isascii()
    assert why.isprintable()
    return why


def test_every_kind_of_key_is_made_ready_for_its_algorithm():
    key_set = keys(*(key(alg) for alg in ALL))

    assert [(f"{alg}-0", alg) for alg in ALL] == [(one.kid, one.alg) for one in key_set.keys]
    assert () == key_set.skipped
    assert frozenset(ALL) == key_set.algorithms
    assert [256] * 6 + [64, 96, 132, 64, 64, 114] == [one.signature_bytes for one in key_set.keys]


def test_an_issuer_has_algorithms():
    assert "an issuer without algorithms, want at least one" == why_not(lambda a: read_key_set(b'{"keys":[]}', a), [])


@pytest.mark.parametrize(
    "names", [["none"], ["HS256"], ["RS256", "HS512"], ["rs256"], ["ES256K"], ["RSA-OAEP"], "RS256"]
)
def test_only_signatures_that_need_a_private_key_can_be_allowed(names):
    assert "in an issuer's algorithms, want some of ES256, " in why_not(
        lambda a: read_key_set(b'{"keys":[]}', a), names
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":"x"}',
        b'{"keys":[1]}',
        b'{"keys":[null]}',
        b'{"keys":[[]]}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"RSA","kty":"EC"}]}',
        b'{"keys":[]} x',
        b'{"keys":[{"n":NaN}]}',
        b'\xff{"keys":[]}',
        b'{"keys":' + b"[" * 100_000,
        b"<html>",
    ],
)
def test_what_is_not_a_key_set_is_refused_without_being_quoted(body):
    said = why_not(lambda text: read_key_set(text, ["RS256"]), body)

    assert said.startswith("a key set ")
    assert "html" not in said


def test_a_key_set_may_be_empty():
    assert () == read_key_set(b'{"keys":[]}', ["RS256"]).keys


def test_other_members_of_a_set_mean_nothing():
    body = json.dumps({"keys": [{**RS.jwk, "x5c": ["MIIB"], "ext": True}], "issuer": "https://eve.example"}).encode()

    assert ["RS256-0"] == [one.kid for one in read_key_set(body, ["RS256"]).keys]


def test_a_key_set_has_a_greatest_size():
    body = key_set_body(RS.jwk)
    longest = body + b" " * (65536 - len(body))

    assert read_key_set(longest, ["RS256"]).keys
    assert "a key set of 65537 bytes, want at most 65536" == why_not(
        lambda b: read_key_set(b, ["RS256"]), longest + b" "
    )


def test_a_key_set_has_a_greatest_number_of_keys():
    jwks = [{"kty": "oct", "kid": str(n)} for n in range(101)]

    assert 100 == len(read_key_set(key_set_body(*jwks[:100]), ["RS256"]).skipped)
    said = why_not(lambda b: read_key_set(b, ["RS256"]), key_set_body(*jwks))
    assert "a key set of 101 keys, want at most 100" == said


# -- which algorithm a key is for ----------------------------------------------------------------------------------


def test_an_rsa_key_without_alg_is_for_the_first_rsa_algorithm_of_the_issuer():
    nameless = without(RS.jwk, "alg")

    for algorithms, bound in (
        (("RS256",), "RS256"),
        (("ES256", "PS384", "RS256"), "PS384"),
        (("RS512", "RS256"), "RS512"),
    ):
        [one] = keys(nameless, algorithms=algorithms).keys
        assert bound == one.alg
        verify_jws(token(RS._replace(alg=bound)), keys(nameless, algorithms=algorithms))


def test_a_curve_leaves_one_algorithm():
    for alg in ("ES256", "ES384", "ES512"):
        [one] = keys(without(key(alg).jwk, "alg"), algorithms=ALL).keys
        assert alg == one.alg


def test_the_two_names_of_an_edwards_algorithm_are_one_algorithm():
    nameless = without(ED.jwk, "alg")

    for algorithms in (("EdDSA", "Ed25519"), ("EdDSA", "Ed25519", "EdDSA")):
        assert ["EdDSA", "Ed25519"] == [one.alg for one in keys(nameless, algorithms=algorithms).keys]
    for alg in ("EdDSA", "Ed25519"):
        verify_jws(token(ED._replace(alg=alg)), keys(nameless, algorithms=("EdDSA", "Ed25519")))
    assert "is for EdDSA" in keys(ED, algorithms=("EdDSA", "Ed25519")).why_not("EdDSA-0")


def test_a_kind_of_key_that_the_issuer_may_not_use_is_skipped():
    assert "its kind can't be used with any of ES256" == why_skipped(without(RS.jwk, "alg"), ["ES256"])
    assert "alg is RS256, want one of ES256" == why_skipped(RS.jwk, ["ES256"])


@pytest.mark.parametrize(
    "alg", ["RSA-OAEP", "ES521", "ES224", "none", "", "rs256", "HS256", None, 1, [], ["RS256"], {}, "RS256 ", "ES256"]
)
def test_a_key_for_something_else_is_skipped(alg):
    why = why_skipped({**RS.jwk, "alg": alg})

    assert f"alg is {alg!r}, which is no signature algorithm for this kind of key" == why


def test_an_algorithm_of_another_curve_is_skipped():
    for alg in ("ES256", "ES384", "ES512"):
        for other in {"ES256", "ES384", "ES512"} - {alg}:
            assert "no signature algorithm for this kind" in why_skipped({**key(alg).jwk, "alg": other})
    assert "no signature algorithm for this kind" in why_skipped({**ED.jwk, "alg": "Ed448"})
    assert "no signature algorithm for this kind" in why_skipped({**key("Ed448").jwk, "alg": "Ed25519"})


# -- what it may be used for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["enc", "SIG", "sig ", "", None, 1, [], ["sig"], True])
def test_a_key_for_another_use_is_skipped(use):
    assert f"use is {use!r}, want sig" == why_skipped({**RS.jwk, "use": use})


def test_use_and_key_ops_may_be_missing():
    assert keys(without(RS.jwk, "use")).keys
    assert keys({**without(RS.jwk, "use"), "key_ops": ["verify"]}).keys
    assert keys({**RS.jwk, "key_ops": ["verify", "wrapKey"]}).keys


@pytest.mark.parametrize(
    "operations", [[], ["encrypt"], ["sign"], ["Verify"], ["verify", "verify"], ["verify", 1], "verify", None, {}, 1]
)
def test_a_key_for_other_operations_is_skipped(operations):
    assert why_skipped({**RS.jwk, "key_ops": operations}).startswith("key_ops is ")


@pytest.mark.parametrize("kid", [1, None, [], {}, True])
def test_a_key_whose_name_is_no_string_is_skipped(kid):
    assert "kid is not a string" == why_skipped({**RS.jwk, "kid": kid})


@pytest.mark.parametrize("kty", ["rsa", "", None, 1, [], {}, "AKP", "DH"])
def test_an_unknown_kind_of_key_is_skipped(kty):
    assert f"kty is {kty!r}, want RSA, EC or OKP" == why_skipped({**RS.jwk, "kty": kty})


def test_a_kind_is_named():
    assert "kty is None, want RSA, EC or OKP" == why_skipped(without(RS.jwk, "kty"))


@pytest.mark.parametrize("crv", ["secp256k1", "P-256K", "P-192", "X25519", "", None, 1, [], {}])
@pytest.mark.parametrize("jwk", [ES.jwk, ED.jwk], ids=["EC", "OKP"])
def test_an_unknown_curve_is_skipped(jwk, crv):
    assert f"crv is {crv!r}, which no algorithm of ours uses" == why_skipped({**without(jwk, "alg"), "crv": crv})


# -- what nobody may know ------------------------------------------------------------------------------------------


def test_a_symmetric_key_is_skipped():
    secret = segment(b"x" * 64)

    for jwk in ({"kty": "oct", "kid": "k", "k": secret, "alg": "HS256"}, {"kty": "oct"}, {**RS.jwk, "k": secret}):
        assert "it is symmetric: whoever can read the set could sign with it" == why_skipped(jwk)


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_a_set_that_publishes_a_private_key_is_refused_or_the_key_is_skipped(member):
    leaked = {**RS.jwk, member: "AQAB"}

    said = why_not(lambda b: read_key_set(b, ["RS256", "ES256"]), key_set_body(ES.jwk, leaked))
    assert "a key set that publishes a private key: whoever can read it can sign with it" == said
    assert "it is a private key, which everybody has now seen" == why_skipped(leaked, skip_private_keys=True)


# -- what a sound key is -------------------------------------------------------------------------------------------


def modulus(bits):
    """An odd number of exactly *bits* bits; the size is judged before anything else."""
    return number((1 << (bits - 1)) | 1)


@pytest.mark.parametrize("bits", [512, 1024, 2047, 16385, 20000])
def test_an_rsa_modulus_has_2048_to_16384_bits(bits):
    assert f"an RSA modulus of {bits} bits, want 2048 to 16384" == why_skipped({**RS.jwk, "n": modulus(bits)})


@pytest.mark.parametrize("bits", [2048, 2056, 3072])
def test_a_signature_is_as_long_as_the_modulus(bits):
    big = key("RS256", 3, bits)

    assert bits // 8 == keys(big).keys[0].signature_bytes
    verify_jws(token(big), keys(big))


def test_an_rsa_modulus_is_odd():
    even = number(RS.private.public_key().public_numbers().n + 1)

    assert "an RSA modulus that is even" == why_skipped({**RS.jwk, "n": even})


@pytest.mark.parametrize("exponent", [1, 2, 4, 65536, 2**31, 2**31 + 1, 2**64 + 1])
def test_an_rsa_exponent_is_odd_and_of_a_sane_size(exponent):
    why = "an RSA exponent that is even, below 3 or above 31 bits"

    assert why == why_skipped({**RS.jwk, "e": number(exponent)})


def test_an_rsa_exponent_may_be_three():
    private = rsa.generate_private_key(3, 2048)
    three = SigningKey(private, "RS256", {"kty": "RSA", "kid": "three", "alg": "RS256", **rsa_members(private)})

    verify_jws(token(three), keys(three))
    assert keys({**RS.jwk, "e": number(2**31 - 1)}).keys


def test_a_leading_zero_in_a_modulus_is_forgiven():
    padded = segment(b"\0" + RS.private.public_key().public_numbers().n.to_bytes(256))

    verify_jws(token(RS), keys({**RS.jwk, "n": padded}))


def test_a_modulus_of_a_broken_generator_is_skipped():
    # Built to have the fingerprint: modulo every small prime it is a power of 65537 (here 65537 itself)
    primorial = 2
    for candidate in range(3, 168):
        if all(candidate % divisor for divisor in range(2, candidate)):
            primorial *= candidate
    marked = 65537 + primorial * ((1 << 2047) // primorial + 1)
    assert 2048 == marked.bit_length()

    why = "an RSA modulus made by a generator known to be broken (CVE-2017-15361)"
    assert why == why_skipped({**RS.jwk, "n": number(marked)})


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_a_point_is_on_its_curve(alg):
    jwk = key(alg).jwk
    size = (CURVES[alg].key_size + 7) // 8
    off = key(alg).private.public_key().public_numbers().y ^ 1

    assert f"a point that is not on {jwk['crv']}" == why_skipped({**jwk, "y": segment(off.to_bytes(size))})
    for x in (0, 256**size - 1):
        zero = segment(bytes(size))
        assert "a point that is not on" in why_skipped({**jwk, "x": segment(x.to_bytes(size)), "y": zero})


def test_a_point_of_another_curve_is_not_on_this_one():
    other = key("ES384").jwk

    assert "coordinates of 48 and 48 bytes, want 32 each on P-256" == why_skipped(
        {**ES.jwk, "x": other["x"], "y": other["y"]}
    )


def test_coordinates_have_their_full_size():
    x = ES.private.public_key().public_numbers().x.to_bytes(32)

    for bad in (x[1:], b"\0" + x, b"\0"):
        assert "bytes, want 32 each on P-256" in why_skipped({**ES.jwk, "x": segment(bad)})


@pytest.mark.parametrize(("jwk", "size"), [(ED.jwk, 32), (key("Ed448").jwk, 57)], ids=["Ed25519", "Ed448"])
def test_an_edwards_key_has_its_full_size(jwk, size):
    for bad in (b"x" * (size - 1), b"x" * (size + 1)):
        assert f"a public key of {len(bad)} bytes, want {size} for {jwk['crv']}" == why_skipped(
            {**jwk, "x": segment(bad)}
        )


@pytest.mark.parametrize(
    ("jwk", "name"),
    [(RS.jwk, "n"), (RS.jwk, "e"), (ES.jwk, "x"), (ES.jwk, "y"), (ED.jwk, "x")],
    ids=["n", "e", "EC x", "EC y", "OKP x"],
)
def test_every_part_of_a_key_is_there_and_base64url(jwk, name):
    assert f"{name} is missing or not a string" == why_skipped(without(jwk, name))
    for value in (None, 1, [], "", {}):
        assert f"{name} is missing or not a string" == why_skipped({**jwk, name: value})
    for value in (jwk[name] + "=", jwk[name] + "\n", "+" + jwk[name], " ", "é"):
        assert f"{name} is not base64url" == why_skipped({**jwk, name: value})


def test_one_bad_key_does_not_spoil_the_others():
    key_set = keys({**RS.jwk, "n": "AQAB"}, {"kty": "oct", "k": "AQAB"}, ES, algorithms=ALL)

    assert ["ES256-0"] == [one.kid for one in key_set.keys]
    verify_jws(token(ES), key_set)
    assert [("RS256-0", "an RSA modulus of 17 bits, want 2048 to 16384")] == list(key_set.skipped[:1])


def test_a_key_never_prints_more_than_its_name():
    [one] = keys(RS).keys

    assert "Key(kid='RS256-0', alg='RS256', signature_bytes=256)" == repr(one)


def test_cryptography_is_imported_when_the_first_key_is_made_and_not_before():
    code = (
        "import sys, phantomgate.oauth.jwt, phantomgate.oauth.jwks;"
        "assert 'cryptography' not in sys.modules;"
        "from phantomgate.oauth.jwks import read_key_set;"
        """read_key_set(b'{"keys":[{"kty":"oct"}]}', ['RS256']);"""
        "assert 'cryptography' not in sys.modules;"
        "read_key_set(sys.stdin.buffer.read(), ['RS256']).keys[0];"
        "assert 'cryptography' in sys.modules;"
        "assert 'cryptography.hazmat.primitives.asymmetric.ec' not in sys.modules, 'no more of it than is needed'"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        input=key_set_body(RS.jwk),
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(SOURCES)},
    )

    assert (0, b"") == (done.returncode, done.stderr)


def test_a_set_that_lacks_a_key_of_another_is_told():
    both, one = keys(RS, ES), keys(RS)
    assert both.has_all_of(one)
    assert one.has_all_of(one)
    assert not one.has_all_of(both)
    other = read_key_set(key_set_body({**RS.jwk, "n": key("RS256", 1).jwk["n"]}), ALL)
    assert not other.has_all_of(one)  # the same name, and another key


def test_a_key_is_told_from_every_other_by_its_name_its_use_and_each_of_its_numbers():
    def changed(signer, **members):
        return read_key_set(key_set_body({**signer.jwk, **members}), ALL)

    another = {name: key(name, 1).jwk for name in ("RS256", "EdDSA")}
    for signer, other in (
        (RS, changed(RS, kid="another")),
        (RS, changed(RS, alg="RS384")),
        (RS, changed(RS, n=another["RS256"]["n"])),
        (RS, changed(RS, e="Aw")),
        (ED, changed(ED, x=another["EdDSA"]["x"])),
    ):
        one = keys(signer)
        assert one.fingerprints() == keys(signer).fingerprints()
        assert one.fingerprints().isdisjoint(other.fingerprints())
        assert not other.has_all_of(one)
