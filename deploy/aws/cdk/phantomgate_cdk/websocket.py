"""WebSocket APIs: the token is asked about when a client connects."""

from __future__ import annotations

from aws_cdk import Stack, aws_lambda
from aws_cdk.aws_apigatewayv2 import (
    IWebSocketRouteAuthorizer,
    WebSocketApi,
    WebSocketRouteOptions,
    WebSocketStage,
)
from aws_cdk.aws_apigatewayv2_integrations import WebSocketLambdaIntegration
from constructs import Construct


class PhantomgateWebSocketApi(WebSocketApi):
    """Sends `$connect`, `$disconnect` and `$default` to *function*.

    It finds the JWT in `event["requestContext"]["authorizer"]["Authorization"]`. *authorizer* is `websocket()` of a
    PhantomgateAuthorizer.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        authorizer: IWebSocketRouteAuthorizer,
        function: aws_lambda.IFunction,
    ) -> None:
        def integration() -> WebSocketLambdaIntegration:  # one for each route: a route makes its own resource of it
            return WebSocketLambdaIntegration("Integration", function)

        super().__init__(
            scope,
            construct_id,
            api_name=Stack.of(scope).stack_name,
            route_selection_expression="$request.body.action",
            connect_route_options=WebSocketRouteOptions(integration=integration(), authorizer=authorizer),
            disconnect_route_options=WebSocketRouteOptions(integration=integration()),
            default_route_options=WebSocketRouteOptions(integration=integration()),
        )
        self.stage = WebSocketStage(self, "Stage", web_socket_api=self, stage_name="api", auto_deploy=True)
