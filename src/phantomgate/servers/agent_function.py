"""The OAuth agent as a Lambda function: an event in, an answer out, driven by the blocking back ends.

Rule: as `authorizer`. Wired at the first event; what is wrong with the settings is said in the log, and no event is
answered.
"""

from __future__ import annotations

from typing import Any

from phantomgate.adapters.aws_agent import LONGEST_FIELDS, read_agent_event, size_of_fields, write_agent_reply
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.adapters.aws_events import UnknownEvent
from phantomgate.agent.model import AgentReply
from phantomgate.backends.blocking import finish
from phantomgate.config.agent_function import load_agent
from phantomgate.config.agent_wiring import WiredAgent, wire_agent
from phantomgate.config.log import Level
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.servers.invocation import Invoked


class AgentFunction(Invoked):
    """Answers events. Its state, besides what every function has: the agent once it is wired."""

    _wired: WiredAgent | None = None

    def answer(self, event: object, context: object = None) -> dict[str, Any]:
        """The answer to *event*. Raises Trouble when there is none. *context* as for `Authorizer.answer`."""
        try:
            self._invocation.begin(context)
            request, form = read_agent_event(event)
            wired = self._wired or self._wire()
            reply: AgentReply = finish(wired.agent.handle(request))
        except UnknownEvent as no:
            self._invocation.say(Level.ERROR, "unknown_event", detail=str(no))
            raise Trouble("server_error: no event that we know; the log names its keys") from None
        except Exception as no:  # noqa: BLE001 - whatever it is, there is no answer
            raise self._invocation.trouble(no, "no answer could be made") from None
        size = size_of_fields(reply)
        if size > LONGEST_FIELDS:
            text = f"the answer has {size} bytes of fields, and API Gateway passes on {LONGEST_FIELDS}; have shorter \
tokens issued"
            self._invocation.say(Level.ERROR, "agent", detail=text, path=request.path)
        if isinstance(reply.cause, Refused) and reply.cause.reason is Reason.CLIENT_REFUSED:
            self._renew()
        return write_agent_reply(reply, form)

    def _renew(self) -> None:
        """Secrets are read again for the next event, when the provider doesn't know us by those that we have."""
        if not self._invocation.renews():
            return
        before = self._wired
        try:
            self._wire(fresh=True)
        except SettingsError as no:
            self._invocation.complain(no)
            return
        if before is not None:
            finish(before.close())

    def _wire(self, *, fresh: bool = False) -> WiredAgent:
        function = load_agent(self._invocation.environ(fresh=fresh))
        write = self._invocation.log(function.settings)
        if self._wired is None:
            self._invocation.warn(function.warnings)
        self._wired = wire_agent(
            function.settings,
            "blocking",
            environ=function.environ,
            write=write,
            now=self._now,
            ticks=self._ticks,
            http=self._http,
            left=self._invocation.left,
        )
        return self._wired
