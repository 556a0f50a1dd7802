"""`check --aws` on templates that are weak where it can't see at once: conditions, macros, aliases, other words for it.

Rule: what lets somebody in is found however it is written, and what nobody could look at is never passed over.
"""

from __future__ import annotations

import json

import pytest

from aws_templates import ALLOWED, EVENTS, HTTP, REST, SAM_SOCKET, SWAGGER, WEBSOCKET
from phantomgate.cli.main import main

SECURE = "Parameters: {Secure: {Type: String}}\nConditions: {IsSecure: !Equals [!Ref Secure, 'yes']}\n"
INCLUDE = "Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://x}}"
NAMED = REST.replace("      Handler: ph", "      FunctionName: gate-fn\n      Handler: ph")
BY_STACK = NAMED.replace("FunctionName: gate-fn", "FunctionName: !Sub '${AWS::StackName}-gate'")
LIVE = "  Live:\n"
MAPPED = "          integration.request.header.Authorization: context.authorizer.Authorization\n"
PARAMETERS = f"        RequestParameters:\n{MAPPED}"


@pytest.fixture
def check(tmp_path, capsys):
    def run(text: str, *options: str) -> tuple[int, list[tuple[str, str, str]]]:
        file = tmp_path / "template.yaml"
        file.write_text(text)
        code = main(["check", "--aws", str(file), "--json", *options], {})
        out, err = capsys.readouterr()
        assert "" == err
        return code, [(one["kind"], one["check"], one["place"]) for one in json.loads(out)["findings"]]

    return run


def url(target: str, kind: str = "NONE", name: str = "Url") -> str:
    return f"  {name}: {{Type: AWS::Lambda::Url, Properties: {{TargetFunctionArn: {target}, AuthType: {kind}}}}}\n"


def permission(target: str, more: str = "") -> str:
    said = f"FunctionName: {target}, Principal: '*'{more}"
    return f"  Wide: {{Type: AWS::Lambda::Permission, Properties: {{{said}}}}}\n"


def route(auth: str) -> str:
    return f"Path: /orders, Method: get, Auth: {{Authorizer: {auth}}}"


