"""Settings by which phantomgate makes a JWT of its own, and somebody else's library that verifies it by the keys
that we publish: PyJWT.
"""

from __future__ import annotations

import json
from typing import Any

import jwt
from joserfc.jwk import ECKey

from interop.asking import Answer, ask
from interop.phantomgate_server import ENVIRON, Phantomgate

MINT = ECKey.generate_key("P-256")
MINT_ENVIRON = {**ENVIRON, "MINT": MINT.as_pem(private=True).decode()}
OURS = "a JWT of ours (`[mint]`)"
"""What comes of it, in the matrix."""
ISSUER, AUDIENCE = "https://gateway.example", "orders"


def minting(**more: Any) -> str:
    """`[policy]` that wants `read`, and `[mint]`, with *more* in it."""
    values = {"keys": ["env:MINT"], "issuer": ISSUER, "audience": AUDIENCE, **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(["[policy]", 'scopes = ["read"]', "[mint]", *lines, ""])


def decide(gate: Phantomgate, token: str) -> Answer:
    """What the decision listener says about a GET of /orders with *token*."""
    return ask(_port(gate), "/decide", ("X-Original-Method", "GET"), ("X-Original-URI", "/orders"), token=token)


def exchange(gate: Phantomgate, token: str) -> Answer:
    """What /exchange says about *token*."""
    return ask(_port(gate), "/exchange", token=token)


def verified(gate: Phantomgate, said: Answer, *, expires: bool = True) -> dict[str, Any]:
    """The claims of the JWT that *said* gives, if PyJWT finds that it is ours, for AUDIENCE, and good.

    Without *expires* its `exp` is not held against the clock, which may have gone on since.
    """
    assert said.status == 200, gate.said(said.json["decision"])
    token = (said.one("authorization") or "").removeprefix("Bearer ") or said.json["access_token"]
    published = jwt.PyJWKSet.from_json(ask(_port(gate), "/.well-known/jwks.json").body.decode())
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    wanted = ["iss", "aud", "sub", "client_id", "exp", "iat", "jti"]  # RFC 9068 §2.2
    claims: dict[str, Any] = jwt.decode(
        token,
        published[header["kid"]],
        algorithms=["ES256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": wanted, "verify_exp": expires},
    )
    return claims


def _port(gate: Phantomgate) -> int:
    return int(gate.listen.rpartition(":")[2])
