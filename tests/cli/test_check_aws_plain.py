"""`check --aws` on what isn't written in SAM's own words: CloudFormation, events of functions, several templates."""

from __future__ import annotations

import json

import pytest

from aws_templates import ALLOWED, EVENTS, FUNCTION, HTTP, REST, SAM_SOCKET, SWAGGER, WEBSOCKET
from phantomgate.cli.main import main
from sealed import KEY


def check(tmp_path, capsys, *texts: str, toml: str = "") -> tuple[int, dict]:
    files = []
    for place, text in enumerate(texts):
        files.append(tmp_path / f"{place}.yaml")
        files[-1].write_text(text)
    config = tmp_path / "gateway.toml"
    config.write_text(toml)
    code = main(["check", "--aws", *map(str, files), "--json", *(["--config", str(config)] if toml else [])], {})
    out, err = capsys.readouterr()
    assert "" == err
    return code, json.loads(out)


def found(said: dict) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["check"], one["place"]) for one in said["findings"]]


@pytest.mark.parametrize("text", [REST, HTTP, WEBSOCKET, EVENTS, SWAGGER, SAM_SOCKET])
def test_a_good_one_has_nothing_to_say(text, tmp_path, capsys):
    code, said = check(tmp_path, capsys, text)

    assert (0, []) == (code, said["findings"])


