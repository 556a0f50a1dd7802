"""RFC 7517: an issuer's key set, read once, each key made ready for exactly one algorithm.

Rule: a key that can't be used safely is not used, and we remember why. Which algorithm a key is for is settled here,
before any token is seen (RFC 8725 §3.1): its own `alg`; without one, what key type and curve leave of the issuer's
algorithms. An RSA key leaves several, and is then bound to the first RSA algorithm in the issuer's list: list the one
first that the issuer signs with. Looking a key up is by (`kid`, `alg`), so a key can't be used with another algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from phantomgate.core.nouns import dataclass, field
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.jose_header import Header
from phantomgate.oauth.jwa import Check, fitting, make_verifier
from phantomgate.oauth.quoting import listed, shown, why
from phantomgate.oauth.strict_json import read_object

MAX_BYTES = 65536
MAX_KEYS = 100
SAME_KID = 4  # how many keys of one kid and alg are tried
# RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2: what only the owner of a key may have
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth"))
# RFC 7518 §6.2.1, §6.3.1, RFC 8037 §2: what a public key is
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")


@dataclass(frozen=True, slots=True)
class Key:
    """One public key of the issuer, and the one algorithm it is for."""

    kid: str | None
    alg: str
    signature_bytes: int
    check: Check = field(repr=False)
    public: tuple[object, ...] = field(default=(), repr=False)
    """The key itself, to tell it from others of its name."""


class Skipped(NamedTuple):
    """A key of the set that is not used, and why, for the log."""

    kid: str | None
    why: str


class KeySet:
    """One issuer's usable keys and the algorithms it may use. It never changes what it says.

    Its state: `remembered`, JOSE headers that have come with a good signature of one of these keys, already read. It
    is written by `oauth.jws` only, bounded there, and gone with the set.
    """

    __slots__ = ("_by_kid_and_alg", "_without_kid", "algorithms", "keys", "remembered", "skipped")

    def __init__(self, algorithms: Sequence[str], keys: Sequence[Key], skipped: Sequence[Skipped] = ()) -> None:
        self.algorithms = frozenset(algorithms)
        self.keys = tuple(keys)
        self.skipped = tuple(skipped)
        self.remembered: dict[bytes, tuple[Header, tuple[Key, ...]]] = {}
        self._by_kid_and_alg: dict[tuple[str | None, str], tuple[Key, ...]] = {}
        self._without_kid: dict[str, tuple[Key, ...]] = {}
        for key in keys:
            name = key.kid, key.alg
            if key.kid is not None:
                self._by_kid_and_alg[name] = (*self._by_kid_and_alg.get(name, ()), key)
            self._without_kid[key.alg] = (*self._without_kid.get(key.alg, ()), key)

    def find(self, kid: str | None, alg: str) -> tuple[Key, ...]:
        """The keys that a token naming *kid* and *alg* may have been signed with; for no *kid*, every key of *alg*."""
        return self._without_kid.get(alg, ()) if kid is None else self._by_kid_and_alg.get((kid, alg), ())

    def has_all_of(self, other: KeySet) -> bool:
        """Whether whatever a key of *other* verifies, one of these verifies too: none was taken back."""
        ours = {(key.kid, key.alg, key.public) for key in self.keys}
        return all((key.kid, key.alg, key.public) in ours for key in other.keys)

    def fingerprints(self) -> frozenset[bytes]:
        """What tells each key from every other, short enough to be written down; of the key, its name and its use."""
        return frozenset(sha256(repr((k.kid, k.alg, k.public)).encode()).digest()[:16] for k in self.keys)

    def why_not(self, kid: str) -> str:
        """Why the set's key *kid* is not used, or with what else it is; empty when the set has no such key."""
        reasons = [f"is for {key.alg}" for key in self.keys if key.kid == kid]
        reasons += [f"is not used: {why}" for name, why in self.skipped if name == kid]
        return "; it ".join(reasons)


