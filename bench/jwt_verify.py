"""A JWT verified, all of it, beside the bare signature and beside the libraries that people use for it.

Bare is `cryptography`'s verify of the same signature with everything prepared: no base64, no JSON, no key to look up,
no claim. PyJWT gets the one right key, prepared; joserfc and we get a prepared key set and look the key up. All make
the same checks: issuer, audience, times, subject. Everybody runs in this process, in turns that rotate; a figure is
CPU of this thread, and a ratio is the middle of the ratios of each round.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from measure import Broken, Missing
from report import Floor, Report, Run

ISSUER = "https://authorization-server.example.com/"
AUDIENCE = "https://rs.example.com/"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


class Contest(NamedTuple):
    """One token, and everybody's way to verify it, each giving the subject (bare gives none)."""

    name: str
    token: str
    ways: dict[str, Callable[[str], str]]
    bare: Callable[[], object]


def jwt_verify(run: Run) -> Report:
    """CPU of one verification by algorithm and by library, and the floors for RS256."""
    contests = [*(_contest(alg, alg, run.expires_at) for alg in ALGORITHMS), _large(run.expires_at)]
    calls = 50 if run.smoke else 300
    rows, ratios = [], {}
    for contest in contests:
        _right(contest)
        cpu = _interleave(contest, rounds=max(3, run.rounds * 3), calls=calls)
        middle = {who: statistics.median(laps) for who, laps in cpu.items()}
        run.say(f"  {contest.name:<12} " + ", ".join(f"{who} {cost:.1f}" for who, cost in middle.items()))
        ours = cpu["phantomgate"]
        for who, laps in cpu.items():
            ratios[contest.name, who] = statistics.median(one / other for one, other in zip(ours, laps, strict=True))
        rows.append(
            [
                contest.name,
                f"{len(contest.token)}",
                *(f"{cost:.1f}" for cost in middle.values()),
                *(f"{ratios[contest.name, who]:.2f}" for who in cpu if who != "phantomgate"),
            ]
        )
    return Report(
        "jwt_verify",
        ["token", "bytes", "bare us", "phantomgate us", "PyJWT us", "joserfc us", "of bare", "of PyJWT", "of joserfc"],
        rows,
        floors=(
            Floor("RS256 verified / its bare signature", ratios["RS256", "bare"], 1.40, at_most=True),
            Floor("RS256 verified / PyJWT", ratios["RS256", "PyJWT"], 0.45, at_most=True),
        ),
        notes=(
            "the claims are those of RFC 9068 section 2.2; the large token has 1.1 kB and 24 of them",
            "beside the signature it is JSON with one meaning, the rules, and base64 with one spelling, in this order",
        ),
    )


def _interleave(contest: Contest, *, rounds: int, calls: int) -> dict[str, list[float]]:
    """Microseconds of CPU a call, a list a contestant, one figure a round."""
    token = contest.token
    runners: dict[str, Callable[[], object]] = {
        "bare": contest.bare,
        **{who: lambda way=way: way(token) for who, way in contest.ways.items()},
    }
    names = list(runners)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            runner = runners[name]
            before = time.thread_time_ns()
            for _ in range(calls):
                runner()
            spent = (time.thread_time_ns() - before) / 1000 / calls
            if number:  # the first round warms up
                cpu[name].append(spent)
    return cpu


def _right(contest: Contest) -> None:
    """Everybody verifies the token and nobody verifies it with another signature. Raises Broken."""
    head, _, signature = contest.token.rpartition(".")
    changed = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for who, way in contest.ways.items():
        if way(contest.token) != "5ba552d67":
            raise Broken(f"{who} reads another subject from the {contest.name} token")
        try:
            way(changed)
        except Exception:  # noqa: BLE001, S112 - each library has its own; all that counts is that it refuses
            continue
        raise Broken(f"{who} takes a changed signature for {contest.name}")


def claims_until(expires_at: int) -> dict[str, Any]:
    # RFC 9068 §2.2 and its example
    return {
        "iss": ISSUER,
        "sub": "5ba552d67",
        "aud": AUDIENCE,
        "exp": expires_at,
        "iat": expires_at - 7200,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
    }


