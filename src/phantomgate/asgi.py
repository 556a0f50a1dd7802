"""`phantomgate.asgi.PhantomGate`: ASGI middleware for FastAPI, Starlette, Litestar and every other ASGI application.

    app.add_middleware(PhantomGate, settings="phantomgate.toml")      FastAPI, Starlette
    app = PhantomGate(app, "phantomgate.toml")                        any application

Rule: the application is called on one line, after an Allow and with nothing of ours left to go wrong. It gets the
server's own `receive`, so bodies, streams and disconnects are between the two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias, cast

from phantomgate.adapters.asgi import (
    App,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    read_scope,
    rendered,
    to_client,
    write_scope,
)
from phantomgate.adapters.caller import Caller
from phantomgate.adapters.refusal import write_refusal
from phantomgate.config.loading import load_settings, process_environ
from phantomgate.config.revoking import unheard
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.core.model import Allow, Fields, Headers, Refuse, Request, ScopeStrategy, Token
from phantomgate.core.ports import Policy
from phantomgate.gateway.judge import scopes

Source: TypeAlias = str | Path | Settings | None
"""Settings, or the file that they are in. None: $PHANTOMGATE_CONFIG, else ./phantomgate.toml if it is there."""

Wire: TypeAlias = Callable[[Settings], Wired]
REMEMBERED_CHANGES = 4096


def nonblocking(settings: Settings) -> Wired:
    """The gateway of *settings*, for the running event loop."""
    return wire(settings, "nonblocking")


class Running:
    """A gateway for as long as its event loop runs. Its state: what is wired, and for which loop."""

    def __init__(self, settings: Source, wire: Wire = nonblocking) -> None:
        self._source = settings
        self._wire = wire
        self._wired: Wired | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._judge: Policy | None = None

    def caller(self, token: Token) -> Caller:
        """Who brought *token*, for the application."""
        if self._judge is None:
            self._judge = scopes(cast("ScopeStrategy", self.wired().settings.policy.scope_strategy))
        return Caller(token, self._judge)

    def wired(self) -> Wired:
        """The gateway of this loop, wired when first asked for. Raises SettingsError with every problem."""
        loop = asyncio.get_running_loop()
        if self._wired is None or self._loop is not loop:
            self._wired, self._loop, self._judge = self._wire(settings_from(self._source)), loop, None
        return self._wired

    async def close(self) -> None:
        """Give back the connections."""
        wired, self._wired = self._wired, None
        if wired is not None and self._loop is asyncio.get_running_loop():
            await wired.close()

    async def lifespan(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on to *app*, wiring before it starts and closing after it has ended; settings with problems
        stop the server. An application that knows no lifespan is spared it, as servers would."""
        asked = False
        trouble: Exception | None = None

        async def received() -> Message:
            nonlocal asked, trouble
            asked = True
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.wired()
                except Exception as no:
                    trouble = no
                    await send({"type": "lifespan.startup.failed", "message": str(no)})
                    raise
            return message

        async def sent(message: Message) -> None:
            if trouble is not None:
                return  # it has been said
            if message["type"].startswith("lifespan.shutdown."):
                await self.close()
            await send(message)

        try:
            await app(scope, received, sent)
        except Exception as error:
            if trouble is None:
                if asked:
                    raise
                await self.lifespan(_nothing, scope, receive, send)
            elif error is not trouble:
                raise


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an application's shape
    """An application that has nothing to start or to end."""
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})


