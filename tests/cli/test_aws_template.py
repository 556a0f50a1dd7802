"""How `check --aws` reads a template: CloudFormation's functions, what isn't known, and what is no template at all."""

from __future__ import annotations

import copy
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.cli.aws_template.finding import Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.looking import Looked, look_at
from phantomgate.cli.aws_template.reading import read_template
from phantomgate.cli.aws_template.template import Template
from phantomgate.cli.main import main

SHIPPED = Path(__file__).parents[2] / "deploy" / "aws" / "sam"
HEAD = """\
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Ttl: {Type: Number, Default: 300}
  Stage: {Type: String, Default: prod}
  Names: {Type: CommaDelimitedList, Default: "a, b"}
  Secret: {Type: String, NoEcho: true}
  Kept: {Type: "AWS::SSM::Parameter::Value<String>", Default: /name}
Mappings:
  ByStage: {prod: {Ttl: 60}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsTest: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition IsTest]
  One: !Or [!Condition IsProd, !Equals [!Ref Secret, x]]
  Unknown: !Equals [!Ref Secret, x]
  Loop: !Not [!Condition Loop]
Resources:
  Api: {Type: AWS::Serverless::Api}
"""


def value_of(expression: str) -> object:
    template = Template("t", read_template(f"{HEAD}Value: {expression}\n"))
    return template.root.at("Value").value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref Ttl", 300),
        ("{Ref: Ttl}", 300),
        ("!Ref Names", ["a", "b"]),
        ("!Ref Secret", Later("${Secret}")),
        ("!Ref Kept", Later("${Kept}")),
        ("!Ref Api", Later("${Api}")),
        ("!Ref AWS::Region", Later("${AWS::Region}")),
        ("!Ref AWS::NoValue", None),
        ("!Sub '${Ttl}s'", "300s"),
        ("!Sub 'a-${Secret}-${!Literal}-${Stage}'", Later("a-${Secret}-${Literal}-prod")),
        ("!Sub ['${a}/${Names}', {a: !Ref Stage}]", "prod/a,b"),
        ("!Sub [1]", Later("${Fn::Sub}")),
        ("!GetAtt Api.Arn", Later("${Api.Arn}")),
        ("{'Fn::GetAtt': [Api, Arn]}", Later("${Api.Arn}")),
        ("!Join ['-', [a, !Ref Ttl, true]]", "a-300-true"),
        ("!Join ['-', [a, !Ref Secret]]", Later("a-${Secret}")),
        ("!Join [a]", Later("${Fn::Join}")),
        ("!Join [a, b]", Later("${Fn::Join}")),
        ("!Join ['', [{a: b}, a]]", Later("${value}a")),
        ("!If [IsProd]", Later("${Fn::If}")),
        ("!FindInMap [ByStage]", Later("${Fn::FindInMap}")),
        ("!Split [a]", Later("${Fn::Split}")),
        ("!Cidr [a]", Later("${Fn::Cidr}")),
        ("!If [IsProd, 1, 2]", 1),
        ("!If [IsTest, 1, 2]", 2),
        ("!If [Both, 1, 2]", 2),
        ("!If [One, 1, 2]", 1),
        ("!If [Unknown, 1, 2]", Later("${Unknown}")),
        ("!If [Unknown, 3, 3]", 3),
        ("!If [Loop, 1, 2]", Later("${Loop}")),
        ("!If [[], 1, 2]", Later("${[]}")),
        ("!If [IsTest, 1, !Ref AWS::NoValue]", None),
        ("!FindInMap [ByStage, !Ref Stage, Ttl]", 60),
        ("!FindInMap [ByStage, other, Ttl]", Later("${Fn::FindInMap}")),
        ("!Select [1, !Ref Names]", "b"),
        ("!Select [7, !Ref Names]", Later("${Fn::Select}")),
        ("!Split ['-', a-b]", ["a", "b"]),
        ("!ImportValue x", Later("${Fn::ImportValue}")),
        ("!Equals [a, b]", Later("${Fn::Equals}")),
        ("'{{resolve:ssm:/ttl}}s'", Later("${resolve}s")),
        ("!Sub '${Stage}{{resolve:secretsmanager:x:SecretString:k}}'", Later("prod${resolve}")),
        ("2010-09-09", "2010-09-09"),
        ("yes", True),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_functions_give_what_can_be_known(expression, value):
    assert value == value_of(expression)