URL = "  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !Ref Gate, AuthType: NONE}}\n"
STAGE = """\
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, AccessLogSettings: {Format: "$context.authorizer['Authorization']"}}
"""
CLAIMS = '          PHANTOMGATE__FORWARD__CLAIMS: \'{"X-User": "sub"}\'\n'
WEAKER = [  # (template, old, new, check, where)
    (REST, "    Properties: {RestApiId: !Ref Api, ResponseType: AUTHORIZER_FAILURE, StatusCode: 503}",
     "    Properties: {RestApiId: !Ref Api, ResponseType: AUTHORIZER_FAILURE, StatusCode: 403}", "trouble-status",
     "Failure.Properties.StatusCode"),
    (REST, "$context.requestId", "$context.authorizer.Authorization", "jwt-in-log",
     "Stage.Properties.AccessLogSetting.Format"),
    (REST, "      AuthorizerResultTtlInSeconds: 60\n", "", "ttl-differs",
     "Asking.Properties.AuthorizerResultTtlInSeconds"),
    (REST, "method.request.header.Authorization", "method.request.header.Cookie, context.path",
     "identity-without-token", "Asking.Properties.IdentitySource"),
    (REST, "AuthorizationType: CUSTOM", "OperationName: x", "route-open", "Get.Properties"),
    (REST, "AuthorizationType: CUSTOM", "AuthorizationType: NONE", "route-open", "Get.Properties"),
    (REST, "context.authorizer.Authorization", "method.request.header.Authorization", "mapping-other",
     "Get.Properties.Integration.RequestParameters.integration.request.header.Authorization"),
    (REST, "          integration.request.header.Authorization: context.authorizer.Authorization\n", "",
     "mapping-missing", "Get.Properties.Integration.RequestParameters"),
    (REST, ALLOWED, "", "permission-missing", "Asking.Properties.AuthorizerUri"),
    (REST, "FunctionName: !GetAtt Gate.Arn", "FunctionName: !Ref Other", "permission-missing",
     "Asking.Properties.AuthorizerUri"),
    (HTTP, "$request.header.Authorization", "$request.header.X-Tenant", "identity-without-token",
     "Asking.Properties.IdentitySource"),
    (HTTP, "overwrite:header", "append:header", "mapping-append",
     "Leads.Properties.RequestParameters.append:header.X-Access-Token"),
    (HTTP, "      EnableSimpleResponses: true\n", "", "simple-not-enabled", "Asking.Properties.EnableSimpleResponses"),
    (HTTP, "ProtocolType: HTTP}", "ProtocolType: HTTP, Target: https://x}", "route-open", "Api.Properties.Target"),
    (WEBSOCKET, "route.request.header.Authorization", "route.request.querystring.token", "websocket-query",
     "Asking.Properties.IdentitySource"),
    (WEBSOCKET, "AuthorizationType: CUSTOM, ", "", "route-open", "Connect.Properties"),
    (EVENTS, "Path: /orders, Method: get", "Path: /orders, Method: get, Auth: {Authorizer: NONE}", "route-open",
     "Orders.Properties.Events.List"),
    (REST, "  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: orders}}",
     "  Api: {Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: {Bucket: b, Key: k}}}", "routes-elsewhere",
     "Api.Properties.BodyS3Location"),
    (HTTP, '"integrations/${Leads}"', '"integrations/${Other}"', "mapping-not-known", "Accounts.Properties.Target"),
    (REST, "Type: HTTP_PROXY", "Type: !ImportValue kind", "mapping-not-known", "Get.Properties.Integration"),
    (EVENTS, "Path: /orders, Method: get", "Path: /orders, Method: get, Auth: {Authorizer: Gat}", "route-open",
     "Orders.Properties.Events.List"),
    (SWAGGER, "        security: [Gate: []]\n", "", "route-open", "Api.Properties.Body.paths./orders.get"),
    (SWAGGER, "security: [Users: []]", "security: [User: []]", "route-open", "Api.Properties.Body.paths./orders.put"),
    (SWAGGER, 'statusCode: "503"', 'statusCode: "200"', "refusal-status",
     "Api.Properties.Body.x-amazon-apigateway-gateway-responses.AUTHORIZER_FAILURE.statusCode"),
    (SWAGGER, '"\'Bearer\'"', "$context.authorizer.Authorization", "jwt-in-answer",
     "Api.Properties.Body.x-amazon-apigateway-gateway-responses.UNAUTHORIZED"),
    (SWAGGER, "authorizerResultTtlInSeconds: 60", "authorizerResultTtlInSeconds: 600", "ttl-long",
     "Api.Properties.Body.securityDefinitions.Gate.x-amazon-apigateway-authorizer.authorizerResultTtlInSeconds"),
    (SWAGGER, "^[Bb]earer", "^Basic", "validation-refuses",
     "Api.Properties.Body.securityDefinitions.Gate.x-amazon-apigateway-authorizer.identityValidationExpression"),
    (SWAGGER, "authorizerResultTtlInSeconds: 60", "authorizerResultTtlInSeconds: yes", "shape",
     "Api.Properties.Body.securityDefinitions.Gate.x-amazon-apigateway-authorizer.authorizerResultTtlInSeconds"),
    (HTTP, "  Leads:\n", f"{STAGE}  Leads:\n", "jwt-in-log", "Stage.Properties.AccessLogSettings.Format"),
    (HTTP, "          PHANTOMGATE__AWS", f"{CLAIMS}          PHANTOMGATE__AWS", "mapping-forward",
     "Leads.Properties.RequestParameters"),
    (HTTP, "[$request.header.Authorization]", "[request.header.Authorization]", "identity-without-token",
     "Asking.Properties.IdentitySource"),
    (EVENTS, "      DefaultAuthorizer: Gate\n", "", "route-open", "Orders.Properties.Events.Any"),
    (EVENTS, "EnableFunctionDefaultPermissions: true", "EnableFunctionDefaultPermissions: false", "permission-missing",
     "Globals.HttpApi.Auth.Authorizers.Gate.EnableFunctionDefaultPermissions"),
    (EVENTS, "AWS::Serverless::Function\n    Properties:\n      Handler: ph",
     "AWS::Serverless::Function\n    Properties:\n      FunctionUrlConfig: {AuthType: NONE}\n      Handler: ph",
     "url-open", "Gate.Properties.FunctionUrlConfig.AuthType"),
    (REST, "  Live:\n", f"{URL}  Live:\n", "url-open", "Url.Properties.AuthType"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "old", "new", "what", "place"), WEAKER)
def test_a_weakened_copy_is_told_what_and_where(text, old, new, what, place, tmp_path, capsys):
    assert old in text
    _, said = check(tmp_path, capsys, text.replace(old, new, 1))

    assert (what, place) in [(check, place) for _, check, place in found(said)]


