"""RFC 7518 §3, RFC 8037, RFC 9864: what each signature algorithm asks of a public key, and how it checks a signature.

Rule: asymmetric only, and nothing is repaired: a key that is weak, malformed or off its curve is no key. The one file
of this layer that imports `cryptography`, when the first key is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from phantomgate.core.base64url import base64url
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.quoting import shown

Check: TypeAlias = Callable[[bytes, bytes], bool]
"""(signature, what was signed) -> whether this key made it. The signature has the algorithm's exact length."""

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_MIN_RSA_BITS = 2048  # RFC 7518 §3.3, §3.5
_MAX_RSA_BITS = 16384  # beyond it a signature costs us more than it costs the sender
_MAX_EXPONENT = 2**31  # as large as Go allows; 65537 is what everybody uses, and a large one only makes us slow


class Verifier(NamedTuple):
    """One public key made ready for one algorithm; `signature_bytes` is how long its signatures are, exactly."""

    signature_bytes: int
    check: Check


class _Curve(NamedTuple):
    alg: str
    hash: str
    size: int
    order: int


# RFC 7518 §3.4: one curve an algorithm. The orders are of SEC 2 (FIPS 186-5's P-256, P-384, P-521).
_CURVES: Mapping[str, _Curve] = {
    "P-256": _Curve("ES256", "SHA256", 32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": _Curve(
        "ES384",
        "SHA384",
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "P-521": _Curve(
        "ES512",
        "SHA512",
        66,
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
    ),
}
# RFC 8037 §2: the curve says it all; (public key bytes, signature bytes)
_EDWARDS: Mapping[str, tuple[int, int]] = {"Ed25519": (32, 64), "Ed448": (57, 114)}


def fitting(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """The algorithms that the key type and curve of *jwk* leave. Raises ValueError when there are none."""
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        return _RSA
    if kty == "EC" and isinstance(crv, str) and crv in _CURVES:
        return (_CURVES[crv].alg,)
    if kty == "OKP" and isinstance(crv, str) and crv in _EDWARDS:
        return ("EdDSA", crv)
    if kty in ("EC", "OKP"):
        raise ValueError(f"crv is {shown(crv)}, which no algorithm of ours uses")
    raise ValueError(f"kty is {shown(kty)}, want RSA, EC or OKP")


def make_verifier(jwk: Mapping[str, Any], alg: str) -> Verifier:
    """The public key *jwk* made ready for *alg*, which must be one of `fitting(jwk)`.

    Raises ValueError when it is not a key that *alg* may be used with.
    """
    if alg in _RSA:
        return _rsa(jwk, alg)
    return _ec(jwk) if jwk.get("kty") == "EC" else _edwards(jwk)


def _rsa(jwk: Mapping[str, Any], alg: str) -> Verifier:
    modulus = int.from_bytes(_octets(jwk, "n"))
    exponent = int.from_bytes(_octets(jwk, "e"))
    bits = modulus.bit_length()
    if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS:
        raise ValueError(f"an RSA modulus of {bits} bits, want {_MIN_RSA_BITS} to {_MAX_RSA_BITS}")
    if not modulus & 1:
        raise ValueError("an RSA modulus that is even")
    if not (3 <= exponent < _MAX_EXPONENT and exponent & 1):
        raise ValueError("an RSA exponent that is even, below 3 or above 31 bits")
    if _is_roca(modulus):
        raise ValueError("an RSA modulus made by a generator known to be broken (CVE-2017-15361)")

    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    verify = rsa.RSAPublicNumbers(exponent, modulus).public_key().verify
    digest: hashes.HashAlgorithm = getattr(hashes, f"SHA{alg[2:]}")()
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if alg.startswith("PS"):  # RFC 7518 §3.5: MGF1 with the same hash, a salt as long as the hash
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)

    def check(signature: bytes, signed: bytes) -> bool:
        try:
            verify(signature, signed, scheme, digest)
        except InvalidSignature:
            return False
        return True

    return Verifier((bits + 7) // 8, check)


def _ec(jwk: Mapping[str, Any]) -> Verifier:
    curve = _CURVES[jwk["crv"]]
    size, order = curve.size, curve.order
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    if not len(x) == len(y) == size:  # RFC 7518 §6.2.1.2: the full size, leading zeros and all
        raise ValueError(f"coordinates of {len(x)} and {len(y)} bytes, want {size} each on {jwk['crv']}")

    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    groups: dict[str, ec.EllipticCurve]
    groups = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    try:
        key = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), groups[jwk["crv"]]).public_key()
    except ValueError:
        raise ValueError(f"a point that is not on {jwk['crv']}") from None
    verify = key.verify
    scheme = ec.ECDSA(getattr(hashes, curve.hash)())

    def check(signature: bytes, signed: bytes) -> bool:
        numbers = split_signature(signature, size, order)
        if numbers is None:
            return False
        try:
            verify(encode_dss_signature(*numbers), signed, scheme)
        except InvalidSignature:
            return False
        return True

    return Verifier(2 * size, check)


def split_signature(signature: bytes, size: int, order: int) -> tuple[int, int] | None:
    """r and s of a *signature* with *size* bytes each (RFC 7518 §3.4), or None unless both are in [1, *order* - 1].

    FIPS 186-5 §6.4.2. Zeros are the "psychic signature" of CVE-2022-21449, good for every message wherever nobody asks.
    """
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    return (r, s) if 0 < r < order and 0 < s < order else None


def _edwards(jwk: Mapping[str, Any]) -> Verifier:
    crv = jwk["crv"]
    size, signature_bytes = _EDWARDS[crv]
    x = _octets(jwk, "x")
    if len(x) != size:
        raise ValueError(f"a public key of {len(x)} bytes, want {size} for {crv}")

    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    try:
        key = (ed25519.Ed25519PublicKey if crv == "Ed25519" else ed448.Ed448PublicKey).from_public_bytes(x)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"the cryptographic library here can't use this {crv} key") from None
    verify = key.verify

    def check(signature: bytes, signed: bytes) -> bool:
        try:
            verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return Verifier(signature_bytes, check)


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing or not a string")
    try:
        return base64url(value.encode("ascii"))
    except ValueError:
        raise ValueError(f"{name} is not base64url") from None


def _is_roca(modulus: int) -> bool:
    """Whether *modulus* has the fingerprint of Infineon's generator: modulo each small prime it is a power of 65537.

    Nemec et al., "The Return of Coppersmith's Attack" (CCS 2017), §3: by chance one modulus in 2**27 has it.
    """
    return all(modulus % prime in powers for prime, powers in _powers())


@lru_cache(maxsize=1)
def _powers() -> tuple[tuple[int, frozenset[int]], ...]:
    primes = [number for number in range(3, 168) if all(number % divisor for divisor in range(2, number))]
    return tuple((prime, frozenset(pow(65537, power, prime) for power in range(prime))) for prime in primes)