class Answering:
    """Middleware that answers for the gateway and lets everything else by: it publishes what anybody may read, ends
    what *running* began, and makes the right answer of `Refused` that the application raises. It judges nothing."""

    def __init__(self, app: App, running: Running) -> None:
        self.app = app
        self.running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI calls an application."""
        if scope["type"] == "lifespan":
            await self.running.lifespan(self.app, scope, receive, send)
        elif scope["type"] not in ("http", "websocket"):
            raise ValueError(f"a scope of type {scope['type']!r}, which nobody here can judge")
        elif not await self._published(scope, receive, send):
            await self.guard(scope, receive, send)

    async def guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application."""
        await self.call(scope, scope, receive, send)

    async def call(self, inner: Scope, scope: Scope, receive: Receive, send: Send, client: Fields = ()) -> None:
        """Call the application with *inner*, and answer *scope* where it raises Refused before it has answered; its
        answer carries *client* besides."""
        begun = False
        first: list[Message] = []

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(to_client(message, client))

        async def received() -> Message:
            message = await receive()
            if not first:
                first.append(message)
            return message

        try:
            await self.app(inner, received if scope["type"] == "websocket" else receive, sent)
        except Refused as no:
            if begun:
                raise
            await self.refuse(scope, _again(first, receive), send, no)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, no: Refused) -> None:
        """Answer with the refusal *no*, decided like any other, and so counted and logged."""
        client = scope.get("client")
        peer = str(client[0]) if isinstance(client, (tuple, list)) and client else ""
        asked = Request(str(scope.get("method", "GET")), str(scope["path"]), Headers(), peer=peer, problem=no)
        decision = await self.running.wired().gateway.decide(asked)
        if not isinstance(decision, Refuse):
            raise TypeError("what was refused was allowed")
        await self.say(scope, receive, send, decision)

    async def say(self, scope: Scope, receive: Receive, send: Send, refuse: Refuse) -> None:
        """The answer to *refuse*."""
        wired = self.running.wired()
        refusal = write_refusal(refuse, wired.settings.serve.realm, resource_metadata=wired.resource_metadata)
        await answer(scope, receive, send, refusal.status, refusal.headers, refusal.body)

    async def _published(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether that was a document for everybody, which has been given."""
        documents = self.running.wired().published
        if not documents or scope.get("method") not in ("GET", "HEAD"):
            return False
        document = documents.get(scope["path"])
        if document is not None:
            await answer(scope, receive, send, 200, document.fields, document.body)
        return document is not None


class PhantomGate(Answering):
    """Middleware that decides every request and WebSocket, and calls *app* for those that are allowed.

    *app* finds the JWT in its Authorization field, and the `Caller` in `scope["state"]["phantomgate"]`
    (`request.state.phantomgate`). Its settings are read when the server starts it, or by the first request. *root_path*
    is where *app* is mounted, if it isn't at "/": the same as the server's or FastAPI's `root_path`; `[[routes]]` are
    about whole paths, it included.
    """

    def __init__(self, app: App, settings: Source = None, *, root_path: str = "", wire: Wire = nonblocking) -> None:
        super().__init__(app, Running(settings, wire))
        self._root_path = root_path
        own = getattr(app, "root_path", "")  # FastAPI goes by its own, whatever the server says
        self._inner_root_path = own if isinstance(own, str) else ""
        self._rendered = lru_cache(REMEMBERED_CHANGES)(rendered)

    async def guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide, and call the application or answer."""
        try:
            wired = self.running.wired()
            request = read_scope(scope, root_path=self._root_path, inner_root_path=self._inner_root_path)
            decision = await wired.gateway.decide(request)
            if isinstance(decision, Allow):
                change, caller = decision.upstream, self.running.caller(decision.token)
                inner = write_scope(scope, request, change, self._rendered(change), caller)
        except SettingsError:
            raise  # nothing can be decided, and the server's own log is the place to say why
        except Exception as bug:  # noqa: BLE001 - whatever goes wrong, the request is refused
            no = Refused(Reason.SERVER_ERROR, type(bug).__name__)
            no.__cause__ = bug
            await self.refuse(scope, receive, send, no)
            return
        if isinstance(decision, Allow):
            await self.call(inner, scope, receive, send, decision.client)
        elif isinstance(decision, Refuse):
            await self.say(scope, receive, send, decision)
        else:
            await answer(scope, receive, send, decision.status, decision.headers, b"")


def _again(first: list[Message], receive: Receive) -> Receive:
    """A *receive* that begins with what was received *first*."""

    async def received() -> Message:
        return first.pop() if first else await receive()

    return received


def settings_from(source: Source, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that *source* names. Raises SettingsError with every problem."""
    if not isinstance(source, Settings):
        source = load_settings(Path(source) if source else None, process_environ() if environ is None else environ)
    if problems := unheard(source):
        raise SettingsError(problems)
    return source
