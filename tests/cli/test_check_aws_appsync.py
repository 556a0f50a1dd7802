"""`check --aws` on APIs of AppSync, and on a load balancer that asks the function."""

from __future__ import annotations

import pytest

from aws_templates import EVENT_API, GRAPHQL, GRAPHQL_SAM, OF_APPSYNC
from cli.test_check_aws_plain import check, found
from phantomgate.cli.main import main

EVERY = (GRAPHQL, GRAPHQL_SAM, EVENT_API)
CONFIG = "Api.Properties.LambdaAuthorizerConfig"
EXPRESSION = '"^([Bb][Ee][Aa][Rr][Ee][Rr] +)?[A-Za-z0-9._~+/=-]{8,2048}$"'
RULES = '[[routes]]\npath = "/orders/**"\nscopes = ["read"]\n'
VARIABLE = "          PHANTOMGATE__AWS__CACHE_TTL: 60s\n"
BALANCED = """\
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: {TargetType: lambda, Targets: [{Id: !GetAtt Gate.Arn}]}
"""


@pytest.mark.parametrize("text", EVERY)
def test_a_good_one_has_nothing_to_say(text, tmp_path, capsys):
    code, said = check(tmp_path, capsys, text)

    assert (0, []) == (code, said["findings"])


def test_what_was_looked_at_is_said(tmp_path, capsys):
    (tmp_path / "template.yaml").write_text(EVENT_API)
    assert 0 == main(["check", "--aws", str(tmp_path / "template.yaml")], {})
    assert "looked at: Event API Api of AppSync\n" in capsys.readouterr().out


WEAKER = [  # (template, old, new, kind, check, where)
    (GRAPHQL, OF_APPSYNC, "", "broken", "permission-missing", f"{CONFIG}.AuthorizerUri"),
    (GRAPHQL, "Principal: appsync", "Principal: apigateway", "broken", "permission-missing", f"{CONFIG}.AuthorizerUri"),
    (EVENT_API, OF_APPSYNC, "", "broken", "permission-missing",
     "Api.Properties.EventConfig.AuthProviders[0].LambdaAuthorizerConfig.AuthorizerUri"),
    (GRAPHQL, "apis/${Api.ApiId}", "apis/*", "unsafe", "permission-wide", "Allowed.Properties.SourceArn"),
    (GRAPHQL, EXPRESSION, '"^Bearer x"', "broken", "validation-refuses", f"{CONFIG}.IdentityValidationExpression"),
    (GRAPHQL, EXPRESSION, '"^Bearer "', "advice", "validation-narrow", f"{CONFIG}.IdentityValidationExpression"),
    (GRAPHQL, f"          IdentityValidationExpression: {EXPRESSION}\n", "", "advice", "validation-missing",
     f"{CONFIG}.IdentityValidationExpression"),
    (GRAPHQL, "      Timeout: 10\n", "      Timeout: 11\n", "advice", "timeout-long", "Gate.Properties.Timeout"),
    (GRAPHQL, VARIABLE, VARIABLE + '          PHANTOMGATE__ROUTES: \'[{"path": "/orders/**"}]\'\n', "broken",
     "appsync-route", f"{CONFIG}.AuthorizerUri"),
    (EVENT_API, "DefaultPublishAuthModes: [{AuthType: AWS_LAMBDA}]",
     "DefaultPublishAuthModes: [{AuthType: AWS_LAMBDA}, {AuthType: API_KEY}]", "advice", "appsync-besides",
     "Api.Properties.EventConfig.DefaultPublishAuthModes[1].AuthType"),
    (GRAPHQL, "AuthenticationType: AWS_LAMBDA", "AuthenticationType: !Ref How", "advice", "route-not-known",
     "Api.Properties.AuthenticationType"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "old", "new", "kind", "name", "where"), WEAKER)
def test_a_weaker_one_is_told_where(text, old, new, kind, name, where, tmp_path, capsys):
    assert old in text
    weaker = text.replace(old, new, 1)
    if "!Ref How" in new:
        weaker = "Parameters: {How: {Type: String}}\n" + weaker

    code, said = check(tmp_path, capsys, weaker)

    assert (kind, name, where) in found(said)
    assert (0 if kind == "advice" else 1) == code


def test_what_holds_where_nothing_is_said_may_be_another_way_in(tmp_path, capsys):
    ours = "{Type: AWS_LAMBDA, LambdaAuthorizer: {AuthorizerUri: !GetAtt Gate.Arn, IdentityValidationExpression: '.*'}}"
    head, _, _ = GRAPHQL_SAM.partition("      Auth:\n")
    text = f"{head}      Auth: {{Type: API_KEY, Additional: [{ours}]}}\n"

    assert [("advice", "appsync-besides", "Api.Properties.Auth.Type")] == found(check(tmp_path, capsys, text)[1])


def test_sam_writes_the_permission_itself(tmp_path, capsys):
    assert "AWS::Lambda::Permission" not in GRAPHQL_SAM
    assert 0 == check(tmp_path, capsys, GRAPHQL_SAM)[0]


def test_an_api_that_asks_another_function_is_none_of_our_business(tmp_path, capsys):
    other = "  Other: {Type: AWS::Lambda::Function, Properties: {Handler: other.handler, Runtime: python3.13}}\n"
    text = GRAPHQL.replace("AuthorizerUri: !GetAtt Gate.Arn", "AuthorizerUri: !GetAtt Other.Arn") + other

    assert ["function-unused"] == [name for _, name, _ in found(check(tmp_path, capsys, text)[1])]


def test_a_session_is_told_to_need_an_authorizer_that_sees_cookies(tmp_path, capsys):
    toml = '[session]\nkeys = ["env:K"]\ncookie_prefix = "a"\ntrusted_web_origins = ["https://a.example"]\n'
    said = check(tmp_path, capsys, GRAPHQL, toml=toml)[1]

    assert ("broken", "session-by-token", CONFIG) in found(said)


def test_whoever_reaches_a_load_balancer_can_try_tokens(tmp_path, capsys):
    code, said = check(tmp_path, capsys, GRAPHQL + BALANCED)
    assert (0, [("advice", "balancer-open", "Group.Properties.Targets[0]")]) == (code, found(said))
    secret = VARIABLE + "          PHANTOMGATE__AWS__SHARED_SECRET: aws-sm:shared\n"
    assert [] == found(check(tmp_path, capsys, GRAPHQL.replace(VARIABLE, secret) + BALANCED)[1])
