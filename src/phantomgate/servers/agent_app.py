"""The OAuth agent as an ASGI application, to be mounted in another or served by itself: `phantomgate.agent_app`.

Rule: what is wrong with the settings is raised when the application is made, not when the first user comes. It is wired
on the loop that serves it: at the start where the server tells of that, else with the first request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from phantomgate.adapters.agent_asgi import agent_asgi
from phantomgate.adapters.asgi import App, Receive, Scope, Send
from phantomgate.config.agent_checks import shares_state
from phantomgate.config.agent_wiring import WiredAgent, agent_problems, draft_agent, wire_agent
from phantomgate.config.loading import process_environ, read_sources
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.servers.agent_alone import be_alone

_PROCESSES = "WEB_CONCURRENCY"
"""How servers of ASGI applications (gunicorn, uvicorn) are told to start several processes."""


class AgentApp:
    """An ASGI application. State: the agent, once there is a loop to run it on."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._wired: WiredAgent | None = None
        self._app: App | None = None
        self._alone: asyncio.Task[Callable[[], None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI 3 has it, for `http` and `lifespan`."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await (await self._start())(scope, receive, send)

    async def close(self) -> None:
        """Give back the connections. Whoever mounts the application calls this in the end."""
        wired, alone = self._wired, self._alone
        self._wired = self._app = self._alone = None
        if wired is not None:
            await wired.close()
        if alone is not None:
            (await alone)()

    async def _start(self) -> App:
        if self._alone is None:  # the first of several requests at once looks, and all wait for what it finds
            self._alone = asyncio.create_task(be_alone(self._settings))
        try:
            await asyncio.shield(self._alone)
        except SettingsError:
            self._alone = None
            raise
        if self._app is None:
            self._wired = wire_agent(self._settings, environ=self._environ)
            self._app = agent_asgi(self._wired.agent.handle)
        return self._app

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except SettingsError as no:
                    await send({"type": "lifespan.startup.failed", "message": str(no)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def agent_app(settings: Settings | Path | str | None = None, *, environ: Mapping[str, str] | None = None) -> AgentApp:
    """The OAuth agent that *settings* describe: `Settings`, the name of their file, or what `serve` would find.

    It answers at `/oauth-agent/…`. One process may serve it, unless they share their `state`: a second one on the same
    machine doesn't start. Raises SettingsError with every problem.
    """
    environ = process_environ() if environ is None else environ
    problems: list[Problem] = []
    if not isinstance(settings, Settings):
        settings, problems = draft_agent(read_sources(None if settings is None else Path(settings), environ))
    problems += [one for one in agent_problems(settings, environ) if one not in problems]
    count = environ.get(_PROCESSES, "1")
    if count not in ("", "0", "1") and not shares_state(settings):
        text = f"is {count}, and what the agent remembers is in the memory of one process; serve it in one, or write a \
state under [agent] that they share"
        problems.append(Problem(_PROCESSES, text, "environment"))
    if problems:
        raise SettingsError(problems)
    return AgentApp(settings, environ)
