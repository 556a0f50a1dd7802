"""What AWS makes of the SAM templates of deploy/aws/sam, and the parameters that they are compared with."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from interop.needs import HERE, python_of

FOLDER = Path(__file__).parents[2] / "deploy" / "aws" / "sam"
TEMPLATES = ("http-api", "rest-request", "rest-token", "websocket")
REST = ("rest-request", "rest-token")
PARAMETERS = {
    "UpstreamUrl": "https://orders.internal.example.com",
    "IntrospectionEndpoint": "https://login.example.com/oauth/v2/oauth-introspect",
    "ClientId": "api-gateway",
    "ClientSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf",
    "Scopes": "read",
    "CacheTtl": "300",
    "WebOrigin": "https://www.example.com",
    "RouteFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:chat",
}


@cache
def sam(name: str) -> dict[str, Any]:
    """The resources that AWS deploys for a template, by logical id."""
    command = [python_of("sam"), HERE / "sam" / "transform.py", FOLDER / f"{name}.yaml"]
    environ = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environ)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)["Resources"]
