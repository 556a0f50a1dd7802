"""Python applications behind the middleware: an authorization server that knows what to say, and a client for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from phantomgate.config.settings import ForwardRule, Introspection, Resource, RouteRule, Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.testing import FakeHttp, reply
from tokens import jwt

INTROSPECTION = Introspection("https://as.example/i", "gateway", "env:SECRET", issuer="https://as.example")
ENVIRON = {"SECRET": "s3cret"}
RESOURCE = Resource("https://api.example/mcp")
METADATA = "https://api.example/.well-known/oauth-protected-resource/mcp"
CORS = (("Access-Control-Allow-Origin", "https://www.example"), ("Vary", "Origin"))


def settings(*routes: RouteRule, **more: Any) -> Settings:
    """Settings with these routes, and X-User from `sub`."""
    return Settings(
        **{"introspection": INTROSPECTION, "routes": routes, "forward": ForwardRule({"X-User": "sub"}), **more}
    )


def knows(claims: dict[str, Any] | None = None) -> Callable[[HttpCall], HttpReply]:
    """An authorization server whose token "good" is ann's and may `read write`, "reader" may only read, and "t-X" is
    X's. "down" and "odd" are not answered, or not well; it knows no others."""

    def answer(call: HttpCall) -> HttpReply:
        token = parse_qs(call.body.decode())["token"][0]
        if token == "down":
            raise Unavailable("no answer", retry_after=7)
        if token == "odd":
            return reply(200, "<html>", content_type="text/html")
        if token.startswith("t-"):
            facts = {"sub": token[2:]}
        elif token in ("good", "reader"):
            facts = {"scope": "read write" if token == "good" else "read"}
        else:
            return reply(204)
        return reply(200, jwt({**(claims or {}), **facts}), content_type="application/jwt")

    return answer


@dataclass
class Behind:
    """The `wire` of a middleware under test. State: what was asked, what was logged, what was wired."""

    clock: Any
    family: Any = "nonblocking"
    http: Any = None
    lines: list[Any] = field(default_factory=list)
    made: list[Wired] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = self.http or FakeHttp(knows())

    def __call__(self, settings: Settings) -> Wired:
        made = wire(
            settings,
            self.family,
            environ=ENVIRON,
            write=self.lines.append,
            now=self.clock.now,
            ticks=self.clock.ticks,
            http=self.http,
        )
        self.made.append(made)
        return made


def deciding(behind: Behind, change: Callable[[Any], Any]) -> Callable[[Settings], Wired]:
    """A `wire` whose gateway's decisions are changed by *change*."""

    def wired(settings: Settings) -> Wired:
        made = behind(settings)
        decide = made.gateway.decide

        class Changed:
            async def decide(self, request: Any) -> Any:
                return change(await decide(request))

        return replace(made, gateway=Changed())

    return wired


@dataclass
class Answer:
    """What a server would have sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def scope_of(
    path: str,
    *fields: tuple[str, str | bytes],
    token: str = "good",
    method: str = "GET",
    raw: bytes | str | None = "",
    kind: str = "http",
    **more: Any,
) -> dict[str, Any]:
    """The scope that a server makes of a request; *raw* empty: as the path is."""
    pairs = [(b"host", b"api.example")]
    pairs += [(b"authorization", f"Bearer {token}".encode("latin-1"))] if token else []
    pairs += [(_octets(name).lower(), _octets(value)) for name, value in fields]
    if raw == "":
        raw = path.encode()
    scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "path": path,
        "raw_path": raw.encode() if isinstance(raw, str) else raw,
        "query_string": b"",
        "root_path": "",
        "headers": pairs,
        "client": ("192.0.2.1", 4711),
        "server": ("api.example", 80),
        "state": {},
    }
    return {**scope, **({"method": method} if kind == "http" else {"subprotocols": []}), **more}


def _octets(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


async def sent_by(
    app: Any, scope: dict[str, Any], received: Iterable[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Everything that *app* sends for *scope*."""
    first = {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request", "body": b""}
    waiting = list([first] if received is None else received)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)  # IndexError: whoever asks for more would wait for ever

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def ask(app: Any, path: str, *fields: tuple[str, str | bytes], **options: Any) -> Answer:
    """The answer of *app*, called as a server would."""
    return as_answer(await sent_by(app, scope_of(path, *fields, **options)))


def as_answer(sent: list[dict[str, Any]]) -> Answer:
    """The HTTP response in these messages, of a WebSocket's denial too."""
    [start] = [one for one in sent if one["type"].endswith("response.start")]
    body = b"".join(one.get("body", b"") for one in sent if one["type"].endswith("response.body"))
    return Answer(start["status"], [(name.decode(), value.decode()) for name, value in start["headers"]], body)
