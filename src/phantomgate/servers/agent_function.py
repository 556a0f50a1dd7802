"""The OAuth agent as a Lambda function: an event in, an answer out, driven by the blocking back ends.

Rule: as `authorizer`. Wired at the first event; what is wrong with the settings is said in the log, and no event is
answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from phantomgate.adapters.aws_agent import LONGEST_FIELDS, read_agent_event, size_of_fields, write_agent_reply
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.adapters.aws_events import UnknownEvent
from phantomgate.agent.model import AgentReply
from phantomgate.backends.blocking import finish
from phantomgate.config.agent_function import load_agent
from phantomgate.config.agent_wiring import WiredAgent, wire_agent
from phantomgate.config.log import Level, Log, LogLine, frames, kinds_of
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.core.ports import Clock, Http
from phantomgate.servers.authorizer import FRESH, RENEWAL_SECONDS, Invocation, shown


class AgentFunction:
    """Answers events. Its state: the agent once it is wired, and when its secrets were read anew."""

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        *,
        write: Callable[[LogLine], None] | None = None,
        now: Clock = time.time,
        ticks: Clock = time.monotonic,
        http: Http | None = None,
    ) -> None:
        self._environ = environ
        self._now, self._ticks, self._http = now, ticks, http
        self._write = write
        self._wired: WiredAgent | None = None
        self._renewed_at = -RENEWAL_SECONDS
        self._invocation = Invocation(ticks)

    def answer(self, event: object, context: object = None) -> dict[str, Any]:
        """The answer to *event*. Raises Trouble when there is none. *context* as for `Authorizer.answer`."""
        self._invocation.begin(context)
        try:
            request, form = read_agent_event(event)
            wired = self._wired or self._wire({})
            reply: AgentReply = finish(wired.agent.handle(request))
        except UnknownEvent as no:
            self._say(Level.ERROR, "unknown_event", detail=str(no))
            raise Trouble("server_error: no event that we know; the log names its keys") from None
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[shown(problem) for problem in no.problems])
            raise Trouble("server_error: the settings of this function can't be used; its log says why") from None
        except Exception as bug:  # noqa: BLE001 - a message may quote what it found, so only its kind is told
            self._say(Level.ERROR, "not_answered", cause=kinds_of(bug), trace=frames(bug))
            raise Trouble("server_error: no answer could be made; the function's log says why") from None
        size = size_of_fields(reply)
        if size > LONGEST_FIELDS:
            text = f"the answer has {size} bytes of fields, and API Gateway passes on {LONGEST_FIELDS}; have shorter \
tokens issued"
            self._say(Level.ERROR, "agent", detail=text, path=request.path)
        if isinstance(reply.cause, Refused) and reply.cause.reason is Reason.CLIENT_REFUSED:
            self._renew()
        return write_agent_reply(reply, form)

    def _renew(self) -> None:
        """Secrets are read again for the next event, when the provider doesn't know us by those that we have."""
        if self._ticks() - self._renewed_at < RENEWAL_SECONDS:
            return
        self._renewed_at = self._ticks()
        self._say(Level.WARNING, "secrets_read_anew", detail="the authorization server refused those that we had")
        before = self._wired
        try:
            self._wire(FRESH)
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[shown(problem) for problem in no.problems])
            return
        if before is not None:
            finish(before.close())

    def _wire(self, more: Mapping[str, str]) -> WiredAgent:
        function = load_agent({**self._environ(), **more, **self._invocation.environ(self._now())})
        settings = function.settings
        write = self._write or Log(2, now=self._now, level=Level[settings.log.level.upper()])
        self._write = write
        for warning in function.warnings if self._wired is None else ():
            self._say(Level.WARNING, "settings", setting=warning.setting, detail=warning.message, origin=warning.origin)
        self._wired = wire_agent(
            settings,
            "blocking",
            environ=function.environ,
            write=write,
            now=self._now,
            ticks=self._ticks,
            http=self._http,
            left=self._invocation.left,
        )
        return self._wired

    def _say(self, level: Level, event: str, **fields: Any) -> None:
        write = self._write or Log(2, now=self._now)
        write(LogLine(self._now(), level, event, fields))