MACHINE = """\
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Events:
        Run: {Type: Api, Properties: {Path: /run, Method: post%s}}
  Orders:
"""
REST_EVENTS = EVENTS.replace(
    "  HttpApi:\n",
    "  Api: {Auth: {Authorizers: {Gate: {FunctionArn: !GetAtt Gate.Arn, Identity: {ReauthorizeEvery: 60}}}}}\n"
    "  HttpApi:\n",
)
LOG = "StageDescription: {AccessLogSetting: {Format: $context.authorizer.Authorization}}"
WEAK = [  # (template, old, new, what is found)
    (REST, LIVE, url("!Ref Live") + LIVE, ("unsafe", "url-open", "Url.Properties.AuthType")),
    (REST, LIVE, url("!Ref Live", "none") + LIVE, ("unsafe", "url-open", "Url.Properties.AuthType")),
    (NAMED, LIVE, url("gate-fn") + LIVE, ("unsafe", "url-open", "Url.Properties.AuthType")),
    (REST, LIVE, url("!Ref Gate", name="First") + url("!Ref Gate", "AWS_IAM", "Second") + LIVE,
     ("unsafe", "url-open", "First.Properties.AuthType")),
    (SECURE + REST, LIVE, url("!Ref Gate", "!If [IsSecure, AWS_IAM, NONE]") + LIVE,
     ("advice", "url-not-known", "Url.Properties.AuthType")),
    (REST, LIVE, permission("!Ref Gate", ", InvokedViaFunctionUrl: false") + LIVE,
     ("unsafe", "permission-wide", "Wide.Properties.Principal")),
    (NAMED, LIVE, permission("'arn:aws:lambda:eu-west-1:123456789012:function:gate-fn:live'") + LIVE,
     ("unsafe", "permission-wide", "Wide.Properties.Principal")),
    (BY_STACK, LIVE, permission("!Sub '${AWS::StackName}-gate'") + LIVE,
     ("unsafe", "permission-wide", "Wide.Properties.Principal")),
    (BY_STACK, LIVE,
     permission("!Sub 'arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-gate'") + LIVE,
     ("unsafe", "permission-wide", "Wide.Properties.Principal")),
    ("Conditions: {Never: !Equals [a, b]}\n" + REST, ALLOWED,
     ALLOWED.replace("    Type:", "    Condition: Never\n    Type:"),
     ("broken", "permission-missing", "Asking.Properties.AuthorizerUri")),
    (SECURE + REST, "Type: CUSTOM", "Type: !If [IsSecure, CUSTOM, NONE]",
     ("advice", "route-not-known", "Get.Properties")),
    ("Parameters: {Kind: {Type: String}}\n" + REST, "Type: CUSTOM", "Type: !Ref Kind",
     ("advice", "route-not-known", "Get.Properties")),
    (SECURE + HTTP, "Type: CUSTOM", "Type: !If [IsSecure, CUSTOM, NONE]",
     ("advice", "route-not-known", "Accounts.Properties")),
    (SECURE + REST, "AuthorizerId: !Ref Asking", "AuthorizerId: !If [IsSecure, !Ref Asking, !Ref Other]",
     ("advice", "route-not-known", "Get.Properties")),
    (REST, "Type: CUSTOM", "Type: none", ("unsafe", "route-open", "Get.Properties")),
    (SECURE + EVENTS, "DefaultAuthorizer: Gate", "DefaultAuthorizer: !If [IsSecure, Gate, !Ref 'AWS::NoValue']",
     ("advice", "route-not-known", "Orders.Properties.Events.List")),
    (SECURE + EVENTS, "Path: /orders, Method: get", route("!If [IsSecure, Gate, NONE]"),
     ("advice", "route-not-known", "Orders.Properties.Events.List")),
    (SECURE + EVENTS, "Any: {Type: HttpApi}", f"Any: !If [IsSecure, {{Type: HttpApi}}, {{{route('NONE')}}}]",
     ("advice", "not-looked-at", "Orders.Properties.Events.Any")),
    (REST_EVENTS, "  Orders:\n", MACHINE % ", Auth: {Authorizer: NONE}",
     ("advice", "route-open", "Machine.Properties.Events.Run")),
    (REST_EVENTS, "  Orders:\n", MACHINE % "", ("unsafe", "route-open", "Machine.Properties.Events.Run")),
    (SWAGGER, "        paths:\n", f"        paths:\n          {INCLUDE}\n",
     ("advice", "not-looked-at", "Api.Properties.Body.paths.Fn::Transform")),
    (SWAGGER, "        paths:\n", f"        paths:\n          /admin:\n            {INCLUDE}\n",
     ("advice", "not-looked-at", "Api.Properties.Body.paths./admin.Fn::Transform")),
    (SECURE + SWAGGER, "        paths:\n",
     "        paths:\n          /admin: !If [IsSecure, {}, {get: {security: []}}]\n",
     ("advice", "not-looked-at", "Api.Properties.Body.paths./admin")),
    (SECURE + SWAGGER, "        paths:\n",
     "        paths:\n          /admin: {get: !If [IsSecure, {}, {security: []}]}\n",
     ("advice", "route-not-known", "Api.Properties.Body.paths./admin.get")),
    (SECURE + SWAGGER, "security: [Gate: []]", "security: !If [IsSecure, [Gate: []], []]",
     ("advice", "route-not-known", "Api.Properties.Body.paths./orders.get")),
    (SECURE + SWAGGER, "security: [Gate: []]", "security: [!If [IsSecure, {Gate: []}, {}]]",
     ("advice", "route-not-known", "Api.Properties.Body.paths./orders.get")),
    (SECURE + SAM_SOCKET, "AuthType: CUSTOM", "AuthType: !If [IsSecure, CUSTOM, NONE]",
     ("advice", "route-not-known", "Api.Properties.Routes.$connect")),
    (SECURE + SAM_SOCKET, "Auth: {AuthType", "Auth: !If [IsSecure, {}, {}]\n      Other: {AuthType",
     ("advice", "route-not-known", "Api.Properties.Routes.$connect")),
    (SECURE + EVENTS, "    Auth:\n", "    Auth: !If\n     - IsSecure\n     - {}\n     -\n",
     ("advice", "route-not-known", "Orders.Properties.Events.List")),
    (WEBSOCKET, "RouteKey: $connect,", "RouteKey: $connect, Target: !ImportValue Chat,", None),
    (SWAGGER, "            get:\n",
     ("            post: {x-amazon-apigateway-auth: {type: none}, x-amazon-apigateway-integration: {type: mock}}\n"
      "            get:\n"), ("advice", "route-open", "Api.Properties.Body.paths./orders.post")),
    (REST, "      HttpMethod: GET\n", f"      HttpMethod: GET\n      {INCLUDE}\n",
     ("advice", "not-looked-at", "Get.Properties.Fn::Transform")),
    (EVENTS, "        Gate:\n", f"        Gate:\n          {INCLUDE}\n",
     ("advice", "not-looked-at", "Globals.HttpApi.Auth.Authorizers.Gate.Fn::Transform")),
    (REST, "Resources:\n", f"{INCLUDE}\nResources:\n", ("advice", "not-looked-at", "Fn::Transform")),
    (EVENTS, "Transform: AWS::S", "Transform: [Mine, AWS::S", ("advice", "not-looked-at", "Transform")),
    (EVENTS, "Transform: AWS::Serverless-2016-10-31", "Transform: {Name: AWS::Include, Parameters: {Location: s3://x}}",
     ("advice", "not-looked-at", "Transform")),
    (REST, "Properties: {Name: orders}", "Properties: {CloneFrom: abc123}",
     ("advice", "routes-elsewhere", "Api.Properties.CloneFrom")),
    (REST, LIVE, f"  D: {{Type: AWS::ApiGateway::Deployment, Properties: {{RestApiId: !Ref Api, {LOG}}}}}\n{LIVE}",
     ("unsafe", "jwt-in-log", "D.Properties.StageDescription.AccessLogSetting.Format")),
    (HTTP, "overwrite:header.X-Access-Token", "remove:header.X-Access-Token",
     ("unsafe", "mapping-missing", "Leads.Properties.RequestParameters")),
    ("Parameters: {W: {Type: String}}\n" + REST, "context.authorizer.Authorization", "!Ref W",
     ("advice", "mapping-not-known",
      "Get.Properties.Integration.RequestParameters.integration.request.header.Authorization")),
    ("Parameters: {W: {Type: String}}\n" + HTTP, "$context.authorizer.Authorization", "!Ref W",
     ("advice", "mapping-not-known", "Leads.Properties.RequestParameters")),
    (SECURE + REST, PARAMETERS, f"        RequestParameters: !If [IsSecure, {{{MAPPED.strip()}}}, {{}}]\n",
     ("advice", "mapping-not-known", "Get.Properties.Integration.RequestParameters")),
    (REST, "      Handler: phantomgate.aws.handler\n      Runtime: python3.13\n",
     "      PackageType: Image\n      ImageConfig: {Command: [phantomgate.aws.handler]}\n",
     None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "old", "new", "expected"), WEAK)
