"""The function behind a WebSocket API: each message is held against the token's `exp`, since AWS asks nobody about it.

The authorizer is asked at `$connect` alone, and a connection may last two hours. AWS hands the authorizer's context to
every later message, as text, so what is over is found out here, with no store of connections: the message is refused,
and the connection ended. The role needs `execute-api:ManageConnections` on the API's `/POST/@connections/*` and
`/DELETE/@connections/*`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's shape
    """The answer to one event of the API."""
    return answer(event, time.time(), hang_up)


def answer(event: dict[str, Any], now: float, close: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """200 while the token is good; else 401, and *close* ends the connection."""
    about = event["requestContext"]
    if about.get("eventType") == "DISCONNECT":
        return {"statusCode": 200}
    if now >= expires_at(about.get("authorizer")):
        if about.get("eventType") == "MESSAGE":
            close(about)  # at $connect there is none yet, and the refusal is the end of it
        return {"statusCode": 401, "body": "the access token is over; connect again with a new one"}
    return {"statusCode": 200, "body": "in the place of this, what your API does"}


def expires_at(known: object) -> float:
    """When the token is over, in Unix time; 0, which is long ago, where nobody says."""
    said = known.get("exp") if isinstance(known, dict) else None
    return float(said) if isinstance(said, (str, int)) and str(said).isdecimal() else 0.0


def hang_up(about: dict[str, Any]) -> None:
    """Ends the connection."""
    import boto3  # Lambda's runtime has it

    url = f"https://{about['domainName']}/{about['stage']}"
    boto3.client("apigatewaymanagementapi", endpoint_url=url).delete_connection(ConnectionId=about["connectionId"])