def test_a_function_that_cloudformation_does_not_have_is_told():
    template = Template("t", read_template(f"{HEAD}Value: !Wat x\n"))

    assert Later("${Fn::Wat}") == template.root.at("Value").value
    assert ["Fn::Wat is no function of CloudFormation that is known here; what it gives is not either"] == [
        one.text for one in template.odd
    ]


def test_templates_without_end_are_looked_at_for_so_long(tmp_path):
    loop = "Resources:\n  A: &a\n    Type: AWS::Serverless::Api\n    Properties: *a\n    Auth: *a\n"
    deep = f"Resources:\n  A: {'{a: ' * 400}1{'}' * 400}\n"
    joined = "Resources: {}\nA: &a !Join ['', [*a]]\n"
    lines = ["L0: &l0 [x, x]", *(f"L{n}: &l{n} !Join ['', [*l{n - 1}, *l{n - 1}, *l{n - 1}]]" for n in range(1, 40))]
    bomb = "Resources: {}\n" + "\n".join(lines)
    looked([loop])
    Template("t", read_template(deep)).root.at("Resources", "A", *["a"] * 400)
    with pytest.raises(ValueError, match="not valid YAML"):
        read_template(joined)  # an alias to what is not there yet
    assert isinstance(Template("t", read_template(bomb)).root.at("L39").value, Later)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no template"),
        ("[]", "is no template"),
        ("just text", "is no template"),
        ("a: 1", "has no Resources"),
        ("Resources: []", "has no Resources"),
        ("{Resources: {}, Resources: {}}", 'has "Resources" twice'),
        ("{Other: {}}", "has no Resources"),
        ("Resources: {", "is not valid YAML: line 1"),
        ("\tResources:", "is not valid YAML: line 1"),
        ("Resources: {}\nResources: {}\n", 'is not valid YAML: line 2: has "Resources" twice'),
        ("Resources: {? [a] : b}\n", "is not valid YAML: line 1: found unhashable key"),
        ("Resources: {}\n---\nResources: {}\n", "is not valid YAML: line 2"),
        ("Resources: !!bool maybe\n", "a value doesn't fit its tag"),
        ('Resources: !!int ""\n', "a value doesn't fit its tag"),
        ("Resources: !!timestamp x\n", "a value doesn't fit its tag"),
        ("Resources: !!python/object:os.system {}\n", "could not determine a constructor"),
        ("Resources: *a\n", "found undefined alias"),
        ("a\x00b", "is not valid YAML: unacceptable character"),
        ('{"Resources": {"A": 1, "A": 2}}', '"A" twice'),
        ('{\n"Resources": }', "is not valid JSON: line 2"),
        ("[" * 100_000, "is nested too deep"),
        ('{"a":' * 100_000, "is nested too deep"),
    ],
)
def test_what_is_no_template_is_told_in_a_line(text, why, tmp_path, capsys):
    (tmp_path / "t.yaml").write_text(text)
    code = main(["check", "--aws", str(tmp_path / "t.yaml")], {})
    out, err = capsys.readouterr()

    assert (2, "") == (code, out)
    assert why in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b" " * (1 << 20) + b"a", "CloudFormation takes no larger template"),
        (None, "can't"),
    ],
)
def test_a_file_that_can_not_be_read_is_told(data, why, tmp_path, capsys):
    file = tmp_path / "t.yaml"
    if data is not None:
        file.write_bytes(data)

    assert 2 == main(["check", "--aws", str(file)], {})
    assert why in capsys.readouterr().err