@pytest.mark.parametrize("target", ['!Sub "integrations/${Other}"', "!ImportValue leads"])
def test_an_integration_of_another_template_is_to_be_given_too(target, tmp_path, capsys):
    _, said = check(tmp_path, capsys, HTTP.replace('!Sub "integrations/${Leads}"', target))

    assert ["give the template that has its integration to --aws too, in one with the API"] * 2 == [
        one["change"] for one in said["findings"]
    ]


def test_a_route_that_is_open_and_meant_says_so(tmp_path, capsys):
    meant = REST.replace("  Get:\n", "  Get:\n    Metadata: {phantomgate: {open: true}}\n")
    open_ = meant.replace("AuthorizationType: CUSTOM", "AuthorizationType: NONE")

    assert (0, [("advice", "route-open", "Get.Properties")]) == (
        (answer := check(tmp_path, capsys, open_))[0],
        found(answer[1]),
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Handler: phantomgate.aws.handler", "Handler: !ImportValue handler"),
        (FUNCTION.partition("        Variables:")[2], " !ImportValue variables\n"),
    ],
)
def test_a_function_that_is_known_later_is_judged_as_far_as_it_is_known(old, new, tmp_path, capsys):
    code, said = check(tmp_path, capsys, REST.replace(old, new).replace("CUSTOM", "NONE"))

    assert (1, []) == (code, said["settings"]["problems"])
    assert ("unsafe", "route-open", "Get.Properties") in found(said)


def test_a_cookie_may_be_what_sessions_are_remembered_by_where_nothing_is(tmp_path, capsys):
    text = (
        HTTP.replace("Seconds: 60", "Seconds: 0")
        .replace("TTL: 60s", "TTL: 0s")
        .replace("header.Auth", "header.Cookie\n#")
    )
    before = "          PHANTOMGATE__AWS"
    session = "".join(
        f"          PHANTOMGATE__SESSION__{line}\n"
        for line in ("KEYS: aws-sm:k", "TRUSTED_WEB_ORIGINS: https://www.example.com", "COOKIE_PREFIX: example")
    )
    text = text.replace(before, session + before).replace(
        "[$request.header.Cookie\n#orization]", "[$request.header.Cookie]"
    )
    code, said = check(tmp_path, capsys, text)

    assert (0, []) == (code, found(said))


def test_what_a_template_says_is_no_command_for_the_terminal(tmp_path, capsys):
    text = HTTP.replace("GET /v1/accounts, AuthorizationType: CUSTOM", '"GET /a\\e[2Jb"')
    (tmp_path / "t.yaml").write_text(text)
    main(["check", "--aws", str(tmp_path / "t.yaml")], {})
    out = capsys.readouterr().out

    assert "GET /a?[2Jb has no authorizer" in out
    assert "\x1b" not in out


def test_an_api_that_is_imported_is_judged_by_what_is_said_of_it(tmp_path, capsys):
    text = HTTP.replace("  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: orders, ProtocolType: HTTP}}\n", "")
    text = text.replace("ApiId: !Ref Api", "ApiId: !ImportValue api").replace("Authorization]", "X]")
    code, said = check(tmp_path, capsys, text)

    assert 1 == code
    assert ("broken", "identity-without-token", "Asking.Properties.IdentitySource") in found(said)


def test_without_a_function_of_ours_the_file_alone_says_what_an_imported_one_is_told(tmp_path, capsys):
    text = HTTP.replace(FUNCTION, "").replace("!GetAtt Gate.Arn", "!ImportValue gate").replace(ALLOWED, "")
    toml = '[introspection]\nendpoint = "https://as.example/i"\nclient_id = "g"\nclient_secret = "env:S"\n'
    code, said = check(tmp_path, capsys, text, toml=f'{toml}[policy]\nscopes = ["a"]\n[aws]\ncache_ttl = "30s"\n')

    assert (0, []) == (code, said["settings"]["problems"])
    [ttl] = said["findings"]
    assert ("ttl-differs", True) == (ttl["check"], "the settings: aws.cache_ttl" in ttl["change"])


