"""Keys of ours: read, published, used to sign and to decrypt. The one file of the service that knows joserfc.

Rule: a key is for exactly one algorithm, which its type settles; a private key never leaves this file, and no error
quotes what was read. Signing itself never waits; the port may.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from phantomgate.core.base64url import base64url
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Sign
from phantomgate.oauth.strict_json import read_object

_Key: TypeAlias = ECKey | OKPKey | RSAKey | OctKey
_KINDS: Mapping[str, type[ECKey | OKPKey | RSAKey]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_WANT = "want an EC P-256, Ed25519 or RSA key (2048 bits or more), as PEM (PKCS#8) or as a JWK"
MIN_RSA_BITS = 2048
MIN_HMAC_BYTES = 32
MAX_JWE_BYTES = 65536
# RFC 7517 §4.3 has unwrapKey for RSA too, but joserfc takes no key without `decrypt`: better told at start than later
_DECRYPTS: Mapping[str, tuple[str, ...]] = {"RSA-OAEP-256": ("decrypt",), "ECDH-ES": ("deriveKey", "deriveBits")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of ours and the one algorithm it is for: ES256, EdDSA or RS256. Without `private` it only publishes."""

    kid: str
    alg: str
    private: bool
    public: Mapping[str, str]
    """The public key as a JWK (RFC 7517), with `kid`, `alg` and `use`."""
    key: _Key = field(repr=False)


def read_signing_key(text: str) -> SigningKey:
    """The key in *text*, PEM or JWK, private or public; its `kid` is its own or its thumbprint (RFC 7638).

    Raises ValueError that says what is wrong, never what was read.
    """
    key = _read(text)
    alg = _algorithm(key)
    said = key.as_dict(private=False)
    if said.get("alg", alg) not in (alg, "Ed25519" if alg == "EdDSA" else alg):
        raise ValueError(f"holds a key for another algorithm than {alg}, the one that its type is used for here")
    if said.get("use", "sig") != "sig":
        raise ValueError('holds a key whose "use" is not "sig"')
    kid = said.get("kid") or key.thumbprint()
    if not isinstance(kid, str):
        raise ValueError("holds a key whose kid is not a text")
    names = ("kty", "crv", "x", "y", "n", "e")
    public = {name: str(said[name]) for name in names if name in said} | {"kid": kid, "alg": alg, "use": "sig"}
    return SigningKey(kid, alg, bool(key.is_private), public, key)


def new_signing_key() -> str:
    """A new key that signs by ES256, as PEM (PKCS#8), for whoever tries things out; it is nowhere else."""
    return ECKey.generate_key("P-256").as_pem(private=True).decode("ascii")


def signer(key: SigningKey) -> Sign:
    """Signs with *key*. Raises ValueError when it is a public one."""
    if not key.private:
        raise ValueError(f"holds a public key, which can't sign; {_WANT}, with its private part")
    return _signer(key.alg, key.key, {"alg": key.alg, "kid": key.kid})


def hmac_signer(secret: str) -> Sign:
    """Signs by HS256 with *secret*, shared with the server; for `client_secret_jwt` only.

    Raises ValueError when it is shorter than the hash (RFC 7518 §3.2).
    """
    data = secret.encode("utf-8")
    if len(data) < MIN_HMAC_BYTES:
        raise ValueError(f"is {len(data)} bytes, want at least {MIN_HMAC_BYTES} for HS256 (RFC 7518 §3.2)")
    return _signer("HS256", OctKey.import_key(data), {"alg": "HS256"})


