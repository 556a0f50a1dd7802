"""Opaque tokens and the JWTs behind them, made from a number so that every process agrees without talking.

Rule: one token, one JWT, whoever asks. The stub authorization server, the peers' tables and the check of an answer all
call `jwt_for`, so an answer is right only if it is byte for byte the JWT of that token. Signatures are noise of the
right length: whoever introspects trusts the channel, not the signature, and noise can't be compressed away.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

PREFIX = "_0XBPWQQ_"
SCOPE = "openid profile read orders:read orders:write"

_HEADER = '{"kid":"-1789446290","x5t":"5hgbMQ1bqLNDTo0lgh1LJLRuRXs","typ":"at+jwt","alg":"RS256"}'


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


_HEADER_SEGMENT = _b64(_HEADER.encode())


def token(number: int) -> str:
    """The opaque token of *number*: 41 characters that differ everywhere, since LuaJIT hashes only some of a string."""
    return PREFIX + hashlib.md5(number.to_bytes(8, "big"), usedforsecurity=False).hexdigest()


def tokens(count: int, start: int = 0) -> Iterator[str]:
    """*count* tokens, from *start* on."""
    return (token(number) for number in range(start, start + count))


def subject(opaque: str) -> str:
    """The `sub` of a token, 36 characters, as a UUID would be."""
    return f"user-{opaque[-31:]}"


def jwt_for(opaque: str, expires_at: int, *, length: int = 1107) -> str:
    """The JWT of a token: RS256 in form, *length* bytes give or take two, `exp` as given."""
    claims = (
        f'{{"jti":"{opaque[-32:]}","delegationId":"{opaque[-32:]}","exp":{expires_at},"nbf":{expires_at - 7200},'
        f'"scope":"{SCOPE}","iss":"https://login.example.com/oauth/v2/oauth-anonymous","sub":"{subject(opaque)}",'
        f'"aud":"api.example.com","iat":{expires_at - 7200},"purpose":"access_token","client_id":"spa-example",'
        f'"account":"'
    )
    signature = _b64(hashlib.shake_256(opaque.encode()).digest(256))
    wanted = (length - len(_HEADER_SEGMENT) - len(signature) - 2) * 3 // 4
    filler = hashlib.shake_128(opaque.encode()).hexdigest(512)
    claims += filler[: max(0, wanted - len(claims) - 2)] + '"}'
    return f"{_HEADER_SEGMENT}.{_b64(claims.encode())}.{signature}"


def write_tokens(path: Path, count: int, start: int = 0) -> None:
    """One token a line: what the load generator rotates through."""
    with path.open("w") as out:
        out.writelines(f"{opaque}\n" for opaque in tokens(count, start))


def write_table(path: Path, count: int, expires_at: int) -> None:
    """One `token sub exp jwt` a line: what the peers put in their tables when they start."""
    with path.open("w") as out:
        out.writelines(
            f"{opaque} {subject(opaque)} {expires_at} {jwt_for(opaque, expires_at)}\n" for opaque in tokens(count)
        )