def test_anchors_merges_and_a_role_are_read(tmp_path, capsys):
    identity = "Identity: {Headers: [Authorization], ReauthorizeEvery: 60}"
    text = EVENTS.replace(identity, "FunctionInvokeRole: arn:aws:iam::1:role/r\n          <<: *usual")
    text = text.replace("EnableFunctionDefaultPermissions: true", "EnableSimpleResponses: true").replace(
        "          EnableSimpleResponses: true\n          EnableSimpleResponses", "          EnableSimpleResponses"
    )
    text = f"Usual: &usual {{{identity}}}\nOther: !Transform {{Name: AWS::Include}}\n{text}"

    assert (0, []) == ((answer := check(tmp_path, capsys, text))[0], found(answer[1]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('AuthorizerPayloadFormatVersion: "2.0"', "AuthorizerPayloadFormatVersion: !ImportValue v"),
        ("EnableSimpleResponses: true", 'EnableSimpleResponses: "true"'),
        ("      Runtime: python3.13\n", "      Runtime: !ImportValue r\n"),
        ("SourceArn: !Sub", "InvokedViaFunctionUrl: true\n      Source: !Sub"),
    ],
)
def test_what_is_written_otherwise_or_known_later_is_no_finding(old, new, tmp_path, capsys):
    assert old in HTTP
    _, said = check(tmp_path, capsys, HTTP.replace(old, new))

    assert [] == found(said)


def test_paths_are_told_as_a_client_sends_them(tmp_path, capsys):
    _, said = check(tmp_path, capsys, REST.replace("AuthorizationType: CUSTOM", "OperationName: x"))

    assert any("GET /orders/{id} has no authorizer" in one["what"] for one in said["findings"])


def test_a_default_route_without_the_authorizer_lets_a_trailing_slash_in(tmp_path, capsys):
    head, _, tail = HTTP.partition("RouteKey: $default, ")
    weak = f"{head}RouteKey: $default, {tail.replace('AuthorizationType: CUSTOM', 'AuthorizationType: NONE')}"
    code, said = check(tmp_path, capsys, weak)

    assert 1 == code
    [hole] = [one for one in said["findings"] if "route-open" == one["check"]]
    assert ("unsafe", "Default.Properties") == (hole["kind"], hole["place"])
    assert "/orders/ (with a slash) by $default" in hole["what"]


def test_an_api_of_another_template_is_judged_by_the_function_that_is_given_beside_it(tmp_path, capsys):
    gate = f"Resources:\n{FUNCTION}"
    api = (
        HTTP.replace(FUNCTION, "").replace("!GetAtt Gate.Arn", "!ImportValue gate").replace("Seconds: 60", "Seconds: 0")
    )
    code, said = check(tmp_path, capsys, gate, api)

    assert 0 == code
    [ttl] = [one for one in said["findings"] if "ttl-differs" == one["check"]]
    assert "1.yaml" in ttl["template"]
    assert "Gate.Properties.Environment.Variables.PHANTOMGATE__AWS__CACHE_TTL" in ttl["change"]


def test_settings_of_the_file_that_goes_into_the_zip_count_and_variables_win(tmp_path, capsys):
    rules = '[[routes]]\npath = "/v1/**"\nscopes = ["a"]\n[[routes]]\npath = "/**"\nscopes = ["b"]\n'
    toml = f'[aws]\ncache_ttl = "0s"\n{rules}'
    code, said = check(tmp_path, capsys, HTTP, toml=toml)

    assert 1 == code
    assert ("broken", "identity-without-route", "Asking.Properties.IdentitySource") in found(said)
    code, said = check(tmp_path, capsys, HTTP.replace("          PHANTOMGATE__AWS__CACHE_TTL: 60s\n", ""), toml=toml)
    assert ("unsafe", "identity-without-route", "Asking.Properties.IdentitySource") in found(said)
    assert ("unsafe", "ttl-differs", "Asking.Properties.AuthorizerResultTtlInSeconds") in found(said)


