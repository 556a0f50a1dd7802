"""HTTP APIs, which can't map `Authorization`: the JWT goes upstream as `X-Access-Token`.

Rule: what passes without the authorizer has lost its `X-Access-Token`.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk.aws_apigatewayv2 import (
    CorsHttpMethod,
    CorsPreflightOptions,
    HttpApi,
    HttpMethod,
    HttpNoneAuthorizer,
    IHttpRouteAuthorizer,
    MappingValue,
    ParameterMapping,
)
from aws_cdk.aws_apigatewayv2_integrations import HttpUrlIntegration
from constructs import Construct


class PhantomgateHttpApi(HttpApi):
    """Passes every path on to *upstream_origin* (no path) with the JWT as `X-Access-Token`.

    *authorizer* is `http()` of a PhantomgateAuthorizer; pages of *web_origin* may call the API. Your API
    verifies the JWT, refuses a request without it and never looks at `Authorization`, which holds the opaque token.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        authorizer: IHttpRouteAuthorizer,
        upstream_origin: str,
        web_origin: str,
    ) -> None:
        # overwrite replaces what a client sent under this name
        decided = (
            ParameterMapping()
            .overwrite_header("X-Access-Token", MappingValue.context_variable("authorizer.Authorization"))
            .overwrite_path(MappingValue.request_path())
        )
        super().__init__(
            scope,
            construct_id,
            api_name=Stack.of(scope).stack_name,
            cors_preflight=CorsPreflightOptions(
                allow_origins=[web_origin],
                allow_methods=[
                    getattr(CorsHttpMethod, name) for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
                ],
                allow_headers=["authorization", "content-type"],
                max_age=Duration.hours(1),
            ),
            default_authorizer=authorizer,  # of each route that you add too: AWS finds /orders/ by another than /orders
            default_integration=HttpUrlIntegration("Decided", upstream_origin, parameter_mapping=decided),
        )
        # AWS answers preflights, but $default would ask them for a token.
        # Other OPTIONS get there, with no token to believe.
        undecided = (
            ParameterMapping().custom("remove:header.X-Access-Token", "''").overwrite_path(MappingValue.request_path())
        )
        for path in ("/", "/{proxy+}"):
            self.add_routes(
                path=path,
                methods=[HttpMethod.OPTIONS],
                authorizer=HttpNoneAuthorizer(),
                integration=HttpUrlIntegration(
                    "Undecided", upstream_origin, method=HttpMethod.OPTIONS, parameter_mapping=undecided
                ),
            )
