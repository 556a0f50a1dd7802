"""phantomgate as constructs of the AWS CDK: copy this folder beside your app (docs/how-to/aws-cdk.md)."""

from phantomgate_cdk.authorizer import PhantomgateAuthorizer
from phantomgate_cdk.http import PhantomgateHttpApi
from phantomgate_cdk.rest import PhantomgateRestApi, add_gateway_responses, with_jwt
from phantomgate_cdk.websocket import PhantomgateWebSocketApi

__all__ = [
    "PhantomgateAuthorizer",
    "PhantomgateHttpApi",
    "PhantomgateRestApi",
    "PhantomgateWebSocketApi",
    "add_gateway_responses",
    "with_jwt",
]