def test_json_is_read_without_pyyaml(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    file = tmp_path / "t.json"
    file.write_text('{"Resources": {"F": {"Type": "AWS::Lambda::Function"}}}')

    assert 1 == main(["check", "--aws", str(file)], {})
    assert "no function here is phantomgate's" in capsys.readouterr().out
    assert 2 == main(["check", "--aws", str(SHIPPED / "rest-token.yaml")], {})
    assert "pip install 'phantomgate[aws]'" in capsys.readouterr().err


def looked(texts: list[str]) -> Looked:
    return look_at([Template(f"t{place}.yaml", read_template(text)) for place, text in enumerate(texts)], "")


WORDS = """
Resources Type Properties Auth Authorizers Identity Headers Events Environment Variables Parameters Conditions Mappings
Globals Function Api HttpApi DefinitionBody Body paths / get security Ref Fn::Sub Fn::Join Fn::If Fn::GetAtt Fn::Select
Fn::Split Fn::FindInMap Fn::Wat Default Routes GatewayResponses Handler Timeout MemorySize IdentitySource AuthorizerUri
RestApiId ApiId RouteKey PHANTOMGATE__AWS__CACHE_TTL PHANTOMGATE__ROUTES HOST JWKS_URI COOKIE_NAME_PREFIX components
securitySchemes x-amazon-apigateway-any-method x-amazon-apigateway-integration requestParameters ResponseParameters
FunctionName Principal SourceArn Integration Target
"""
NAMES = st.sampled_from(WORDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=3),
    NAMES,
    st.sampled_from(
        ["${Api}", "Api", "TOKEN", "REQUEST", "2.0", "http_proxy", "phantomgate.aws.handler", "A.Arn", "A"]
    ),
    st.sampled_from([f"AWS::Serverless::{kind}" for kind in ("Api", "HttpApi", "WebSocketApi", "Function")]),
    st.sampled_from([f"AWS::ApiGateway::{kind}" for kind in ("RestApi", "Authorizer", "Method", "GatewayResponse")]),
    st.sampled_from([f"AWS::ApiGatewayV2::{kind}" for kind in ("Api", "Authorizer", "Route", "Integration", "Stage")]),
    st.sampled_from([f"AWS::Lambda::{kind}" for kind in ("Function", "Permission", "Url", "Alias")]),
)
KEYS = st.one_of(NAMES, st.text(max_size=4), st.integers(), st.none(), st.booleans())
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=30,
)
PARSED = {file.stem: read_template(file.read_text()) for file in sorted(SHIPPED.glob("*.yaml"))}


@given(st.dictionaries(KEYS, TREES, max_size=4), st.dictionaries(KEYS, TREES, max_size=6))
def test_any_mapping_is_looked_at_without_an_error_of_ours(raw, resources):
    found = look_at([Template("t", {**raw, "Resources": resources})], "")

    json.dumps([one._replace(kind=one.kind.value) for one in found.findings])


@given(st.data())
def test_a_template_of_ours_with_anything_in_some_place_is_looked_at_without_an_error_of_ours(data):
    raw = copy.deepcopy(PARSED[data.draw(st.sampled_from(sorted(PARSED)))])
    here = raw["Resources"]
    while True:
        places = list(here) if isinstance(here, dict) else list(range(len(here)))
        place = data.draw(st.sampled_from(places))
        below = here[place]
        if not isinstance(below, (dict, list)) or not below or data.draw(st.integers(0, 5)) == 0:
            break
        here = below
    here[place] = data.draw(TREES)
    found = look_at([Template("t", raw)], "")

    assert all(isinstance(one.kind, Kind) and one.what and one.place and one.change for one in found.findings)


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_a_line_that_says_why_not(text):
    with suppress(ValueError):
        assert isinstance(read_template(f"Resources: {{}}\n{text}"), dict)