def test_settings_that_the_function_would_not_start_with_are_2_and_named(tmp_path, capsys):
    wrong = REST.replace("CACHE_TTL: 60s", "CACHE_TTL: 60 sekunds").replace("CLIENT_ID: gateway", "CLIENT_IDS: gateway")
    file = tmp_path / "t.yaml"
    file.write_text(wrong)
    code = main(["check", "--aws", str(file)], {})
    err = capsys.readouterr().err

    assert 2 == code
    for name in ("PHANTOMGATE__AWS__CACHE_TTL", "PHANTOMGATE__INTROSPECTION__CLIENT_IDS"):
        assert name in err


def test_routes_that_no_policy_can_say_are_a_problem_as_they_are_at_start(tmp_path, capsys):
    toml = (
        '[[routes]]\npath = "/orders/{id}"\nscopes = ["a"]\n[[routes]]\npath = "/orders/{id}/items"\nscopes = ["b"]\n'
    )
    code, said = check(tmp_path, capsys, REST, toml=toml)

    assert 2 == code
    assert "can't be said in a policy: routes[1]" in said["settings"]["problems"][0]["message"]


def test_a_variable_that_is_only_known_later_is_no_problem_and_nothing_follows_from_it(tmp_path, capsys):
    later = REST.replace("https://as.example/introspect", "!ImportValue endpoint").replace(
        "TTL: 60s", "TTL: !ImportValue t"
    )
    code, said = check(tmp_path, capsys, later.replace("SCOPES: read", "SCOPES: !ImportValue scopes"))

    assert (0, []) == (code, said["settings"]["problems"])
    assert [("advice", "ttl-not-known", "Asking.Properties.AuthorizerResultTtlInSeconds")] == found(said)


def test_a_parameter_is_what_it_will_be_deployed_with(tmp_path, capsys):
    text = f"Parameters:\n  Ttl: {{Type: Number, Default: 300}}\n{REST.replace('Seconds: 60', 'Seconds: !Ref Ttl')}"
    file = tmp_path / "t.yaml"
    file.write_text(text)

    def codes(*words: str) -> tuple[int, str]:
        code = main(["check", "--aws", str(file), *words], {})
        return code, "".join(capsys.readouterr())

    assert "remembers answers for 300 s" in codes()[1]
    code, said = codes("--parameter", "Ttl=60")
    assert (0, True) == (code, said.endswith("nothing unsafe\n"))
    code, said = codes("--parameter", "TTL=60")
    assert (2, True) == (code, "is a parameter of no template; there are Ttl" in said)
    assert 2 == main(["check", "--parameter", "Ttl=60"], {})
    assert "name them with --aws" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", "--aws", str(file), "--parameter", "Ttl"], {})
    assert "write NAME=VALUE" in capsys.readouterr().err


NODE = """\
          TRUSTED_WEB_ORIGINS: https://www.example.com
          COOKIE_NAME_PREFIX: example
          ENCRYPTION_KEY: !Ref Key
          USE_PHANTOM_TOKEN: "true"
          INTROSPECTION_URL: https://as.example/introspect
          CLIENT_ID: gateway
          CLIENT_SECRET: !Ref Secret
"""


def node(ttl: int) -> str:
    """What the Serverless Framework deploys for the OAuth proxy authorizer's variables."""
    before, _, after = REST.partition("          PHANTOMGATE__INTROSPECTION__ENDPOINT")
    after = after.partition("CACHE_TTL: 60s\n")[2]
    text = f"{before}{NODE}{after}".replace("phantomgate.aws.handler", "index.handler")
    text = text.replace("Seconds: 60", f"Seconds: {ttl}").replace("header.Authorization\n  Get", "header.Cookie\n  Get")
    return text.replace("context.authorizer.Authorization", "context.authorizer.token")


def test_the_variables_of_a_node_authorizer_are_read_as_the_function_reads_them(tmp_path, capsys):
    code, said = check(tmp_path, capsys, node(0))

    assert (0, []) == (code, said["settings"]["problems"]), said
    assert "unsafe" not in [kind for kind, _, _ in found(said)]
    code, said = check(tmp_path, capsys, node(300))
    assert 1 == code
    assert ("unsafe", "ttl-differs", "Asking.Properties.AuthorizerResultTtlInSeconds") in found(said)
    assert ("unsafe", "rules-and-ttl", "Asking.Properties.AuthorizerResultTtlInSeconds") in found(said)


