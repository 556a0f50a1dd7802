"""RFC 7515: check the signature of a compact JWS with a key of the issuer's set, and give back what was signed.

Rule: nothing in the token chooses how it is verified. It names a key and an algorithm; both must be what the key set
says they are, before any arithmetic, and nothing of the payload is looked at before the signature is good.
"""

from __future__ import annotations

from phantomgate.core.base64url import base64url
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.jose_header import Header, read_header
from phantomgate.oauth.jwks import Key, KeySet
from phantomgate.oauth.quoting import listed, shown

MAX_BYTES = 16384
_REMEMBERED = 64  # headers a key set: an issuer has one for each key and typ


class UnknownKey(Refused):
    """The key set has no key that this token may have been signed with. A newer one may: fetch it, sparingly."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.INVALID_TOKEN, detail)

    def again(self) -> UnknownKey:
        """As `Refused.again`."""
        return UnknownKey(self.detail)


def verify_jws(jws: str, keys: KeySet, *, max_bytes: int = MAX_BYTES) -> tuple[Header, bytes]:
    """Header and payload of *jws*, signed by a key of *keys*.

    Raises Refused(INVALID_TOKEN) when it is anything else, and its subtype UnknownKey when only the key is missing.
    """
    if len(jws) > max_bytes:
        raise _refused(f"a token of {len(jws)} bytes, want at most {max_bytes}")
    try:
        text = jws.encode("ascii")
    except UnicodeEncodeError:
        raise _refused("a character that is not base64url") from None
    signed, _, tail = text.rpartition(b".")
    head, dot, payload = signed.partition(b".")
    if not dot or b"." in payload:
        raise _refused(_not_compact(text))
    known = keys.remembered.get(head)
    if known is None:
        header = read_header(head)
        candidates = _candidates(header, keys)
    else:
        header, candidates = known
    try:
        signature, content = base64url(tail), base64url(payload)
    except ValueError:
        raise _refused("payload or signature is not canonical base64url (RFC 7515 section 2)") from None
    for key in candidates:
        if len(signature) == key.signature_bytes and key.check(signature, signed):
            break
    else:
        raise _refused(_wrong_signature(signature, candidates))
    if known is None and len(keys.remembered) < _REMEMBERED:
        keys.remembered[head] = header, candidates  # only now: whoever can't sign can't fill it
    return header, content


def _candidates(header: Header, keys: KeySet) -> tuple[Key, ...]:
    """The keys to try: of the token's `alg`, which the issuer may use, and of its `kid`."""
    alg, kid = header.alg, header.kid
    if alg not in keys.algorithms:  # `none` and every HMAC are in nobody's list
        raise _refused(f"alg is {shown(alg)}, want one of {listed(keys.algorithms)}")
    found = keys.find(kid, alg)
    if kid is None and len(found) > 1:
        raise _refused(f"no kid, and {len(found)} keys are for {alg}")
    if found:
        return found
    if kid is None:
        raise UnknownKey(f"no kid, and no key is for {alg}")
    why = keys.why_not(kid)
    if why:
        raise _refused(f"alg is {alg}, and key {shown(kid)} {why}")
    raise UnknownKey(f"key {shown(kid)} is not in the issuer's key set")


def _wrong_signature(signature: bytes, candidates: tuple[Key, ...]) -> str:
    sizes = listed({f"{key.signature_bytes}" for key in candidates})
    return f"the signature is wrong ({len(signature)} bytes, want {sizes}; {candidates[0].alg})"


def _not_compact(text: bytes) -> str:
    dots = text.count(b".")
    if dots == 4:
        return "an encrypted token (JWE), which is not accepted as an access token"
    return f"{dots} dots, want the two of a compact JWS (RFC 7515 section 7.1)"


def _refused(detail: str) -> Refused:
    return Refused(Reason.INVALID_TOKEN, detail)
