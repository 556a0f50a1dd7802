"""`phantomgate check --aws`: nothing unsafe in what we ship, and in each weakened copy the hole, where it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phantomgate.cli.main import main

SHIPPED = Path(__file__).parents[2] / "deploy" / "aws" / "sam"
TEMPLATES = sorted(file.stem for file in SHIPPED.glob("*.yaml"))
AUTHORIZER = "Api.Properties.Auth.Authorizers.Phantomgate"
VARIABLES = "Authorizer.Properties.Environment.Variables"
KEY = "ab" * 32


def check(capsys, *files: object, config: object = None) -> tuple[int, dict]:
    words = ["check", "--aws", *map(str, files), "--json", *(["--config", str(config)] if config else [])]
    code = main(words, {})
    out, err = capsys.readouterr()
    assert "" == err
    return code, json.loads(out)


def weakened(tmp_path, name: str, *changes: tuple[str, str]) -> Path:
    """A copy of a shipped template with *changes*, each to the first place that has its text."""
    text = (SHIPPED / f"{name}.yaml").read_text()
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    copy = tmp_path / "template.yaml"
    copy.write_text(text)
    return copy


def variables(*lines: str) -> tuple[str, str]:
    """More variables for the function."""
    before = "          SSL_CERT_DIR: /var/task/ca\n"
    return before, before + "".join(f"          {line}\n" for line in lines)


@pytest.mark.parametrize("name", TEMPLATES)
def test_in_what_we_ship_there_is_nothing_to_say(name, capsys):
    code, said = check(capsys, SHIPPED / f"{name}.yaml")

    assert (0, True, []) == (code, said["good"], said["findings"])
    if "agent" != name:
        assert ["ClientId", "ClientSecretArn", "IntrospectionEndpoint"] == said["unknown"]


TTL = ("ReauthorizeEvery: !Ref CacheTtl", "ReauthorizeEvery: 300")
OFF = ("PHANTOMGATE__AWS__CACHE_TTL: !Sub ${CacheTtl}s", "PHANTOMGATE__AWS__CACHE_TTL: 0s")
ROUTES = 'PHANTOMGATE__ROUTES: \'[{"path": "/orders/**", "scopes": ["a"]}, {"path": "/**", "scopes": ["b"]}]\''
SESSION = variables(
    "PHANTOMGATE__SESSION__KEYS: aws-sm:keys",
    "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS: https://www.example.com",
    "PHANTOMGATE__SESSION__COOKIE_PREFIX: example",
)
MAPPED = "                  integration.request.header.Authorization: context.authorizer.Authorization\n"
OVER = "                  overwrite:header.X-Access-Token: $context.authorizer.Authorization\n"
NO_AUTHORIZER = ("        DefaultAuthorizer: Phantomgate\n", "")
PERMISSION = """\
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !GetAtt Authorizer.Arn
      Principal: apigateway.amazonaws.com
