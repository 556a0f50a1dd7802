"""REST APIs: the JWT in the place of the token, and answers of API Gateway that say what happened."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk.aws_apigateway import (
    AuthorizationType,
    Authorizer,
    CorsOptions,
    EndpointType,
    HttpIntegration,
    IntegrationOptions,
    MethodOptions,
    PassthroughBehavior,
    ResponseType,
    RestApi,
    StageOptions,
)
from constructs import Construct

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ANSWERS: Sequence[tuple[ResponseType, str | None, str, str, str]] = (
    (
        ResponseType.UNAUTHORIZED,
        "401",
        "invalid_token",
        "WWW-Authenticate",
        '\'Bearer realm="api", error="invalid_token"\'',
    ),
    (
        ResponseType.ACCESS_DENIED,
        "403",
        "insufficient_scope",
        "WWW-Authenticate",
        '\'Bearer realm="api", error="insufficient_scope"\'',
    ),
    (ResponseType.AUTHORIZER_FAILURE, "503", "temporarily_unavailable", "Retry-After", "'5'"),
    (ResponseType.AUTHORIZER_CONFIGURATION_ERROR, "500", "server_error", "", ""),
    (ResponseType.DEFAULT_4_XX, None, "", "", ""),
    (ResponseType.DEFAULT_5_XX, None, "", "", ""),
)
"""Kind, status, error, one more field and its value; without a status, AWS's own status and body."""


class PhantomgateRestApi(RestApi):
    """Passes every path on to *upstream_url* (no slash at its end) with the JWT as `Authorization`.

    *authorizer* is `rest_token()` or `rest_request()` of a PhantomgateAuthorizer; pages of *web_origin* may read the
    answers of API Gateway itself.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, authorizer: Authorizer, upstream_url: str, web_origin: str
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            rest_api_name=Stack.of(scope).stack_name,
            endpoint_types=[EndpointType.REGIONAL],
            deploy_options=StageOptions(stage_name="api"),
            cloud_watch_role=False,  # one for the whole account and region, which is not ours to set
            default_method_options=MethodOptions(authorization_type=AuthorizationType.CUSTOM, authorizer=authorizer),
            default_cors_preflight_options=CorsOptions(  # AWS answers a preflight, which has no token
                allow_origins=[web_origin],
                allow_methods=[*METHODS, "OPTIONS"],
                allow_headers=["authorization", "content-type"],
                max_age=Duration.hours(1),
            ),
        )
        add_gateway_responses(self, web_origin)
        self.root.add_method("ANY", with_jwt(f"{upstream_url}/"))
        below = self.root.add_resource("{proxy+}")
        below.add_method(
            "ANY",
            with_jwt(f"{upstream_url}/{{proxy}}", "proxy"),
            request_parameters={"method.request.path.proxy": True},
        )


def with_jwt(url: str, *path_parameters: str) -> HttpIntegration:
    """An integration whose requests carry the JWT. Without this mapping your API would get the opaque token."""
    mapped = {f"integration.request.path.{name}": f"method.request.path.{name}" for name in path_parameters}
    return HttpIntegration(
        url,
        http_method="ANY",
        proxy=True,
        options=IntegrationOptions(
            passthrough_behavior=PassthroughBehavior.WHEN_NO_MATCH,
            request_parameters={
                "integration.request.header.Authorization": "context.authorizer.Authorization",
                **mapped,
            },
        ),
    )


def add_gateway_responses(api: RestApi, web_origin: str) -> None:
    """Makes refusals and trouble say what they are, and lets pages of *web_origin* read that."""
    if not re.fullmatch(r"https?://[^/'\"\s]+", web_origin):
        raise ValueError(f"web_origin is {web_origin!r}; want an origin such as https://www.example.com")
    for kind, status, error, field, value in ANSWERS:
        named = {"Access-Control-Expose-Headers": f"'{field}'", field: value} if field else {}
        api.add_gateway_response(
            kind.response_type,
            type=kind,
            status_code=status,
            response_headers={"Access-Control-Allow-Origin": f"'{web_origin}'", "Vary": "'Origin'", **named},
            templates={"application/json": f'{{"error":"{error}"}}'} if error else None,
        )
