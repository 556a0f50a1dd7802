"""Whether API Gateway may ask the function, waits for it, and understands what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phantomgate.cli.aws_template.apis import (
    Api,
    ApiKind,
    Authorizer,
    Deployed,
    Function,
    Permission,
    Permit,
    named,
)
from phantomgate.cli.aws_template.appsync import PRINCIPAL
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.permitted import permitted
from phantomgate.cli.aws_template.told import Told, variables
from phantomgate.config.function import literal_secrets
from phantomgate.config.rules import match_of
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers, Request
from phantomgate.servers.invocation import KEPT_SECONDS

_USUAL_TIMEOUT, _USUAL_MEMORY = 3, 128
_HTTP_WAITS = 10
_ENOUGH_MEMORY = 256
_ANY_API = re.compile(r":(?:execute-api|appsync):[^:]*:[^:]*:(?:apis/)?\*")
_PYTHON = re.compile(r"python3\.(\d+)")


def answering(deployed: Deployed, api: Api, authorizer: Authorizer, told: Told) -> Iterator[Finding]:
    """What is wrong between *authorizer* and the function that it asks."""
    if api.kind is ApiKind.HTTP:
        yield from _payload(authorizer, told)
    yield from _permit(deployed, authorizer)
    if api.kind is ApiKind.WEBSOCKET and told.settings.routes and told.knows("routes"):
        try:
            match_of(told.settings)(Request("GET", "/$connect", Headers()))
        except Refused:
            what = "no rule of [[routes]] is for a connection, so all are refused"
            yield Finding(Kind.BROKEN, "websocket-route", what, authorizer.at.path, 'add a rule for path = "/$connect"')
    timeout = None if told.function is None else told.function.properties.at("Timeout").number()
    if api.kind is ApiKind.HTTP and isinstance(timeout, (int, float)) and timeout > _HTTP_WAITS and told.function:
        what = f"an HTTP API waits {_HTTP_WAITS} s for its authorizer, and the function may take {timeout:g}"
        place = told.function.properties.at("Timeout").path
        yield Finding(Kind.ADVICE, "timeout-long", what, place, f"write {_HTTP_WAITS}")


def _payload(authorizer: Authorizer, told: Told) -> Iterator[Finding]:
    payload, simple = authorizer.payload.text(), authorizer.simple.switch()
    wanted = told.settings.aws.http_api
    if payload is None:
        what = "AWS doesn't deploy an HTTP API's authorizer without its payload format version"
        yield Finding(Kind.BROKEN, "payload-missing", what, authorizer.payload.path, 'write "2.0"')
        return
    if isinstance(payload, Later) or isinstance(simple, Later) or not told.knows("aws.http_api"):
        return
    if payload not in ("1.0", "2.0", "1", "2"):
        what = f'the payload format version is "{payload[:20]}"'
        yield Finding(Kind.BROKEN, "payload-unknown", what, authorizer.payload.path, 'write "2.0"')
    elif payload.startswith("1") and simple:
        what = "payload 1.0 is answered by a policy, and simple responses are enabled: AWS doesn't deploy that"
        yield Finding(Kind.BROKEN, "simple-with-1.0", what, authorizer.simple.path, 'write payload version "2.0"')
    elif payload.startswith("2") and wanted == "simple" and not simple:
        what = "the function answers yes or no, and API Gateway wants a policy: every request would be 500"
        change = f"write true, or {told.place('aws.http_api')}: iam"
        yield Finding(Kind.BROKEN, "simple-not-enabled", what, authorizer.simple.path, change)
    elif payload.startswith("2") and wanted == "iam" and simple:
        what = (
            'the function answers by a policy (aws.http_api is "iam"), and API Gateway wants yes or no: every request \
would be 500'
        )
        change = "write false, or leave aws.http_api out"
        yield Finding(Kind.BROKEN, "simple-enabled", what, authorizer.simple.path, change)


def _permit(deployed: Deployed, authorizer: Authorizer) -> Iterator[Finding]:
    if authorizer.permit is Permit.GIVEN or permitted(deployed, authorizer.function, "apigateway.amazonaws.com"):
        return
    what = "nobody allows API Gateway to invoke the function, so every request would be 500"
    change = "add an AWS::Lambda::Permission for apigateway.amazonaws.com, with the authorizer as SourceArn"
    if authorizer.permit_at.path.endswith("EnableFunctionDefaultPermissions"):
        change = "write true"
    elif authorizer.permit_at.path.endswith("DisableFunctionDefaultPermissions"):
        change = f"leave it out, or {change}"
    yield Finding(Kind.BROKEN, "permission-missing", what, authorizer.permit_at.path, change)


def running(deployed: Deployed, function: Function, told: Told) -> Iterator[Finding]:
    """What is wrong with the function itself, and with who may invoke it."""
    said = function.properties
    yield from _runtime(function)
    timeout = said.at("Timeout").number()
    seconds = _USUAL_TIMEOUT if timeout is None else timeout
    settings = told.settings
    asking = max(settings.introspection.timeout, *(one.timeout for one in settings.issuers), settings.exchange.timeout)
    asking = settings.agent.timeout if told.agent else asking
    if isinstance(seconds, (int, float)) and seconds < asking + KEPT_SECONDS:
        what = f"Lambda ends the function after {seconds:g} s, and the authorization server may take {asking:g}: calls \
are cut short {KEPT_SECONDS:g} s before that"
        yield Finding(Kind.ADVICE, "timeout-short", what, said.at("Timeout").path, "write 10")
    memory = said.at("MemorySize").number()
    megabytes = _USUAL_MEMORY if memory is None else memory
    if isinstance(megabytes, (int, float)) and megabytes < _ENOUGH_MEMORY:
        what = f"with {megabytes:g} MB the first call is slow: processor time comes with memory"
        yield Finding(Kind.ADVICE, "memory-little", what, said.at("MemorySize").path, f"write {_ENOUGH_MEMORY}")
    for name in literal_secrets(variables(function)[0]):
        what = f"{name} is in the template and in the function's configuration, for everybody who can read either"
        change = 'keep it in Secrets Manager, and let a setting of ours name it ("aws-sm:NAME#key")'
        yield Finding(Kind.ADVICE, "secret-written", what, said.at("Environment", "Variables", name).path, change)
    if told.agent:  # it is there for everybody, and judges them itself
        return
    if not settings.aws.shared_secret and told.knows("aws.shared_secret"):
        yield from _urls(function)
        yield from _balancers(deployed, function)
    for one in deployed.permissions:
        target = deployed.functions.get(one.function)
        if target is not None and target.name == function.name:
            yield from _permission(one)


def _urls(function: Function) -> Iterator[Finding]:
    change = "write AWS_IAM, or set aws.shared_secret"
    for url in function.urls:
        kind = url.text()
        if isinstance(kind, Later):
            what = (
                "who may call the function's URL is only known when it is deployed: with NONE, anybody can try tokens"
            )
            yield Finding(Kind.ADVICE, "url-not-known", what, url.path, change)
        elif kind is not None and kind.upper() == "NONE":
            what = "anybody who knows the function's URL can try tokens, and gets the JWT for one that is good"
            yield Finding(Kind.UNSAFE, "url-open", what, url.path, change)


def _balancers(deployed: Deployed, function: Function) -> Iterator[Finding]:
    for _, _, said in deployed.template.resources("AWS::ElasticLoadBalancingV2::TargetGroup"):
        for target in said.at("Targets").each():
            asked = deployed.functions.get(named(target.at("Id").whole()))
            if asked is not None and asked.name == function.name:
                what = "whoever reaches this load balancer can try tokens, and gets the JWT for one that is good"
                change = "set aws.shared_secret, and keep the load balancer internal"
                yield Finding(Kind.ADVICE, "balancer-open", what, target.path, change)


def _runtime(function: Function) -> Iterator[Finding]:
    node = function.properties.at("Runtime")
    runtime = node.text()
    if not isinstance(runtime, str):
        return
    version = _PYTHON.fullmatch(runtime)
    if version is None or int(version[1][:4]) < 11:
        what = f"the runtime is {runtime[:40]}, and the function needs python3.11 or newer"
        yield Finding(Kind.BROKEN, "runtime", what, node.path, "write python3.13, as for phantomgate package --python")


def _permission(one: Permission) -> Iterator[Finding]:
    if one.of_url:
        return
    source, place = one.source.whole(), one.source.path
    change = "write the authorizer's ARN: arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/authorizers/*"
    if one.principal == PRINCIPAL:
        change = "write the API's ARN: arn:aws:appsync:${AWS::Region}:${AWS::AccountId}:apis/${Api.ApiId}"
    if one.principal == "*":
        what = "everybody may invoke the function, and so try tokens"
        yield Finding(
            Kind.UNSAFE, "permission-wide", what, one.at.at("Principal").path, "name apigateway.amazonaws.com"
        )
    elif one.principal.endswith(".amazonaws.com") and not source:
        what = "any API of any account may invoke the function, and so try tokens: the permission has no SourceArn"
        yield Finding(Kind.UNSAFE, "permission-wide", what, place, change)
    elif source == "*" or _ANY_API.search(re.sub(r"\$\{[^}]*\}", "x", source)):
        what = f"any API may invoke the function, and so try tokens: SourceArn is {source[:80]}"
        yield Finding(Kind.UNSAFE, "permission-wide", what, place, change)
