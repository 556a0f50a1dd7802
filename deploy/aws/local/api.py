"""An API in the place of yours. It says what it was told, the JWT too: for your machine only."""

from __future__ import annotations

import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's shape
    """What the authorizer put into the request's context: under `lambda` for HTTP APIs, else beside AWS's own."""
    known = event["requestContext"]["authorizer"]
    told = known.get("lambda") or known
    body = {"sub": told["sub"], "scope": told["scope"], "Authorization": told["Authorization"]}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
