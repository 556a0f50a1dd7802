"""An API in the place of yours: it gets the JWT from the authorizer, never from the client; its pages may read it."""

from __future__ import annotations

import json
import os
from typing import Any

_ORIGINS = {origin.strip() for origin in os.environ.get("TRUSTED_WEB_ORIGINS", "").split(",")} - {""}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's shape
    """Says whom the request is of. An API that does more verifies the JWT under `token`."""
    known = event["requestContext"]["authorizer"]
    fields = {"Content-Type": "application/json", "Cache-Control": "no-store", "Vary": "Origin"}
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if sent.get("origin") in _ORIGINS:
        fields["Access-Control-Allow-Origin"] = sent["origin"]
        fields["Access-Control-Allow-Credentials"] = "true"
        exposed = os.environ.get("EXPOSE_HEADERS", "")
        fields.update({"Access-Control-Expose-Headers": exposed} if exposed else {})
    body = {"sub": known.get("sub"), "has_jwt": known.get("token", "").startswith("Bearer ")}
    return {"statusCode": 200, "headers": fields, "body": json.dumps(body)}