def _large(expires_at: int) -> Contest:
    more = {f"claim_{number}": f"value {number:020}" for number in range(16)}
    return _contest("RS256 large", "RS256", expires_at, more)


def _contest(name: str, alg: str, expires_at: int, more: dict[str, Any] | None = None) -> Contest:
    signing, jwk, bare_of = make_key(alg)
    head = {"alg": alg, "typ": "at+jwt", "kid": "RjEwOwOA"}
    data = f"{segment(head)}.{segment({**claims_until(expires_at), **(more or {})})}"
    signature = signing(data.encode())
    token = f"{data}.{segment(signature)}"
    published = {**jwk, "kid": "RjEwOwOA", "alg": alg, "use": "sig"}
    ways = {"phantomgate": _ours(alg, published), "PyJWT": _pyjwt(alg, published), "joserfc": _joserfc(alg, published)}
    return Contest(name, token, ways, bare_of(signature, data.encode()))


def _ours(alg: str, jwk: dict[str, str]) -> Callable[[str], str]:
    from phantomgate.oauth.jwks import read_key_set
    from phantomgate.oauth.jwt import verify
    from phantomgate.oauth.jwt_rules import access_token_rules

    keys = read_key_set(json.dumps({"keys": [jwk]}).encode(), [alg])
    rules = access_token_rules(ISSUER, [AUDIENCE])
    return lambda token: verify(token, keys, rules, time.time()).claims["sub"]


def _pyjwt(alg: str, jwk: dict[str, str]) -> Callable[[str], str]:
    try:
        import jwt
    except ImportError:
        raise Missing("PyJWT is not installed") from None

    key = jwt.PyJWK(jwk)
    options = {"require": ["iss", "aud", "exp", "sub"]}

    def verify(token: str) -> str:
        claims = jwt.decode(token, key, algorithms=[alg], audience=AUDIENCE, issuer=ISSUER, options=options)
        return claims["sub"]

    return verify


def _joserfc(alg: str, jwk: dict[str, str]) -> Callable[[str], str]:
    from joserfc import jws, jwt
    from joserfc.jwk import KeySet

    keys = KeySet.import_key_set({"keys": [jwk]})
    registry = jws.JWSRegistry(algorithms=[alg])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        sub={"essential": True},
    )

    def verify(token: str) -> str:
        claims = jwt.decode(token, keys, registry=registry).claims
        rules.validate(claims)
        return claims["sub"]

    if alg == "EdDSA":  # joserfc warns of the older name, once a call
        warnings.filterwarnings("ignore", message=".*EdDSA.*")
    return verify


def make_key(
    alg: str,
) -> tuple[Callable[[bytes], bytes], dict[str, str], Callable[[bytes, bytes], Callable[[], object]]]:
    """A new key: how it signs, its public JWK, and the bare verification of one signature."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    sha256 = hashes.SHA256()
    if alg == "EdDSA":
        edwards = ed25519.Ed25519PrivateKey.generate()
        verify = edwards.public_key().verify
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": segment(edwards.public_key().public_bytes_raw())}
        return edwards.sign, jwk, lambda signature, data: lambda: verify(signature, data)
    if alg == "ES256":
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_numbers()
        check, scheme = curve.public_key().verify, ec.ECDSA(sha256)

        def sign(data: bytes) -> bytes:
            r, s = decode_dss_signature(curve.sign(data, scheme))
            return r.to_bytes(32) + s.to_bytes(32)

        def bare(signature: bytes, data: bytes) -> Callable[[], object]:
            der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            return lambda: check(der, data, scheme)

        jwk = {"kty": "EC", "crv": "P-256", "x": segment(point.x.to_bytes(32)), "y": segment(point.y.to_bytes(32))}
        return sign, jwk, bare
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.public_key().public_numbers()
    prove = private.public_key().verify
    pad = padding.PKCS1v15() if alg == "RS256" else padding.PSS(padding.MGF1(sha256), 32)
    jwk = {"kty": "RSA", "n": segment(numbers.n.to_bytes(256)), "e": "AQAB"}
    return (
        lambda data: private.sign(data, pad, sha256),
        jwk,
        lambda signature, data: lambda: prove(signature, data, pad, sha256),
    )


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()
