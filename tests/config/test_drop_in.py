"""The variables of the Node authorizers mean what they meant, and never two things at once."""

from __future__ import annotations

import pytest

from phantomgate.config.drop_in import drop_in
from phantomgate.config.function import load_function
from phantomgate.core.errors import SettingsError

PHANTOM = {
    "HOST": "login.example.com",
    "INTROSPECTION_PATH": "/oauth/v2/oauth-introspect",
    "CLIENT_ID": "gateway",
    "CLIENT_SECRET": "canary-3d1c",
    "SCOPE": "read  orders:write",
}
RESOURCE = "arn:aws:execute-api:eu-west-1:123456789012:abc/*/GET/*"
JWT = {"JWKS_URI": "https://as.example/jwks", "RESOURCE": RESOURCE}
OURS = {
    "PHANTOMGATE__INTROSPECTION__ENDPOINT": "https://as.example/i",
    "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "x",
    "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:X",
}


def problems(environ) -> str:
    with pytest.raises(SettingsError) as no:
        load_function(environ)
    assert "canary" not in str(no.value)
    return str(no.value)


def test_the_phantom_token_authorizers_variables_are_introspection_with_all_scopes():
    settings = load_function(PHANTOM).settings

    assert "https://login.example.com:443/oauth/v2/oauth-introspect" == settings.introspection.endpoint
    assert ("gateway", "env:CLIENT_SECRET") == (settings.introspection.client_id, settings.introspection.client_secret)
    assert ("read", "orders:write") == settings.policy.scopes
    assert settings.aws.bare_token is True
    assert "" == settings.aws.resource


def test_the_port_is_theirs():
    assert (
        "https://login.example.com:8443/x"
        == load_function({**PHANTOM, "PORT": "8443", "INTROSPECTION_PATH": "/x"}).settings.introspection.endpoint
    )


@pytest.mark.parametrize("scope", [None, "", "  "])
def test_without_a_scope_nothing_is_checked_and_that_is_warned_of(scope):
    environ = {key: value for key, value in {**PHANTOM, "SCOPE": scope}.items() if value is not None}
    function = load_function(environ)

    assert () == function.settings.policy.scopes
    assert ["SCOPE"] == [warning.setting for warning in function.warnings]


def test_with_a_scope_there_is_nothing_to_warn_of():
    assert () == load_function(PHANTOM).warnings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("HOST", ""), ("HOST", "https://login.example.com"), ("HOST", "login.example.com/x"), ("HOST", "a:b@c")),
        *(("PORT", "https"), ("PORT", "-1"), ("PORT", "99999"), ("INTROSPECTION_PATH", "oauth")),
        *(
            ("INTROSPECTION_PATH", ""),
            ("CLIENT_ID", ""),
            ("CLIENT_SECRET", ""),
            ("SCOPE", 'a"b'),
            ("RESOURCE", RESOURCE),
        ),
    ],
)
def test_a_variable_that_cannot_be_right_is_told_by_its_name(name, value):
    assert name in problems({**PHANTOM, name: value})


def test_the_jwt_authorizers_variables_are_a_key_set_and_a_resource():
    function = load_function(JWT)

    assert ("https://as.example/jwks", RESOURCE) == (function.settings.aws.keys, function.settings.aws.resource)
    assert function.settings.aws.bare_token is True
    assert ["PHANTOMGATE__POLICY__ISSUERS", "PHANTOMGATE__POLICY__AUDIENCES"] == [
        warning.message.rpartition(" ")[2] for warning in function.warnings
    ]


def test_with_an_issuer_and_an_audience_there_is_nothing_to_warn_of():
    more = {"PHANTOMGATE__POLICY__ISSUERS": "https://as.example", "PHANTOMGATE__POLICY__AUDIENCES": "api"}
    function = load_function({**JWT, **more})

    assert () == function.warnings
    assert ("https://as.example",) == function.settings.policy.issuers


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({**JWT, "RESOURCE": ""}, "RESOURCE"),
        ({**JWT, "RESOURCE": "GET/*"}, "RESOURCE"),
        ({**JWT, "RESOURCE": "arn:aws:execute-api:eu:1:a/${aws:x}"}, "RESOURCE"),
        ({**JWT, "JWKS_URI": "http://as.example/jwks"}, "aws.keys"),
        ({**JWT, "JWKS_URI": "as.example/jwks"}, "JWKS_URI"),
        ({**JWT, "PHANTOMGATE__ROUTES": '[{"path": "/**"}]'}, "aws.resource"),
    ],
)
def test_what_the_jwt_authorizer_could_not_use_is_a_problem(environ, said):
    assert said in problems(environ)


def test_a_key_set_on_this_machine_may_be_http():
    assert load_function({**JWT, "JWKS_URI": "http://127.0.0.1:8080/jwks"}).settings.aws.keys


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"HOST": "h", "JWKS_URI": "https://as.example/jwks"}, ("HOST", "JWKS_URI")),
        ({**PHANTOM, **JWT}, ("HOST", "JWKS_URI")),
        ({"HOST": "h", "INTROSPECTION_URL": "https://as.example/i"}, ("HOST", "INTROSPECTION_URL")),
        ({"JWKS_URI": "https://as.example/jwks", "ENCRYPTION_KEY": "a" * 64}, ("JWKS_URI", "ENCRYPTION_KEY")),
        ({**PHANTOM, **OURS}, ("HOST", "INTROSPECTION_PATH")),
        ({**JWT, **OURS}, ("JWKS_URI",)),
    ],
)
def test_two_answers_to_one_question_are_a_problem(environ, names):
    text = problems(environ)
    assert all(name in text for name in names)
    assert "keep one" in text


def test_a_host_alone_is_anybodys_where_we_have_settings_of_our_own():
    assert "https://as.example/i" == load_function({**OURS, "HOST": "127.0.0.1"}).settings.introspection.endpoint


def test_settings_of_ours_beside_theirs_are_fine_where_they_say_something_else():
    more = {"PHANTOMGATE__AWS__BEARER_PREFIX": "false", "PHANTOMGATE__AWS__BARE_TOKEN": "false"}
    aws = load_function({**PHANTOM, **more, "PHANTOMGATE__CACHE__MAX_AGE": "1m"}).settings.aws

    assert (False, False) == (aws.bearer_prefix, aws.bare_token)


def test_the_oauth_proxys_variables_are_not_passed_over_in_silence():
    text = problems({"COOKIE_NAME_PREFIX": "example", "TRUSTED_WEB_ORIGINS": "https://www.example.com"})
    assert "COOKIE_NAME_PREFIX" in text


def test_without_their_variables_nothing_is_said():
    assert {} == drop_in({"PATH": "/bin", "AWS_REGION": "eu-west-1"}, lambda: False).variables
    assert "introspection.endpoint" in problems({"PATH": "/bin"})