def decrypter(text: str) -> Callable[[str], str]:
    """Decrypts compact JWEs (RFC 7516 §7.1) by the private key in *text*: RSA by RSA-OAEP-256, EC P-256 by ECDH-ES.

    Raises ValueError for a key that can't, or that says it is for something else; what is returned raises it for a JWE
    that can't be decrypted, that uses any other algorithm or compression, or that is over 64 KiB.
    """
    key = _read(text)
    alg = "RSA-OAEP-256" if isinstance(key, RSAKey) else "ECDH-ES" if isinstance(key, ECKey) else ""
    if not alg or not key.is_private:
        raise ValueError("holds no key that can decrypt; want a private RSA (2048 bits or more) or EC P-256 key")
    _algorithm(key)
    _check_decrypts(key.as_dict(private=False), alg)
    # RFC 9701 §6 has A128CBC-HS256 as its default. No `zip` is listed, so nothing is ever inflated.
    # Servers repeat `iss` and `aud` in the header (RFC 7519 §5.3), which the strict check would refuse. We use neither.
    registry = jwe.JWERegistry(algorithms=[alg, "A256GCM", "A128CBC-HS256"], strict_check_header=False)

    def decrypt(token: str) -> str:
        if len(token) > MAX_JWE_BYTES:
            raise ValueError(f"a JWE of {len(token)} bytes, want at most {MAX_JWE_BYTES}")
        if token.count(".") != 4:
            raise ValueError("not a compact JWE of five segments")
        if "crit" in read_object(base64url(token.partition(".")[0].encode("ascii"))):  # RFC 7516 §4.1.13
            raise ValueError("a JWE with crit: extensions that must be understood, and we understand none")
        try:
            plain = jwe.decrypt_compact(token, key, registry=registry).plaintext
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # neither the text nor the cause is repeated: which step failed is nobody's business (RFC 7516 §11.5)
            raise ValueError(f"not decrypted by {alg}") from error
        return (plain or b"").decode("ascii")  # UnicodeDecodeError is a ValueError

    return decrypt


def _check_decrypts(said: Mapping[str, Any], alg: str) -> None:
    """A key is for what it says it is for (RFC 7517 §4.2 to §4.4); without a word, for *alg*."""
    if said.get("alg", alg) != alg:
        raise ValueError(f"holds a key for another algorithm than {alg}, the one that its type decrypts by here")
    if said.get("use", "enc") != "enc":
        raise ValueError('holds a key whose "use" is not "enc"')
    if "key_ops" in said and not set(_DECRYPTS[alg]).intersection(said["key_ops"]):
        raise ValueError(f'holds a key whose "key_ops" don\'t name {" or ".join(_DECRYPTS[alg])}')


def key_set(keys: Sequence[SigningKey]) -> bytes:
    """The public parts of *keys* as a JWK Set (RFC 7517 §5). Raises ValueError when two share a kid."""
    kids = [key.kid for key in keys]
    if len(set(kids)) != len(kids):
        raise ValueError("holds the same key, or the same kid, twice")
    return json.dumps({"keys": [dict(key.public) for key in keys]}, separators=(",", ":")).encode("ascii")


def _signer(alg: str, key: _Key, header: Mapping[str, str]) -> Sign:
    algorithm = JWSRegistry.algorithms[alg]

    async def sign(typ: str, claims: Mapping[str, Any]) -> str:
        # RFC 7515 §7.1. Not `jws.serialize_compact`, which would warn of the name EdDSA (RFC 8037) at each call; the
        # newer name of RFC 9864 isn't known to most verifiers yet.
        signed = _segment(_json({**header, "typ": typ})) + b"." + _segment(_json(claims))
        return (signed + b"." + _segment(algorithm.sign(signed, key))).decode("ascii")

    return sign


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _segment(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_URL_SAFE)


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _read(text: str) -> ECKey | OKPKey | RSAKey:
    return _from_pem(text.strip()) if text.lstrip().startswith("-----BEGIN") else _from_jwk(text)


def _from_pem(text: str) -> ECKey | OKPKey | RSAKey:
    for kind in _KINDS.values():
        try:
            return kind.import_key(text)
        except (JoseError, ValueError, TypeError):  # of another kind, encrypted, or no key at all
            continue
    raise ValueError(f"holds no key that can be read; {_WANT}, not encrypted")


def _from_jwk(text: str) -> ECKey | OKPKey | RSAKey:
    try:
        jwk = json.loads(text)
        kind = _KINDS[jwk["kty"]]
        return kind.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(f"holds no key that can be read; {_WANT}") from None


def _algorithm(key: ECKey | OKPKey | RSAKey) -> str:
    """The one algorithm that *key* signs by."""
    if isinstance(key, RSAKey):
        bits = key.raw_value.key_size
        if bits < MIN_RSA_BITS:  # RFC 7518 §3.3
            raise ValueError(f"holds an RSA key of {bits} bits; {_WANT}")
        return "RS256"
    alg = {"P-256": "ES256", "Ed25519": "EdDSA"}.get(key.curve_name)
    if alg is None:
        raise ValueError(f"holds a key on the curve {key.curve_name}; {_WANT}")
    return alg
