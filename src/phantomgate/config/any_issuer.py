"""The rules for JWTs of [aws] keys: of whoever signs with a key of that one set, as the Node JWT authorizer has it.

Rule: what an issuer would be known by is not checked here, only what every access token must be. `policy.issuers` and
`policy.audiences` check the rest where they are written. An ID token is none.
"""

from __future__ import annotations

from phantomgate.oauth.jwt_rules import ABSENT, ACCESS_TOKEN, AT_JWT, Rules, check_audience, check_issuer

NAME = "keys"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""An RSA key whose `alg` isn't told is for the first."""


def any_issuer_rules(clock_skew: float) -> Rules:
    """`typ` is `at+jwt`, `JWT` or absent; `exp` and `sub` are there; all else as for every access token.

    Who puts the address of a key or a certificate into headers isn't known, and some do: nothing there is ever used.
    A key itself (`jwk`) is in no access token.
    """
    checks = tuple(check for check in ACCESS_TOKEN if check not in (check_issuer, check_audience))
    types = frozenset((AT_JWT, "jwt", ABSENT))
    tolerated = frozenset(("jku", "x5u", "x5c"))
    return Rules("", frozenset(), types, ("exp", "sub"), checks, clock_skew=clock_skew, tolerated=tolerated)
