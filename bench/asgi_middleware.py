"""What middleware adds to a request of a Starlette application, on a token that is remembered.

The peer is what people write by hand: PyJWT's decode on each request, one key, issuer and audience, the claims put into
the scope. It has no rules by path, no metrics, no refusal but 401, and leaves the client's header fields as they are.
Everybody runs in this process, without a server, in turns that rotate; a figure is CPU of this thread.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from jwt_verify import AUDIENCE, ISSUER, claims_until, make_key, segment
from measure import Broken, Missing
from report import Floor, Report, Run

TOKENS = 1000
FIELDS = [
    (b"host", b"api.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    (b"accept", b"application/json, text/plain, */*"),
    (b"accept-language", b"en-US,en;q=0.9"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"5f0c8a8e6a0b4c0f8d6f0d8f1f2b3c4d"),
    (b"cache-control", b"no-cache"),
]
BARE, OURS, PEER = "Starlette alone", "phantomgate", "PyJWT by hand"
App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def asgi_middleware(run: Run) -> Report:
    """Microseconds of CPU that each middleware adds, and the floor for ours."""
    try:
        import starlette  # noqa: F401 - whether it is here
    except ImportError:
        raise Missing("Starlette is not installed") from None
    private, jwk, _ = make_key("RS256")
    tokens = [_signed(private, run.expires_at, number) for number in range(TOKENS)]
    with asyncio.Runner() as runner, _applications(tokens, jwk) as apps:
        for who, app in apps.items():
            runner.run(_right(who, app, tokens[0]))
        cpu = _interleave(
            runner, apps, tokens, rounds=max(3, run.rounds * 3), calls=2 * TOKENS if run.smoke else 5 * TOKENS
        )
    added = {
        who: statistics.median(mine - bare for mine, bare in zip(laps, cpu[BARE], strict=True))
        for who, laps in cpu.items()
    }
    ratio = statistics.median(
        (ours - bare) / (peer - bare) for ours, peer, bare in zip(cpu[OURS], cpu[PEER], cpu[BARE], strict=True)
    )
    rows = [[who, f"{statistics.median(laps):.1f}", f"{added[who]:.1f}"] for who, laps in cpu.items()]
    return Report(
        "asgi_middleware",
        ["application", "CPU us/request", "added us"],
        rows,
        floors=(Floor("added to a Starlette application, us", added[OURS], 60.0, at_most=True),),
        notes=(
            f"{TOKENS} tokens in rotation, all remembered; RS256 JWTs of {len(tokens[0])} bytes; ten header fields",
            f"added by phantomgate / added by PyJWT: {ratio:.2f}",
            "phantomgate with a policy, two routes, metrics and a claim as header; no server in between",
        ),
    )


def _signed(sign: Callable[[bytes], bytes], expires_at: int, number: int) -> str:
    more = {f"claim_{at}": f"value {at:020}" for at in range(12)}
    head = {"alg": "RS256", "typ": "at+jwt", "kid": "k"}
    data = f"{segment(head)}.{segment({**claims_until(expires_at), **more, 'sub': f'user-{number}'})}"
    return f"{data}.{segment(sign(data.encode()))}"


@contextmanager
def _applications(tokens: list[str], jwk: dict[str, str]) -> Iterator[dict[str, App]]:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def orders(request: Any) -> PlainTextResponse:  # noqa: ARG001 - a handler's shape
        return PlainTextResponse("ok")

    def app() -> Starlette:
        return Starlette(routes=[Route("/orders/{id}", orders)])

    yield {BARE: app(), OURS: _ours(app(), tokens), PEER: _by_hand(app(), jwk)}


def _ours(app: App, tokens: list[str]) -> App:
    from phantomgate.asgi import PhantomGate
    from phantomgate.config.settings import ForwardRule, Introspection, Policy, RouteRule, Settings
    from phantomgate.config.wiring import Wired, wire
    from phantomgate.testing import FakeHttp, reply

    jwt_of = {f"opaque-{number}": token for number, token in enumerate(tokens)}
    http = FakeHttp(lambda call: reply(200, jwt_of[_token_of(call.body)], content_type="application/jwt"))
    settings = Settings(
        introspection=Introspection("https://as.example/introspect", "bench", "env:SECRET", issuer=ISSUER),
        policy=Policy(scopes=("openid",), audiences=(AUDIENCE,)),
        routes=(RouteRule("/orders/**", methods=("GET",), scopes=("profile",)), RouteRule("/**")),
        forward=ForwardRule({"X-User": "sub"}),
    )

    def wired(settings: Settings) -> Wired:
        return wire(settings, "nonblocking", environ={"SECRET": "s"}, http=http, write=_silence)

    return PhantomGate(app, settings, wire=wired)


def _silence(line: object) -> None:
    """A log that nobody reads."""


def _token_of(body: bytes) -> str:
    from urllib.parse import parse_qs

    return parse_qs(body.decode())["token"][0]


def _by_hand(app: App, jwk: dict[str, str]) -> App:
    try:
        import jwt
    except ImportError:
        raise Missing("PyJWT is not installed") from None
    key = jwt.PyJWK({**jwk, "alg": "RS256"})
    refusal = json.dumps({"error": "invalid_token"}).encode()

    async def middleware(scope: dict[str, Any], receive: Any, send: Any) -> None:
        value = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        try:
            claims = jwt.decode(value[7:], key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
        except jwt.InvalidTokenError:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": refusal})
            return
        scope.setdefault("state", {})["claims"] = claims
        await app(scope, receive, send)

    return middleware


def _scope(credential: str) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/orders/17", "raw_path": b"/orders/17", "query_string": b"", "root_path": "",
        "headers": [*FIELDS, (b"authorization", b"Bearer " + credential.encode())], "client": ("203.0.113.7", 4711),
        "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip


async def _call(app: App, credential: str) -> int:
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(_scope(credential), receive, send)
    return status


async def _right(who: str, app: App, token: str) -> None:
    """A good credential passes, and nobody but the bare application takes a bad one. Raises Broken."""
    good = "opaque-0" if who == OURS else token
    answers = await _call(app, good), await _call(app, token[:-8] + "AAAAAAAA" if who == PEER else ",")
    expected = {BARE: (200, 200), OURS: (200, 400), PEER: (200, 401)}[who]
    if answers != expected:
        raise Broken(f"{who} answered {answers}, want {expected}")


def _interleave(
    runner: asyncio.Runner, apps: dict[str, App], tokens: list[str], *, rounds: int, calls: int
) -> dict[str, list[float]]:
    """Microseconds of CPU a request, a list a contestant, one figure a round."""
    names = list(apps)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    credentials = {who: [f"opaque-{at}" for at in range(TOKENS)] if who == OURS else tokens for who in names}

    async def lap(who: str) -> float:
        app, credential = apps[who], cycle(credentials[who])
        before = time.thread_time_ns()
        for _ in range(calls):
            if await _call(app, next(credential)) != 200:
                raise Broken(f"{who} refused a good token")
        return (time.thread_time_ns() - before) / 1000 / calls

    for number in range(rounds + 1):
        turn = number % len(names)
        for who in names[turn:] + names[:turn]:
            spent = runner.run(lap(who))
            if number:  # the first round fills caches
                cpu[who].append(spent)
    return cpu
