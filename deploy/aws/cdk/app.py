"""Four stacks, one for each kind of API that takes an authorizer; `cdk deploy rest-token` deploys one.

What is yours (the API, the authorization server, the secret) is in cdk.json, under `context`. How to:
docs/how-to/aws-cdk.md
"""

from __future__ import annotations

from typing import Any

from aws_cdk import App, CfnOutput, Duration, Stack, aws_lambda, aws_secretsmanager, aws_sns
from constructs import Construct
from phantomgate_cdk import (
    PhantomgateAuthorizer,
    PhantomgateHttpApi,
    PhantomgateRestApi,
    PhantomgateWebSocketApi,
)


def said(scope: Construct, name: str) -> Any:
    """The value of *name* in cdk.json, or of `cdk --context name=value`."""
    return scope.node.get_context(name)


def authorizer(stack: Stack, cache_ttl: Duration | None = None) -> PhantomgateAuthorizer:
    topic = said(stack, "alarm_topic_arn")
    scopes = said(stack, "scopes")
    return PhantomgateAuthorizer(
        stack,
        "Authorizer",
        zip_file=said(stack, "zip_file"),
        introspection_endpoint=said(stack, "introspection_endpoint"),
        client_id=said(stack, "client_id"),
        client_secret=aws_secretsmanager.Secret.from_secret_complete_arn(
            stack, "ClientSecret", said(stack, "client_secret_arn")
        ),
        scopes=scopes.split(",") if isinstance(scopes, str) else scopes,
        cache_ttl=cache_ttl or Duration.seconds(float(said(stack, "cache_ttl"))),
        alarm_topic=aws_sns.Topic.from_topic_arn(stack, "AlarmTopic", topic) if topic else None,
    )


def rest(app: App, name: str, kind: str) -> None:
    stack = Stack(app, name, description=f"A REST API whose {kind} authorizer turns opaque tokens into JWTs")
    ours = authorizer(stack)
    PhantomgateRestApi(
        stack,
        "Api",
        authorizer=ours.rest_token() if kind == "TOKEN" else ours.rest_request(),
        upstream_url=said(stack, "upstream_url"),
        web_origin=said(stack, "web_origin"),
    )


def http(app: App, name: str) -> None:
    stack = Stack(app, name, description="An HTTP API whose authorizer puts a JWT in the header X-Access-Token")
    api = PhantomgateHttpApi(
        stack,
        "Api",
        authorizer=authorizer(stack).http(),
        upstream_origin=said(stack, "upstream_url"),
        web_origin=said(stack, "web_origin"),
    )
    CfnOutput(stack, "ApiUrl", value=api.api_endpoint)


def websocket(app: App, name: str) -> None:
    stack = Stack(app, name, description="A WebSocket API whose authorizer asks about the token when a client connects")
    function = aws_lambda.Function.from_function_attributes(
        stack, "Chat", function_arn=said(stack, "websocket_function_arn"), same_environment=True
    )
    api = PhantomgateWebSocketApi(
        stack, "Api", authorizer=authorizer(stack, Duration.seconds(0)).websocket(), function=function
    )
    CfnOutput(stack, "ApiUrl", value=api.stage.url)


if __name__ == "__main__":
    app = App()
    rest(app, "rest-token", "TOKEN")
    rest(app, "rest-request", "REQUEST")
    http(app, "http-api")
    websocket(app, "websocket")
    app.synth()
