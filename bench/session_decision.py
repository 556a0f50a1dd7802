"""A session decided from memory, beside a bearer token decided from memory: both by the decision listener, in here.

Everything from the bytes of the request to the bytes of the answer runs in this process, without a socket: the parser,
the decision, the rendering. Both are asked with the header fields that nginx sends for a request of a page. Turns
rotate; a figure is CPU of this thread, and a ratio is the middle of the ratios of each round.

"the same" is one session or token over and over, as one user's page makes requests; "rotating" are more of them than
anything is remembered of as parsed, so that each cookie is opened anew and each record is unpacked anew.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from measure import Broken
from phantomgate.config.settings import Introspection, Policy, Session, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Headers
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.gateway.remembering import REMEMBERED
from phantomgate.servers.listener import Listener
from phantomgate.session.cookies import CookieNames
from phantomgate.session.csrf import SessionToken, seal_token
from phantomgate.session.keys import key_ring, read_session_key
from report import Floor, Report, Run
from tokens import jwt_for, token

ORIGIN = "https://www.example.com"
ISSUER = "https://as.example"
KEY = os.urandom(32).hex()
NAMES = CookieNames("example")
TOKEN_LENGTH = 730  # what makes a cookie of 1 kB
SESSION_ID = b"s" * 16
CSRF = "c" * 43


class _Transport:
    """Takes what is written. Its state: the last of it."""

    def __init__(self) -> None:
        self.written = b""

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.written = data

    def is_closing(self) -> bool:
        return False


class _Server:
    """Knows every token that begins as ours do."""

    def __init__(self, expires_at: int) -> None:
        self.jwt = jwt_for(token(0), expires_at).encode()

    async def send(self, call: HttpCall) -> HttpReply:  # noqa: ARG002 - the port's shape
        return HttpReply(200, Headers.of([("content-type", "application/jwt")]), self.jwt)


def session_decision(run: Run) -> Report:
    """CPU of one decision by kind of credential, and the floor for a session's."""
    return asyncio.run(_measured(run))


async def _measured(run: Run) -> Report:
    many = 64 if run.smoke else 2 * REMEMBERED
    fresh = _tokens()
    kinds: dict[str, Callable[[], bytes]] = {
        "bearer": lambda: _asked(("Authorization", f"Bearer {next(fresh)}")),
        "session, GET": lambda: _asked(("Cookie", f"{NAMES.at}={_sealed('at', next(fresh))}")),
        "session, POST": lambda: _asked(*_posted(next(fresh)), method="POST"),
    }
    asking = {name: _Asking(run.expires_at, [make()]) for name, make in kinds.items()}
    asking |= {
        f"{name}, rotating": _Asking(run.expires_at, [make() for _ in range(many)]) for name, make in kinds.items()
    }
    calls = 200 if run.smoke else 4000
    cpu: dict[str, list[float]] = {name: [] for name in asking}
    names = list(asking)
    for number in range(max(3, run.rounds * 3)):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            cpu[name].append(asking[name].cost(calls))
    rows, ratios = [], {}
    for name, laps in cpu.items():
        beside = cpu["bearer, rotating" if name.endswith("rotating") else "bearer"]
        ratios[name] = statistics.median(one / other for one, other in zip(laps, beside, strict=True))
        rows.append([name, f"{statistics.median(laps):.1f}", f"{ratios[name]:.2f}"])
        run.say(f"  {name:<24} {rows[-1][1]} us")
    size = len(_sealed("at", next(fresh)))
    return Report(
        "session_decision",
        ["decided from memory", "CPU us", "of bearer's"],
        rows,
        floors=(
            Floor("a session from memory / a bearer token from memory", ratios["session, GET"], 1.50, at_most=True),
        ),
        notes=(
            f"the cookie has {size} characters in format v2; a POST has a second one and the CSRF header",
            f"rotating: {many} sessions or tokens, of which {REMEMBERED} are remembered as parsed",
        ),
    )


class _Asking:
    """A listener, and the requests that it is asked in turn."""

    def __init__(self, expires_at: int, requests: list[bytes]) -> None:
        settings = Settings(
            introspection=Introspection("http://127.0.0.1:1/", "bench", "env:SECRET", issuer=""),
            policy=Policy(scopes=("read",)),
            session=Session(keys=("env:KEY",), trusted_web_origins=(ORIGIN,), cookie_prefix="example", issuer=ISSUER),
        )
        environ = {"SECRET": "s", "KEY": KEY}
        wired = wire(settings, "blocking", environ=environ, write=print, http=_Server(expires_at))
        listener = Listener(wired.gateway, now=wired.now, ticks=wired.ticks, trusts=bool, source="original")
        self.transport = _Transport()
        self.connection = listener.protocol()
        self.connection.connection_made(self.transport)
        self.requests = itertools.cycle(requests)
        for request in requests:
            self.ask(request)

    def ask(self, request: bytes) -> None:
        """One request and its answer. Raises Broken for a refusal."""
        self.connection.data_received(request)
        if not self.transport.written.startswith(b"HTTP/1.1 200 OK\r\nAuthorization: Bearer ey"):
            raise Broken(f"answered {self.transport.written[:200]!r}")

    def cost(self, calls: int) -> float:
        """Microseconds of CPU a request."""
        feed, requests = self.connection.data_received, list(itertools.islice(self.requests, calls))
        before = time.thread_time_ns()
        for request in requests:
            feed(request)
        spent = (time.thread_time_ns() - before) / 1000 / calls
        self.ask(requests[-1])
        return spent


def _tokens() -> Iterator[str]:
    for number in itertools.count():
        yield f"{number:08}{'x' * (TOKEN_LENGTH - 8)}"


def _sealed(kind: str, value: str) -> str:
    ring = key_ring([read_session_key(KEY)])
    return seal_token(ring, NAMES.name(kind), ISSUER, SessionToken(SESSION_ID, value), random=os.urandom)


def _posted(token: str) -> list[tuple[str, str]]:
    cookies = f"{NAMES.at}={_sealed('at', token)}; {NAMES.csrf}={_sealed('csrf', CSRF)}"
    return [("Cookie", cookies), ("X-Example-Csrf", CSRF)]


def _asked(*fields: tuple[str, str], method: str = "GET") -> bytes:
    """What nginx asks with the files of `init nginx`."""
    page = [("Origin", ORIGIN), ("Sec-Fetch-Site", "same-site")]
    named = [("X-Original-Method", method), ("X-Original-URI", "/orders/7"), ("X-Original-Host", "api.example")]
    lines = [
        "HEAD /decide HTTP/1.1",
        "Host: phantomgate",
        *(f"{name}: {value}" for name, value in [*fields, *named, *page]),
    ]
    return "\r\n".join([*lines, "X-Original-Proto: https", "", ""]).encode()
