"""The templates' authorizers made in moto by AWS's own client, which takes their kinds, TTLs and identity sources.

moto's CloudFormation makes no authorizer, so each is made by the operation that it would call. What AWS then
does with them, no emulator shows.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from interop.aws.moto_server import boto, moto_server
from interop.aws_stacks import authorizer, filled
from interop.needs import needs
from interop.sam_templates import PARAMETERS, TEMPLATES, sam

pytestmark = pytest.mark.interop
FORGOTTEN = "IdentityValidationExpression"  # moto takes it, and loses it
MADE = """
function = 'arn:aws:lambda:eu-west-1:123456789012:function:f'
uri = f'arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function}/invocations'
rest, v2 = client('apigateway'), client('apigatewayv2')
found = {}
for name, said in json.loads(os.environ['SAID']).items():
    if name.startswith('rest'):
        (said['IdentitySource'],) = said['IdentitySource']
        said = {key[0].lower() + key[1:]: value for key, value in said.items()}
        api = rest.create_rest_api(name=name)['id']
        rest.create_authorizer(restApiId=api, name=name, authorizerUri=uri, **said)
        (kept,) = rest.get_authorizers(restApiId=api)['items']
        kept = {key[0].upper() + key[1:]: value for key, value in kept.items()}
        kept['IdentitySource'] = [kept['IdentitySource']]
    else:
        said['AuthorizerType'] = said.pop('Type')
        api = v2.create_api(Name=name, ProtocolType='HTTP' if name == 'http-api' else 'WEBSOCKET')['ApiId']
        made = v2.create_authorizer(ApiId=api, Name=name, AuthorizerUri=uri, **said)
        kept = v2.get_authorizer(ApiId=api, AuthorizerId=made['AuthorizerId'])
        kept['Type'] = kept['AuthorizerType']
    found[name] = kept
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, dict[str, Any]]:
    """What each template says of its authorizer."""
    needs("cfn-lint")
    return {name: authorizer(filled(sam(name), PARAMETERS)) for name in TEMPLATES}


@pytest.fixture(scope="module")
def kept(said, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What moto says of what was made."""
    needs("awslambdaric and moto")
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as environ:
        return json.loads(boto({**environ, "SAID": json.dumps(said)}, MADE))


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_is_made_as_the_template_says(said, kept, name):
    wanted = {key: value for key, value in said[name].items() if key != FORGOTTEN}
    assert wanted == {key: kept[name][key] for key in wanted}
