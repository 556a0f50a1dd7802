"""The function that authorizes, with its role and its log, and the authorizer of each kind of API.

Rule: for how long API Gateway remembers answers is said once, here, and told to the authorizers and to the function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import (
    Duration,
    RemovalPolicy,
    Stack,
    aws_apigateway,
    aws_iam,
    aws_lambda,
    aws_logs,
    aws_secretsmanager,
    aws_sns,
)
from aws_cdk.aws_apigatewayv2_authorizers import (
    HttpLambdaAuthorizer,
    HttpLambdaResponseType,
    WebSocketLambdaAuthorizer,
)
from constructs import Construct

from phantomgate_cdk.alarms import add_alarms

BEARER = "^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9._~+/=-]{8,4096}$"  # garbage costs no invocation


class PhantomgateAuthorizer(Construct):
    """One function for every kind of API.

    *zip_file* is what `phantomgate package --python 3.13 --arch arm64` writes. *client_secret* is a JSON object whose
    member `client_secret` is ours. *cache_ttl* is for how long API Gateway remembers an answer, at most an hour: a
    token that is revoked works that much longer. *environment* is for more settings; *alarm_topic* is where alarms go.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        zip_file: str,
        introspection_endpoint: str,
        client_id: str,
        client_secret: aws_secretsmanager.ISecret,
        scopes: Sequence[str],
        cache_ttl: Duration,
        environment: Mapping[str, str] | None = None,
        alarm_topic: aws_sns.ITopic | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if not Path(zip_file).is_file():
            raise ValueError(f"{zip_file} is not there; `phantomgate package --python 3.13 --arch arm64` makes it")
        self.cache_ttl = cache_ttl
        self.log = aws_logs.LogGroup(
            self, "Log", retention=aws_logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        self.role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        self._grant("logs:CreateLogStream", "logs:PutLogEvents", on=self.log.log_group_arn)
        secret_arn = client_secret.secret_full_arn or f"{client_secret.secret_arn}-??????"
        self._grant("secretsmanager:GetSecretValue", on=secret_arn)
        if client_secret.encryption_key:  # not by grant_decrypt: of an imported key it would tell nobody
            through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{Stack.of(self).region}.amazonaws.com"}}
            self._grant("kms:Decrypt", on=client_secret.encryption_key.key_arn, conditions=through)
        self.function = aws_lambda.Function(
            self,
            "Function",
            description="phantomgate, an authorizer that turns opaque tokens into JWTs",
            code=aws_lambda.Code.from_asset(zip_file),
            handler="phantomgate.aws.handler",
            runtime=aws_lambda.Runtime.PYTHON_3_13,
            architecture=aws_lambda.Architecture.ARM_64,
            memory_size=256,
            timeout=Duration.seconds(10),
            role=self.role,
            log_group=self.log,
            environment={
                "PHANTOMGATE__INTROSPECTION__ENDPOINT": introspection_endpoint,
                "PHANTOMGATE__INTROSPECTION__CLIENT_ID": client_id,
                "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": f"aws-sm:{client_secret.secret_arn}#client_secret",
                "PHANTOMGATE__POLICY__SCOPES": ",".join(scopes),
                "PHANTOMGATE__AWS__CACHE_TTL": f"{cache_ttl.to_seconds():.0f}s",
                "SSL_CERT_DIR": "/var/task/ca",
                "SSL_CERT_FILE": "/var/task/ca/none",  # not there: the runtime's bundle costs a cold start 16 ms
                **(environment or {}),
            },
        )
        add_alarms(self, self.function, self.log, alarm_topic)

    def rest_token(self) -> aws_apigateway.TokenAuthorizer:
        """For a REST API whose answers depend on the token, the method and the path alone."""
        return aws_apigateway.TokenAuthorizer(
            self,
            "Token",
            handler=self.function,
            identity_source=aws_apigateway.IdentitySource.header("Authorization"),
            validation_regex=BEARER,
            results_cache_ttl=self.cache_ttl,
        )

    def rest_request(self) -> aws_apigateway.RequestAuthorizer:
        """For a REST API whose rules look at more than the token. Answers are remembered by the token, not by less."""
        return aws_apigateway.RequestAuthorizer(
            self,
            "Request",
            handler=self.function,
            identity_sources=[aws_apigateway.IdentitySource.header("Authorization")],
            results_cache_ttl=self.cache_ttl,
        )

    def http(self) -> HttpLambdaAuthorizer:
        """For an HTTP API. Answers are remembered by the token, and by the route for `[[routes]]`."""
        return HttpLambdaAuthorizer(
            "Http",
            self.function,
            response_types=[HttpLambdaResponseType.SIMPLE],
            identity_source=["$request.header.Authorization", "$context.routeKey"],
            results_cache_ttl=self.cache_ttl,
        )

    def websocket(self) -> WebSocketLambdaAuthorizer:
        """For `$connect` of a WebSocket API, which remembers nothing: each connection is asked about."""
        return WebSocketLambdaAuthorizer(
            "WebSocket", self.function, identity_source=["route.request.header.Authorization"]
        )

    def _grant(self, *actions: str, on: str, conditions: Mapping[str, object] | None = None) -> None:
        statement = aws_iam.PolicyStatement(actions=list(actions), resources=[on], conditions=conditions)
        self.role.add_to_policy(statement)
