"""phantomgate as the authorizer of `serverless-offline`, whose events are not quite AWS's. For your machine only.

What is adapted: a REST event says `version: "1.0"` (AWS: none), the ARN names `random-account-id` and the template of
the route where AWS writes digits and the path, header names come as they were sent, a TOKEN event has more than three
keys, and a handler that raises ends its process. So events are rewritten to what AWS documents, and `Unauthorized` is
returned where it is raised on AWS. A function there has the handler `phantomgate.aws.handler`, and nothing of this
file.
"""

from __future__ import annotations

from typing import Any

from phantomgate import aws

_THEIRS, _OURS = ":random-account-id:random-api-id/", ":123456789012:local12345/"
_TOKEN = ("type", "authorizationToken", "methodArn")
_NOT_OF_REST = ("version", "identitySource", "authorizationToken", "enhancedAuthContext")


def handler(event: dict[str, Any], context: object) -> dict[str, Any] | str:
    """What API Gateway is answered, in the words of the emulator."""
    name = "routeArn" if event.get("version") == "2.0" else "methodArn"
    theirs = event[name]
    head, stage, method, _ = theirs.split("/", 3)
    path = event["rawPath" if name == "routeArn" else "path"]
    ours = f"{head}/{stage}/{method}{path}".replace(_THEIRS, _OURS)
    try:
        answer = aws.handler(as_aws_sends_it(event, name, ours), context)
    except Exception as raised:  # noqa: BLE001 - whatever it is, this process goes on
        return "Unauthorized" if str(raised) == "Unauthorized" else {}  # {} is no permission: 403 for AWS's 500
    for statement in answer.get("policyDocument", {}).get("Statement", []):
        named = [theirs if one == ours else one.replace(_OURS, _THEIRS) for one in statement["Resource"]]
        statement["Resource"] = named
    return answer


def as_aws_sends_it(event: dict[str, Any], name: str, arn: str) -> dict[str, Any]:
    """*event* with *arn* under *name*, and as its documentation has it."""
    event = {**event, name: arn}
    if event["type"] == "TOKEN":
        return {key: event[key] for key in _TOKEN}
    if name == "methodArn":
        return {key: value for key, value in event.items() if key not in _NOT_OF_REST}
    headers = {key.lower(): value for key, value in event["headers"].items()}
    cookies = headers.pop("cookie", "")
    return {**event, "headers": headers, **({"cookies": cookies.split("; ")} if cookies else {})}