"""
BODY = "Api.Properties.DefinitionBody.paths"
ANY = f"{BODY}./.x-amazon-apigateway-any-method"
DEFAULT = f"{BODY}./$default.x-amazon-apigateway-any-method"
PARAMETERS = "x-amazon-apigateway-integration.requestParameters"
EXPRESSION = "^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9._~+/=-]{8,4096}$"
ANYBODYS = "      SourceArn: !Sub arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:*/authorizers/*\n"
LOG = "\n  AuthorizerLog:\n"
REMOVED = "                  remove:header.X-Access-Token: \"''\" # other OPTIONS get there, with no token to believe\n"
LOGGED = "      AccessLogSetting:\n        Format: $context.requestId $context.authorizer.Authorization\n"
OPTIONS = "            options:\n              "
EVERYBODY = "'*'"
ORIGIN = "Access-Control-Allow-Origin: !Sub \"'${WebOrigin}'\""
WEAKER = [  # (template, changes, kind, check, where)
    ("rest-token", [TTL, OFF], "unsafe", "ttl-differs", f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [("              ReauthorizeEvery: !Ref CacheTtl\n", ""), OFF], "unsafe", "ttl-differs",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [("!Sub ${CacheTtl}s", "60s")], "advice", "ttl-differs", f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [("          PHANTOMGATE__AWS__CACHE_TTL: !Sub ${CacheTtl}s\n", "")], "advice", "ttl-not-told",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [("    Default: 300\n", "    Default: 3600\n")], "advice", "ttl-long",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [("    Default: 300\n", ""), ("!Sub ${CacheTtl}s", "300s")], "advice", "ttl-not-known",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-request", [SESSION, OFF], "unsafe", "rules-and-ttl", f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-request", [SESSION, OFF, ("    Default: 300\n", "")], "advice", "rules-and-ttl",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-token", [variables("PHANTOMGATE__AWS__POLICY: exact"), OFF], "unsafe", "rules-and-ttl",
     f"{AUTHORIZER}.Identity.ReauthorizeEvery"),
    ("rest-request", [("Headers: [Authorization]", "Headers: [X-Tenant]")], "unsafe", "identity-without-token",
     f"{AUTHORIZER}.Identity"),
    ("rest-request", [("Headers: [Authorization]", "Headers: [Authorization, Cookie]")], "advice", "identity-too-many",
     f"{AUTHORIZER}.Identity"),
    ("rest-token", [SESSION, OFF, ("    Default: 300\n", "    Default: 0\n")], "broken", "session-by-token",
     AUTHORIZER),
    ("rest-token", [("              ValidationExpression", "#")], "advice", "validation-missing",
     f"{AUTHORIZER}.Identity.ValidationExpression"),
    ("rest-token", [(EXPRESSION, "^eyJ.*$")], "broken",
     "validation-refuses", f"{AUTHORIZER}.Identity.ValidationExpression"),
    ("rest-token", [(EXPRESSION, "^Bearer [A-Za-z0-9_-]+$")], "advice",
     "validation-narrow", f"{AUTHORIZER}.Identity.ValidationExpression"),
    ("rest-token", [(EXPRESSION, "'(['")], "advice",
     "validation-unread", f"{AUTHORIZER}.Identity.ValidationExpression"),
    ("http-api", [("Headers: [Authorization]", "Headers: [X-Tenant]"), OFF], "unsafe", "identity-without-token",
     f"{AUTHORIZER}.Identity"),
    ("http-api", [("Headers: [Authorization]", "Headers: [X-Tenant]")], "broken", "identity-without-token",
     f"{AUTHORIZER}.Identity"),
    ("http-api", [("              Headers: [Authorization]", "#"), ("              Context: [routeKey]", "#"), OFF],
     "unsafe", "identity-without-token", f"{AUTHORIZER}.Identity"),
    ("http-api", [variables(ROUTES), OFF], "unsafe", "identity-without-route", f"{AUTHORIZER}.Identity"),
    ("http-api", [variables(ROUTES)], "broken", "identity-without-route", f"{AUTHORIZER}.Identity"),
    ("http-api", [SESSION, OFF, ("    Default: 300\n", "    Default: 0\n")], "broken", "identity-and-session",
     f"{AUTHORIZER}.Identity"),
    ("http-api", [('            AuthorizerPayloadFormatVersion: "2.0"\n', "")], "broken", "payload-missing",
     f"{AUTHORIZER}.AuthorizerPayloadFormatVersion"),
    ("http-api", [('AuthorizerPayloadFormatVersion: "2.0"', "AuthorizerPayloadFormatVersion: 3")], "broken",
     "payload-unknown", f"{AUTHORIZER}.AuthorizerPayloadFormatVersion"),
    ("http-api", [('AuthorizerPayloadFormatVersion: "2.0"', 'AuthorizerPayloadFormatVersion: "1.0"')], "broken",
     "simple-with-1.0", f"{AUTHORIZER}.EnableSimpleResponses"),
    ("http-api", [("            EnableSimpleResponses: true\n", "")], "broken", "simple-not-enabled",
     f"{AUTHORIZER}.EnableSimpleResponses"),
    ("http-api", [variables("PHANTOMGATE__AWS__HTTP_API: iam")], "broken", "simple-enabled",
     f"{AUTHORIZER}.EnableSimpleResponses"),
    ("http-api", [("EnableFunctionDefaultPermissions: true", "EnableFunctionDefaultPermissions: false")], "broken",
     "permission-missing", f"{AUTHORIZER}.EnableFunctionDefaultPermissions"),
    ("rest-token", [("            FunctionPayloadType: TOKEN\n",
                     "            FunctionPayloadType: TOKEN\n            DisableFunctionDefaultPermissions: true\n")],
     "broken", "permission-missing", f"{AUTHORIZER}.DisableFunctionDefaultPermissions"),
    ("rest-token", [(LOG, f"\n{PERMISSION}{LOG}")], "unsafe", "permission-wide",
     "Permission.Properties.SourceArn"),
    ("rest-token", [(LOG, f"\n{PERMISSION}{ANYBODYS}{LOG}")], "unsafe", "permission-wide",
     "Permission.Properties.SourceArn"),
    ("rest-token", [(LOG, f"\n{PERMISSION.replace('apigateway.amazonaws.com', EVERYBODY)}{LOG}")], "unsafe",
     "permission-wide", "Permission.Properties.Principal"),
    ("rest-token", [("      Timeout: 10\n", "      Timeout: 10\n      FunctionUrlConfig: {AuthType: NONE}\n")],
     "unsafe", "url-open", "Authorizer.Properties.FunctionUrlConfig.AuthType"),
    ("rest-token", [("Timeout: 10", "Timeout: 2")], "advice", "timeout-short", "Authorizer.Properties.Timeout"),
    ("http-api", [("Timeout: 10", "Timeout: 30")], "advice", "timeout-long", "Authorizer.Properties.Timeout"),
    ("rest-token", [("      MemorySize: 256\n", "")], "advice", "memory-little", "Authorizer.Properties.MemorySize"),
    ("rest-token", [("python3.13\n", "python3.10\n")], "broken", "runtime", "Authorizer.Properties.Runtime"),
    ("rest-token", [("Runtime: python3.13", "Runtime: nodejs22.x")], "broken", "runtime",
     "Authorizer.Properties.Runtime"),
    ("rest-token", [NO_AUTHORIZER], "unsafe", "route-open",
     ANY),
    ("http-api", [NO_AUTHORIZER], "unsafe", "route-open",
     DEFAULT),
    ("http-api", [("              isDefaultRoute: true\n",
                   "              isDefaultRoute: true\n              security: [NONE: []]\n")], "unsafe", "route-open",
     DEFAULT),
    ("rest-token", [("DefaultAuthorizer: Phantomgate", "DefaultAuthorizer: Phantomgat")], "unsafe", "route-open", ANY),
    ("rest-token", [("            x-amazon-apigateway-any-method:\n",
                     "            x-amazon-apigateway-any-method:\n              security: [Phantomgat: []]\n")],
     "unsafe", "route-open", ANY),
    ("rest-token", [("            x-amazon-apigateway-any-method:\n",
                     "            x-amazon-apigateway-any-method:\n              security: [{}, Phantomgate: []]\n")],
     "advice", "route-open", ANY),
    ("rest-request", [("Headers: [Authorization]", "Headers: [!ImportValue header]")], "advice", "identity-not-known",
     f"{AUTHORIZER}.Identity"),
    ("http-api", [("Headers: [Authorization]", "Headers: [!ImportValue header]")], "advice", "identity-not-known",
     f"{AUTHORIZER}.Identity"),
    ("http-api", [("      DefinitionBody:\n", "      DefinitionBody:\n        Fn::Transform: {Name: AWS::Include}\n")],
     "advice", "routes-elsewhere", "Api.Properties.DefinitionBody"),
    ("rest-token", [("\n  AuthorizerLog:\n", "\n  Nested: {Type: AWS::CloudFormation::Stack}\n  AuthorizerLog:\n")],
     "advice", "not-looked-at", "Nested"),
    ("rest-token", [("\n  AuthorizerLog:\n", "\n  Fn::ForEach::Apis: [A, [b], {}]\n  AuthorizerLog:\n")],
     "advice", "not-looked-at", "Fn::ForEach::Apis"),
    ("websocket", [("AuthType: CUSTOM", "AuthType: NONE")], "unsafe", "api-open", "Api"),
    ("rest-token", [("            x-amazon-apigateway-any-method:\n",
                     "            x-amazon-apigateway-any-method:\n              security: [NONE: []]\n")],
     "advice", "route-open", ANY),
    ("rest-token", [("        AddDefaultAuthorizerToCorsPreflight: false", "#")], "broken", "preflight",
     "Api.Properties.Auth.AddDefaultAuthorizerToCorsPreflight"),
    ("rest-token", [("            x-amazon-apigateway-any-method:\n              responses", f"{OPTIONS}responses")],
     "advice", "preflight", f"{BODY}./.options"),
    ("rest-request", [(MAPPED, "                  integration.request.header.X-A: context.authorizer.Authorization\n")],
     "unsafe", "mapping-missing", f"{ANY}.{PARAMETERS}"),
    ("rest-request", [(MAPPED, MAPPED.replace("context.authorizer.Authorization", "context.authorizer.token"))],
     "unsafe", "mapping-other", f"{ANY}.{PARAMETERS}.integration.request.header.Authorization"),
    ("rest-request", [("type: http_proxy", "type: aws_proxy")], "broken", "mapping-illegal",
     f"{ANY}.{PARAMETERS}.integration.request.header.Authorization"),
    ("rest-request", [variables("PHANTOMGATE__AWS__BEARER_PREFIX: 'false'")], "advice", "mapping-bare",
     f"{ANY}.{PARAMETERS}.integration.request.header.Authorization"),
    ("rest-request", [variables("PHANTOMGATE__FORWARD__CLAIMS: '{\"X-User\": \"sub\"}'")], "unsafe", "mapping-forward",
     f"{ANY}.{PARAMETERS}"),
    ("http-api", [(OVER, "                  overwrite:header.Authorization: $context.authorizer.Authorization\n")],
     "broken", "mapping-reserved", f"{DEFAULT}.{PARAMETERS}.overwrite:header.Authorization"),
    ("http-api", [(OVER, OVER.replace("overwrite", "append"))], "unsafe", "mapping-append",
     f"{DEFAULT}.{PARAMETERS}.append:header.X-Access-Token"),
    ("http-api", [(OVER, "")], "unsafe", "mapping-missing",
     f"{DEFAULT}.{PARAMETERS}"),
    ("http-api", [(REMOVED, "")], "unsafe", "mapping-forged",
     f"{BODY}./.options.x-amazon-apigateway-integration"),
    ("http-api", [("      DefinitionBody:\n", "      DefinitionUri: api.yaml\n      Unread:\n")], "advice",
     "routes-elsewhere", "Api.Properties.DefinitionUri"),
    ("rest-token", [("          StatusCode: 401", "          StatusCode: 200")], "unsafe", "refusal-status",
     "Api.Properties.GatewayResponses.UNAUTHORIZED.StatusCode"),
    ("rest-token", [("          StatusCode: 503", "          StatusCode: 401")], "broken", "trouble-status",
     "Api.Properties.GatewayResponses.AUTHORIZER_FAILURE.StatusCode"),
    ("rest-token", [("          StatusCode: 503\n", "")], "advice", "trouble-as-500",
     "Api.Properties.GatewayResponses.AUTHORIZER_FAILURE"),
    ("rest-token", [("              WWW-Authenticate:", "              X-Other:")], "advice", "challenge-missing",
     "Api.Properties.GatewayResponses.UNAUTHORIZED"),
    ("rest-token", [("              Access-Control-Allow-Origin: !Sub", "              X-Other: !Sub")], "advice",
     "cors-missing", "Api.Properties.GatewayResponses.UNAUTHORIZED"),
    ("rest-token", [(ORIGIN, "Access-Control-Allow-Origin: \"'https://a.example,https://b.example'\"")], "broken",
     "cors-list", "Api.Properties.GatewayResponses.UNAUTHORIZED"),
    ("rest-request", [SESSION, OFF, ("    Default: 300\n", "    Default: 0\n"),
                      (ORIGIN, "Access-Control-Allow-Origin: \"'*'\"")],
     "broken", "cors-any", "Api.Properties.GatewayResponses.UNAUTHORIZED"),
    ("rest-token", [("'{\"error\":\"insufficient_scope\"}'", "'{\"is\":\"$context.authorizer.Authorization\"}'")],
     "unsafe", "jwt-in-answer", "Api.Properties.GatewayResponses.ACCESS_DENIED"),
    ("rest-token", [("      StageName: api\n", f"      StageName: api\n{LOGGED}")], "unsafe", "jwt-in-log",
     "Api.Properties.AccessLogSetting.Format"),
    ("websocket", [("route.request.header.Authorization", "route.request.querystring.access_token")], "broken",
     "websocket-query", "Api.Properties.Auth.IdentitySource"),
    ("websocket", [("route.request.header.Authorization", "method.request.header.Authorization")], "broken",
     "websocket-identity", "Api.Properties.Auth.IdentitySource"),
    ("websocket", [variables(ROUTES.replace("/**", "/x/**"))], "broken", "websocket-route", "Api.Properties.Auth"),
    ("rest-token", [("Handler: phantomgate.aws.handler", "Handler: other.handler")], "broken", "function-missing",
     "Resources"),
    ("rest-token", [("FunctionArn: !GetAtt Authorizer.Arn", "UserPoolArn: !GetAtt Pool.Arn")], "advice",
     "function-unused", "Authorizer"),
    ("rest-token", [variables("GATEWAY_SECRET: canary-51aa")], "advice", "secret-written",
     f"{VARIABLES}.GATEWAY_SECRET"),
    ("rest-token", [("Timeout: 10", "Timeout: [10]")], "broken", "shape", "Authorizer.Properties.Timeout"),
    ("rest-token", [("Timeout: 10", "Timeout: !Whatever 10")], "advice", "shape", "Resources"),
    ("rest-token", [("PHANTOMGATE__POLICY__SCOPES: !Ref Scopes", "#")], "advice", "settings",
     f"{VARIABLES}.PHANTOMGATE__POLICY__SCOPES"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "kind", "what", "place"), WEAKER, ids=[f"{one[3]}-{one[0]}-{one[2]}" for one in WEAKER]
)
def test_a_weakened_copy_is_told_what_and_where(name, changes, kind, what, place, tmp_path, capsys):
    copy = weakened(tmp_path, name, *changes)
    code, said = check(capsys, copy)
    found = [one for one in said["findings"] if (kind, what) == (one["kind"], one["check"])]

    assert found, said["findings"]
    assert place in [one["place"] for one in found]
    assert all(one["what"] and one["change"] for one in found)
    assert [] == said["settings"]["problems"]
    assert (1 if any(one["error"] for one in said["findings"]) else 0) == code
    assert (kind != "advice") == found[0]["error"]


def test_the_how_to_shows_what_comes_out(tmp_path, capsys, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "aws-check.md").read_text(encoding="utf-8")
    shown = [block.partition("```")[0] for block in page.split("```console\n")[1:]]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    came = []
    for changes in ([], [(OFF[0], OFF[1]), *[(MAPPED, "")] * 2]):
        weakened(tmp_path, "rest-token", *changes)
        main(["check", "--aws", "template.yaml"], {})
        came.append(capsys.readouterr().out)

    assert came == shown


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("PHANTOMGATE__AGENT__STATE: !Sub dynamodb:${State}", "OTHER: x"), "each of Lambda's many processes"),
        (("PHANTOMGATE__AGENT__CLIENT_SECRET: !Sub aws-sm:${SecretArn}#client_secret", "OTHER: x"), "client_secret"),
        (("PHANTOMGATE__SESSION__KEYS: !Sub aws-sm:${SecretArn}#session_key", "OTHER: x"), "keys under [session]"),
        (("PHANTOMGATE__AGENT__ISSUER: !Ref Issuer", "PHANTOMGATE__AGENT__ISSUER: http://a.example"), "write https://"),
        (("PHANTOMGATE__AGENT__ALGORITHMS: !Ref Algorithms", "PHANTOMGATE__AGENT__ALGORITHM: x"), "ALGORITHM"),
    ],
)
def test_an_agent_that_would_not_start_is_found_before_it_is_deployed(change, says, tmp_path, capsys):
    code, said = check(capsys, weakened(tmp_path, "agent", change))

    assert (2, False) == (code, said["good"])
    assert says in json.dumps(said["settings"]["problems"])


def test_an_agents_function_must_last_and_holds_no_secret_itself(tmp_path, capsys):
    secret = ("aws-sm:${SecretArn}#client_secret", "canary-5512")
    template = weakened(tmp_path, "agent", ("Timeout: 29", "Timeout: 3"), secret, ("!Sub canary", "canary"))
    _, said = check(capsys, template)

    assert {"timeout-short", "secret-written"} <= {one["check"] for one in said["findings"]}
    assert "canary-5512" not in json.dumps(said)
