"""OpenID Connect Core §5.3: ask who the user is, and read the answer. Pure.

Rule: the answer is about the `sub` of the ID token or about nobody (§5.3.2), else one user's token could be put in the
place of another's, and we would tell a page the wrong person.
"""

from __future__ import annotations

from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.quoting import shown
from phantomgate.oauth.replies import bad_answer, check_up, json_object, media_type, refuse_client


def userinfo_request(endpoint: str, access_token: str, timeout: float) -> HttpCall:
    """The question about the user of *access_token*; *timeout* in seconds."""
    headers = (("Accept", "application/json"), ("Authorization", f"Bearer {access_token}"))
    return HttpCall("GET", endpoint, headers, timeout=timeout, retry=True)


def read_userinfo(reply: HttpReply, subject: str) -> dict[str, Any]:
    """The claims about *subject*.

    Raises Refused(INVALID_TOKEN) when the server no longer takes the token (401), Refused(BAD_ANSWER) for claims about
    somebody else and for what is no answer; Unavailable for 429 and 5xx.
    """
    check_up(reply)
    if reply.status == 401:
        raise Refused(Reason.INVALID_TOKEN, "the userinfo endpoint does not take the access token (401)")
    if reply.status == 403:
        refuse_client(reply)
    if reply.status != 200:
        bad_answer(f"status {reply.status}, want 200")
    if media_type(reply) != b"application/json":
        bad_answer("Content-Type of userinfo is not application/json")
    said = json_object(reply.body)
    if said.get("sub") != subject:
        bad_answer(f"sub of userinfo is {shown(said.get('sub'))}, want that of the ID token")
    return said