def read_key_set(
    body: bytes,
    algorithms: Sequence[str],
    *,
    skip_private_keys: bool = False,
    max_bytes: int = MAX_BYTES,
    max_keys: int = MAX_KEYS,
) -> KeySet:
    """The key set *body* of an issuer that may use *algorithms*, in the order of its preference.

    Raises ValueError when *algorithms* is empty or names one that is not ours, when the set is not strict JSON with an
    array of objects in `keys`, when it is larger than *max_bytes* or *max_keys*, or when it publishes a private key,
    which *skip_private_keys* turns into a skipped key. Keys that can't be used are `skipped`, each with its reason.
    """
    _check_algorithms(algorithms)
    if len(body) > max_bytes:
        raise ValueError(f"a key set of {len(body)} bytes, want at most {max_bytes}")
    try:
        members = read_object(body).get("keys")
    except ValueError as error:
        raise ValueError(f"a key set that can't be read: {why(error)}") from None
    if not isinstance(members, list) or not all(isinstance(jwk, dict) for jwk in members):
        raise ValueError("a key set without an array of objects in `keys`")
    if len(members) > max_keys:
        raise ValueError(f"a key set of {len(members)} keys, want at most {max_keys}")
    keys: list[Key] = []
    skipped: list[Skipped] = []
    for jwk in members:
        kid = jwk["kid"] if isinstance(jwk.get("kid"), str) else None
        try:
            _check_public(jwk, skip_private_keys)
            made = _read_key(jwk, kid, algorithms)
            if sum((key.kid, key.alg) == (kid, made[0].alg) for key in keys) >= SAME_KID:
                raise _Unusable(f"{SAME_KID} keys before it have its kid and alg")
        except _Unusable as unusable:
            skipped.append(Skipped(kid, str(unusable)))
        else:
            keys += made
    return KeySet(algorithms, keys, skipped)


class _Unusable(Exception):
    """This key is not used; the others may be."""


def _check_algorithms(algorithms: Sequence[str]) -> None:
    if not algorithms:
        raise ValueError("an issuer without algorithms, want at least one")
    strange = set(algorithms) - ALGORITHMS
    if strange:
        raise ValueError(f"{shown(sorted(strange))} in an issuer's algorithms, want some of {listed(ALGORITHMS)}")


def _check_public(jwk: Mapping[str, Any], skip_private_keys: bool) -> None:
    if jwk.get("kty") == "oct" or "k" in jwk:
        raise _Unusable("it is symmetric: whoever can read the set could sign with it")
    if not _PRIVATE.isdisjoint(jwk):
        if not skip_private_keys:
            raise ValueError("a key set that publishes a private key: whoever can read it can sign with it")
        raise _Unusable("it is a private key, which everybody has now seen")


def _read_key(jwk: Mapping[str, Any], kid: str | None, algorithms: Sequence[str]) -> list[Key]:
    """The key, once; an Edwards key once for each of its two names that is allowed."""
    if "kid" in jwk and kid is None:
        raise _Unusable("kid is not a string")
    if "use" in jwk and jwk["use"] != "sig":  # RFC 7517 §4.2
        raise _Unusable(f"use is {shown(jwk['use'])}, want sig")
    if "key_ops" in jwk:
        _check_operations(jwk["key_ops"])
    try:
        names = _bind(jwk, algorithms)
        verifier = make_verifier(jwk, names[0])
    except ValueError as error:
        raise _Unusable(why(error)) from None
    public = tuple(jwk.get(name) for name in _PUBLIC)
    return [Key(kid, name, *verifier, public) for name in names]


def _check_operations(operations: object) -> None:
    # RFC 7517 §4.3: an array of strings, none twice
    if not isinstance(operations, list) or not all(isinstance(one, str) for one in operations):
        raise _Unusable("key_ops is not an array of strings")
    if "verify" not in operations or len(set(operations)) != len(operations):
        raise _Unusable(f"key_ops is {shown(operations)}, want verify among them and none twice")


def _bind(jwk: Mapping[str, Any], algorithms: Sequence[str]) -> Sequence[str]:
    """The one algorithm this key is for, by all its names. Raises ValueError when there is none."""
    possible = fitting(jwk)
    if "alg" in jwk:
        alg = jwk["alg"]
        if alg not in possible:
            raise ValueError(f"alg is {shown(alg)}, which is no signature algorithm for this kind of key")
        if alg not in algorithms:
            raise ValueError(f"alg is {alg}, want one of {listed(algorithms)}")
        return (alg,)
    allowed = [alg for alg in dict.fromkeys(algorithms) if alg in possible]
    if not allowed:
        raise ValueError(f"its kind can't be used with any of {listed(algorithms)}")
    return allowed[:1] if jwk["kty"] == "RSA" else allowed
