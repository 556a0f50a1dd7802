"""A fixed set of decisions and injected faults, as a program: `python tests/attacks/decisions.py` prints what came out.

A program, so that it can be run under `-O`, other hash seeds and other locales; without `assert`, so that it does not
depend on what it shows. Everything is in one colour here: blocking back ends, no event loop, no socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

from phantomgate.adapters.forward_auth import read_decide
from phantomgate.backends.blocking import finish
from phantomgate.backends.memory import MemoryCache
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Allow, Headers, Route
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.judge import audience, issuer, not_expired, scopes
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.testing import FakeClock, FakeHttp, each_by_itself, reply

NOW = 1_800_000_000
ROUTES = [
    Rule("/read/**", ("GET",), Route("read", frozenset({"read"}), audiences=frozenset({"api"}))),
    Rule("/write/{id}", ("POST",), Route("write", frozenset({"write"}))),
    Rule(
        "/any/*", (), Route("any", any_scopes=frozenset({"read", "admin"}), issuers=frozenset({"https://as.example"}))
    ),
]


def _segment(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(header: object = None, **claims: object) -> str:
    facts = {"iss": "https://as.example", "aud": "api", "sub": "alice", "scope": "read", "exp": NOW + 60, **claims}
    return f"{_segment({'alg': 'RS256'} if header is None else header)}.{_segment(facts)}.c2ln"


def as_jwt(text: str) -> HttpReply:
    return reply(200, text, content_type="application/jwt")


def as_json(said: object) -> HttpReply:
    return reply(200, said if isinstance(said, str) else json.dumps(said), content_type="application/json")


class Parts:
    """Everything a gateway is made of, each part replaceable by one that fails."""

    def __init__(self, answer: Any) -> None:
        self.clock = FakeClock()
        self.http: Any = FakeHttp(answer)
        self.cache: Any = MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=self.ticks)
        self.once: Any = each_by_itself
        self.match: Any = route_table(ROUTES, Route("policy"))
        self.find: Any = find_bearer()
        self.policies: list[Any] = [not_expired(self.now), issuer(), audience(), scopes()]
        self.forward: Any = forward_jwt({"X-User": "sub"})
        self.observe: Any = lambda request, decision: None
        self.new_id: Any = lambda: "id"

    def now(self) -> float:
        return self.clock.now()

    def ticks(self) -> float:
        return self.clock.ticks()

    def gateway(self) -> Gateway:
        client = client_secret_basic("gateway", "secret")
        asking = Introspect(
            _Late(self, "http", "send"),
            "https://as.example/i",
            client,
            now=lambda: self.now(),
            ticks=lambda: self.ticks(),
        )
        cached = Cached(
            asking,
            _Late(self, "cache", "get", "put"),
            lambda key, fill: self.once(key, fill),
            secret=b"k",
            context=("c",),
            now=lambda: self.now(),
            ticks=lambda: self.ticks(),
        )
        return Gateway(
            lambda request: self.match(request),
            lambda request: self.find(request),
            cached,
            [lambda *args, at=at: self.policies[at](*args) for at in range(len(self.policies))],
            lambda route, token: self.forward(route, token),
            lambda request, decision: self.observe(request, decision),
            lambda: self.new_id(),
        )


class _Late:
    """Looks its part up at each call, so that a part can be replaced after wiring."""

    def __init__(self, parts: Parts, part: str, *methods: str) -> None:
        for method in methods:
            setattr(self, method, lambda *args, method=method: getattr(getattr(parts, part), method)(*args))


def outcome(gateway: Gateway, path: str, method: str = "GET", authorization: str | bytes = "Bearer opaque") -> str:
    """How it ended, in one word or two: `allowed …`, `refused status reason`, or `raised type`."""
    fields = [("authorization", authorization)] if authorization else []
    request = read_decide("path")(method.encode(), path.encode(), Headers.of(fields), True, "peer")
    try:
        decision = finish(gateway.decide(request))
    except BaseException as error:  # noqa: BLE001 - how it ended is what we are here to say
        return f"raised {type(error).__name__}"
    if isinstance(decision, Allow):
        return f"allowed {decision.route.name} {dict(decision.upstream.set)} {decision.token.expires_at}"
    return f"refused {decision.reason.status} {decision.reason.label}"


# -- decisions -------------------------------------------------------------------------------------------------------

REQUESTS: list[tuple[str, str, str | bytes]] = [
    ("GET", "/read/1", "Bearer opaque"),
    ("GET", "/read/1", ""),
    ("GET", "/read/1", "Bearer opaque\n"),
    ("GET", "/read/1", "Bearer  opaque"),
    ("GET", "/read/1", "Basic eDp5"),
    ("GET", "/read/1", b"Bearer\xc2\xa0opaque"),
    ("GET", "/read/1?access_token=x", "Bearer opaque"),
    ("GET", "/read/../write/1", "Bearer opaque"),
    ("GET", "/read/%2e%2e/x", "Bearer opaque"),
    ("POST", "/read/1", "Bearer opaque"),
    ("POST", "/write/1", "Bearer opaque"),
    ("POST", "/write/1/2", "Bearer opaque"),
    ("PATCH", "/any/1", "Bearer opaque"),
    ("GET", "/else", "Bearer opaque"),
]

ANSWERS: dict[str, HttpReply] = {
    "good": as_jwt(jwt()),
    "good json": as_json({"active": True, "jwt": jwt(scope=["read", "write"])}),
    "inactive": reply(204),
    "inactive json": as_json({"active": False}),
    "expired": as_jwt(jwt(exp=NOW)),
    "no exp": as_jwt(jwt(exp=None)),
    "exp true": as_jwt(jwt(exp=True)),
    "not yet": as_jwt(jwt(nbf=NOW + 6)),
    "another issuer": as_jwt(jwt(iss="https://evil.example")),
    "another audience": as_jwt(jwt(aud=["other"])),
    "odd audience": as_jwt(jwt(aud={"api": 1})),
    "odd scope": as_jwt(jwt(scope=1)),
    "bound": as_jwt(jwt(cnf={"jkt": "x"})),
    "unsigned": as_jwt(jwt({"alg": "none"})),
    "statement": as_jwt(jwt({"alg": "RS256", "typ": "token-introspection+jwt"})),
    "html": reply(200, "<html>", content_type="text/html"),
    "active twice": as_json('{"active":true,"active":true}'),
    "active 1": as_json({"active": 1, "jwt": jwt()}),
    "no jwt": as_json({"active": True}),
    "NaN": as_json('{"active":true,"x":NaN}'),
    "deep": as_json("[" * 100_000),
    "surrogate": as_json('{"active":true,"jwt":"\\ud800"}'),
    "client refused": reply(401),
    "busy": reply(429, retry_after="7"),
    "trouble": reply(500),
    "moved": reply(302, location="https://evil.example"),
}


def decisions() -> Iterator[tuple[str, str]]:
    for name, answer in ANSWERS.items():
        gateway = Parts(answer).gateway()
        for method, path, authorization in REQUESTS:
            yield f"{name}: {method} {path} {authorization!r}", outcome(gateway, path, method, authorization)


# -- faults ----------------------------------------------------------------------------------------------------------

FAULTS: list[Callable[[], BaseException]] = [
    Exception, ValueError, TypeError, KeyError, IndexError, AttributeError, LookupError, ArithmeticError,
    AssertionError,
    OSError, TimeoutError, ConnectionResetError, BrokenPipeError, PermissionError, FileNotFoundError, EOFError,
    MemoryError, RecursionError, RuntimeError, NotImplementedError, StopAsyncIteration, BufferError, ReferenceError,
    SystemError, UnicodeError, ImportError, asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit,
    lambda: UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    lambda: UnicodeEncodeError("utf-8", "", 0, 1, "x"),
    lambda: ExceptionGroup("several", [ValueError(), OSError()]),
    lambda: BaseExceptionGroup("several", [KeyboardInterrupt()]),
    lambda: type("Foreign", (Exception,), {})(),
    lambda: type("ForeignBase", (BaseException,), {})(),
    lambda: Unavailable("down"),
    *(lambda reason=reason: Refused(reason, "detail") for reason in Reason),
]  # fmt: skip


class Failing:
    """A part whose every method fails, at once or when awaited."""

    def __init__(self, fault: Callable[[], BaseException]) -> None:
        self.fault = fault

    def __call__(self, *args: object) -> Any:
        raise self.fault()

    async def send(self, call: HttpCall) -> HttpReply:
        raise self.fault()

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        raise self.fault()

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        raise self.fault()


class FailingPut(Failing):
    """A cache that knows nothing and can keep nothing."""

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        return None


async def _fails_when_awaited(fault: Callable[[], BaseException]) -> Any:
    raise fault()


POINTS: dict[str, Callable[[Parts, Callable[[], BaseException]], None]] = {
    "match": lambda parts, fault: setattr(parts, "match", Failing(fault)),
    "find": lambda parts, fault: setattr(parts, "find", Failing(fault)),
    "http": lambda parts, fault: setattr(parts, "http", Failing(fault)),
    "cache.get": lambda parts, fault: setattr(parts, "cache", Failing(fault)),
    "cache.put": lambda parts, fault: setattr(parts, "cache", FailingPut(fault)),
    "once": lambda parts, fault: setattr(parts, "once", Failing(fault)),
    "once awaited": lambda parts, fault: setattr(parts, "once", lambda key, fill: _fails_when_awaited(fault)),
    "first policy": lambda parts, fault: parts.policies.__setitem__(0, Failing(fault)),
    "last policy": lambda parts, fault: parts.policies.__setitem__(-1, Failing(fault)),
    "forward": lambda parts, fault: setattr(parts, "forward", Failing(fault)),
    "forward awaited": lambda parts, fault: setattr(parts, "forward", lambda route, token: _fails_when_awaited(fault)),
    "observe": lambda parts, fault: setattr(parts, "observe", Failing(fault)),
    "now": lambda parts, fault: setattr(parts, "now", Failing(fault)),
    "ticks": lambda parts, fault: setattr(parts, "ticks", Failing(fault)),
}
AFTER_A_HIT = {"http", "cache.get", "cache.put", "once", "once awaited"}
"""Points that a request with a remembered token never comes to."""


def faults() -> Iterator[tuple[str, str, str, str]]:
    """(point, fault, fresh or remembered, outcome), for every fault at every point."""
    for point, inject in POINTS.items():
        for fault in FAULTS:
            shown = _shown(fault())
            for state in ("fresh", "remembered"):
                if state == "remembered" and point in AFTER_A_HIT:
                    continue
                parts = Parts(ANSWERS["good"])
                gateway = parts.gateway()
                if state == "remembered" and not outcome(gateway, "/read/1").startswith("allowed"):
                    raise RuntimeError("the gateway does not even allow what is good")
                inject(parts, fault)
                yield point, shown, state, outcome(gateway, "/read/1")


def fault_of_ids() -> Iterator[tuple[str, str]]:
    """A refusal whose id can't be made is no answer at all, and no allow."""
    for fault in FAULTS:
        parts = Parts(ANSWERS["inactive"])
        parts.new_id = Failing(fault)
        yield _shown(fault()), outcome(parts.gateway(), "/read/1")


def _shown(fault: BaseException) -> str:
    if isinstance(fault, Refused):
        return f"{type(fault).__name__} {fault.reason.label}"
    return type(fault).__name__


def everything() -> dict[str, Any]:
    return {"decisions": dict(decisions()), "faults": [list(row) for row in faults()], "ids": dict(fault_of_ids())}


if __name__ == "__main__":
    json.dump(everything(), sys.stdout)