def test_a_secret_that_is_kept_elsewhere_is_not_written_in_the_template(tmp_path, capsys):
    written = [one for kind, one, _ in found(check(tmp_path, capsys, node(0))[1])]
    kept = node(0).replace("!Ref Secret", "'{{resolve:secretsmanager:gateway:SecretString:client_secret}}'")

    assert "secret-written" not in written
    assert "secret-written" not in [one for _, one, _ in found(check(tmp_path, capsys, kept)[1])]
    literal = node(0).replace("!Ref Secret", "canary-5512")
    assert "secret-written" in [one for _, one, _ in found(check(tmp_path, capsys, literal)[1])]


AGENT = """\
  Agent:
    Type: AWS::Serverless::Function
    Properties:
      Handler: phantomgate.aws.agent
      Timeout: 29
      MemorySize: 512
      Environment: {Variables: !Ref Variables}
      Events:
        Paths: {Type: HttpApi, Properties: {Path: "/oauth-agent/{proxy+}", Method: ANY, Auth: {Authorizer: NONE}}}
"""
TO_AGENT = """\
  Agent: {Type: AWS::Lambda::Function, Properties: {Handler: phantomgate.aws.agent, Timeout: 29, MemorySize: 512,
          Environment: {Variables: !Ref Variables}}}
  ToAgent: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY,
            IntegrationUri: !GetAtt Agent.Arn}}
  Paths: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: "ANY /oauth-agent/{proxy+}",
          Target: !Sub "integrations/${ToAgent}"}}
"""


@pytest.mark.parametrize("text", [EVENTS + AGENT, HTTP + TO_AGENT])
def test_the_oauth_agent_needs_no_authorizer_before_it(text, tmp_path, capsys):
    code, said = check(tmp_path, capsys, text)

    assert (0, []) == (code, found(said))
    another = text.replace("phantomgate.aws.agent", "other.handler")
    assert "route-open" in [one for _, one, _ in found(check(tmp_path, capsys, another)[1])]


def test_another_function_is_none_of_our_business(tmp_path, capsys):
    other = "  Other: {Type: AWS::Lambda::Function, Properties: {Handler: index.handler, Runtime: nodejs22.x}}\n"
    text = REST.replace("  Live:\n", f"{other}  Live:\n").replace(
        "{FunctionName: !Ref Gate", "{FunctionName: !Ref Other"
    )
    _, said = check(tmp_path, capsys, text)

    assert {"api-open", "function-unused"} >= {check for _, check, _ in found(said)}


def test_the_report_fits_80_columns_and_says_what_was_looked_at(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "t.yaml").write_text(REST.replace("AuthorizationType: CUSTOM", "OperationName: x"))
    monkeypatch.chdir(tmp_path)
    code = main(["check", "--aws", "t.yaml"], {})
    out = capsys.readouterr().out

    assert 1 == code
    assert "looked at: REST API Api (1 route, authorizer Asking)" in out
    assert "settings: good (variables of Gate)" in out
    assert "unsafe: GET /orders/{id} has no authorizer" in out
    assert "  where:  t.yaml: Get.Properties\n" in out
    assert out.endswith("1 unsafe\n")
    assert all(len(line) <= 80 for line in out.splitlines())


def test_no_secret_of_a_template_is_ever_printed(tmp_path, capsys):
    text = node(300).replace("!Ref Key", f"'{KEY}'").replace("!Ref Secret", "canary-secret-5512")
    (tmp_path / "t.yaml").write_text(text.replace("https://as.example/introspect", "nonsense"))
    for words in ([], ["--json"]):
        assert main(["check", "--aws", str(tmp_path / "t.yaml"), *words], {})
        said = "".join(capsys.readouterr())
        assert KEY not in said
        assert "canary-secret-5512" not in said
