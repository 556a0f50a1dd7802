"""`phantomgate.aws.handler`: one AWS Lambda handler for every event that asks whether a request may pass.

REST APIs (TOKEN and REQUEST), HTTP APIs (payload 1.0 and 2.0), WebSocket, AppSync, Function URLs and load balancers are
told apart by the event. Settings come from the environment, a bundled `phantomgate.toml` and a bundled `.env`.

`phantomgate.aws.agent` is the OAuth agent as a function of its own: the integration of an API, not an authorizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phantomgate.config.loading import process_environ
from phantomgate.servers.authorizer import Authorizer

if TYPE_CHECKING:
    from phantomgate.servers.agent_function import AgentFunction

__all__ = ["agent", "handler"]

_AUTHORIZER = Authorizer(process_environ)
_AGENT: list[AgentFunction] = []


def handler(event: object, context: object) -> dict[str, Any]:
    """The answer to *event*. Raises the word `Unauthorized` where AWS makes 401 of it, and other errors for trouble."""
    return _AUTHORIZER.answer(event, context)


def agent(event: object, context: object) -> dict[str, Any]:
    """The OAuth agent's answer to a request of a REST or HTTP API, a Function URL or a load balancer."""
    if not _AGENT:  # authorizers never pay for it
        from phantomgate.servers.agent_function import AgentFunction

        _AGENT.append(AgentFunction(process_environ))
    return _AGENT[0].answer(event, context)
