"""`phantomgate.aws.handler`: one AWS Lambda handler for every event that asks whether a request may pass.

REST APIs (TOKEN and REQUEST), HTTP APIs (payload 1.0 and 2.0), WebSocket, AppSync, Function URLs and load balancers are
told apart by the event. Settings come from the environment, a bundled `phantomgate.toml` and a bundled `.env`.
"""

from __future__ import annotations

from typing import Any

from phantomgate.config.loading import process_environ
from phantomgate.servers.authorizer import Authorizer

__all__ = ["handler"]

_AUTHORIZER = Authorizer(process_environ)


def handler(event: object, context: object) -> dict[str, Any]:
    """The answer to *event*. Raises the word `Unauthorized` where AWS makes 401 of it, and other errors for trouble."""
    return _AUTHORIZER.answer(event, context)