def test_it_is_found_however_it_is_written(text, old, new, expected, check):
    assert old in text
    text = text.replace(old, new, 1)
    text = text.replace("AWS::Serverless-2016-10-31", "AWS::Serverless-2016-10-31]") if "[Mine" in text else text
    code, found = check(text)
    if expected is None:
        assert (0, []) == (code, found)
    else:
        assert expected in found
        assert code == (expected[0] != "advice" or any(kind != "advice" for kind, _, _ in found))


def test_what_decides_it_may_be_told(check):
    text = SECURE + REST.replace("Type: CUSTOM", "Type: !If [IsSecure, CUSTOM, NONE]")
    assert (0, []) == check(text, "--parameter", "Secure=yes")
    assert (1, [("unsafe", "route-open", "Get.Properties")]) == check(text, "--parameter", "Secure=no")


def test_what_is_never_deployed_is_no_hole(check):
    never = "Conditions: {Never: !Equals [a, b]}\n" + REST
    open_ = url("!Ref Gate").replace("{Type", "{Condition: Never, Type", 1)
    assert (0, []) == check(never.replace(LIVE, open_ + LIVE))


@pytest.mark.parametrize("macro", ["AWS::LanguageExtensions", "AWS::SecretsManager-2024-09-16"])
def test_macros_of_aws_that_change_nothing_here_are_not_worth_a_word(macro, check):
    assert (0, []) == check(f"Transform: [{macro}]\n{REST}")


def test_an_include_in_what_is_no_api_and_no_function_is_not_worth_a_word(check):
    other = f"  Bucket: {{Type: AWS::S3::Bucket, Properties: {{{INCLUDE}}}}}\n"
    assert (0, []) == check(REST.replace(LIVE, other + LIVE))
