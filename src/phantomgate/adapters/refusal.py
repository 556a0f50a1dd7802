"""A refusal as every HTTP adapter says it: status, challenge, and a small JSON body that helps and betrays nothing."""

from __future__ import annotations

import json

from phantomgate.core.errors import Reason
from phantomgate.core.model import Refuse
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.bearer import challenge


class Refusal(NamedTuple):
    """An HTTP response, ready for any server to send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def write_refusal(refuse: Refuse, realm: str, nginx: bool = False, *, resource_metadata: str = "") -> Refusal:
    """The response for *refuse*. With *nginx*, 400 becomes 401, which is all that `auth_request` understands, and the
    body stands in a header too, since nginx throws the body of a refusal away. *resource_metadata* is the URL that
    challenges carry (RFC 9728 §5.1), or empty.

    The body's `decision` finds the log line; why exactly it was refused stands only there.
    """
    reason = refuse.reason
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if reason.challenges:
        headers.append(("WWW-Authenticate", challenge(refuse, realm, resource_metadata)))
    if refuse.retry_after is not None:
        headers.append(("Retry-After", str(refuse.retry_after)))
    body = json.dumps({"error": reason.error, "error_description": reason.description, "decision": refuse.id})
    headers += refuse.client
    if nginx:
        headers.append(("X-Phantomgate-Refusal", body))
    status = 401 if nginx and reason is Reason.MALFORMED_REQUEST else reason.status
    return Refusal(status, tuple(headers), body.encode("ascii"))
