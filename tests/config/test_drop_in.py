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
PROXY = {
    "TRUSTED_WEB_ORIGINS": "https://www.example.com, https://app.example.com,",
    "COOKIE_NAME_PREFIX": "example",
    "ENCRYPTION_KEY": "5f1c9a37e2840bd6613fa9c47be05d2218f7a3c6904e5bd1827364a5f0c9e1b3",
    "USE_PHANTOM_TOKEN": "true",
    "INTROSPECTION_URL": "https://login.example.com:8443/introspect?realm=a",
    "CLIENT_ID": "gateway",
    "CLIENT_SECRET": "canary-3d1c",
}
AS_SEALED = {**PROXY, "USE_PHANTOM_TOKEN": "false", "INTROSPECTION_URL": "", "CLIENT_ID": "", "CLIENT_SECRET": ""}
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


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        ({"PORT": ""}, "https://login.example.com:443/oauth/v2/oauth-introspect"),
        ({"PORT": " 0443 "}, "https://login.example.com:443/oauth/v2/oauth-introspect"),
        ({"HOST": "login.example.com."}, "https://login.example.com:443/oauth/v2/oauth-introspect"),
        ({"HOST": "2001:db8::7"}, "https://[2001:db8::7]:443/oauth/v2/oauth-introspect"),
        ({"HOST": "[2001:db8::7]"}, "https://[2001:db8::7]:443/oauth/v2/oauth-introspect"),
        ({"INTROSPECTION_PATH": "/i?realm=a%2Fb"}, "https://login.example.com:443/i?realm=a%2Fb"),
    ],
)
def test_what_node_made_a_call_of_is_the_same_endpoint_here(said, endpoint):
    assert endpoint == load_function({**PHANTOM, **said}).settings.introspection.endpoint


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("read", ("read",)), (" read  write ", ("read", "write")), ("a,b [c]", ("a,b", "[c]"))],
)
def test_spaces_alone_part_scopes(said, wanted):
    assert wanted == load_function({**PHANTOM, "SCOPE": said}).settings.policy.scopes


@pytest.mark.parametrize("environ", [PHANTOM, PROXY], ids=["phantom", "proxy"])
def test_the_secret_is_shown_as_node_showed_it_unless_we_are_told_otherwise(environ):
    assert "basic_raw" == load_function(environ).settings.introspection.client_auth
    ours = {**environ, "PHANTOMGATE__INTROSPECTION__CLIENT_AUTH": "post"}
    assert "post" == load_function(ours).settings.introspection.client_auth


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
        *(("HOST", "login.example.com:8443"), ("CLIENT_ID", "https://gateway.example"), ("PORT", "0")),
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


@pytest.mark.parametrize("said", ["*", "arn:*:execute-api:*:*:*", "arn:aws-cn:execute-api:cn-north-1:1:abc/*/?/x"])
def test_a_resource_may_have_any_wildcard_that_iam_has(said):
    assert said == load_function({**JWT, "RESOURCE": said}).settings.aws.resource


@pytest.mark.parametrize(
    ("environ", "name"), [(JWT, "JWKS_URI"), (PROXY, "INTROSPECTION_URL"), (PROXY, "TRUSTED_WEB_ORIGINS")]
)
def test_spaces_around_a_url_are_no_part_of_it(environ, name):
    assert load_function(environ).settings == load_function({**environ, name: f" {environ[name]}\n"}).settings


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


def test_the_oauth_proxys_variables_are_sessions_and_introspection():
    settings = load_function(PROXY).settings
    session, aws = settings.session, settings.aws

    assert ("https://www.example.com", "https://app.example.com") == session.trusted_web_origins
    assert ("example", False, ("env:ENCRYPTION_KEY",)) == (session.cookie_prefix, session.host_prefix, session.keys)
    assert PROXY["INTROSPECTION_URL"] == settings.introspection.endpoint
    assert ("gateway", "env:CLIENT_SECRET") == (settings.introspection.client_id, settings.introspection.client_secret)
    assert ("token", True, False, 0.0) == (aws.context_key, aws.bearer_tokens, aws.forward_sealed, aws.cache_ttl)


@pytest.mark.parametrize(
    "never",
    [
        *("https://app.example.com/", "https://APP.example.com", "https://app.example.com:443", "app.example.com", "*"),
        *("https://app.example.com/x", "https://*.example.com", "https://bücher.example"),
    ],
)
def test_an_origin_that_no_page_has_is_trusted_nowhere_and_warned_of(never):
    function = load_function({**PROXY, "TRUSTED_WEB_ORIGINS": f"{never},https://www.example.com"})

    assert ("https://www.example.com",) == function.settings.session.trusted_web_origins
    assert "TRUSTED_WEB_ORIGINS" in [warning.setting for warning in function.warnings]


@pytest.mark.parametrize("worked", ["null", "capacitor://localhost", "chrome-extension://abc"])
def test_an_origin_that_worked_and_is_trusted_no_more_stops_the_function(worked):
    assert worked in problems({**PROXY, "TRUSTED_WEB_ORIGINS": f"https://www.example.com,{worked}"})


def test_a_prefix_with_a_low_line_is_fine_where_there_is_no_nginx():
    assert "my_app" == load_function({**PROXY, "COOKIE_NAME_PREFIX": "my_app"}).settings.session.cookie_prefix


def test_where_nobody_is_asked_about_sessions_nobody_need_know_us():
    function = load_function({**AS_SEALED, "INTROSPECTION_URL": "https://login.example.com/introspection"})

    assert "" == function.settings.introspection.endpoint
    assert "ALLOW_TOKEN" in [warning.setting for warning in function.warnings]


@pytest.mark.parametrize(
    ("more", "warned"),
    [({}, True), ({"SSL_CERT_FILE": "/var/task/ca.pem"}, False), ({"NODE_EXTRA_CA_CERTS": "/var/runtime/c"}, False)],
)
@pytest.mark.parametrize("environ", [PHANTOM, PROXY, JWT], ids=["phantom", "proxy", "jwt"])
def test_authorities_that_only_node_reads_are_warned_of(environ, more, warned):
    function = load_function({**environ, "NODE_EXTRA_CA_CERTS": "/var/task/ca.pem", **more})
    assert warned is ("NODE_EXTRA_CA_CERTS" in [warning.setting for warning in function.warnings])


def test_caching_is_taken_to_be_off_for_cookies_and_that_is_said():
    assert ["COOKIE_NAME_PREFIX"] == [warning.setting for warning in load_function(PROXY).warnings]
    assert () == load_function({**PROXY, "PHANTOMGATE__AWS__CACHE_TTL": "0s"}).warnings


@pytest.mark.parametrize("said", ["5m", "unknown"])
def test_caching_that_is_on_is_a_problem_for_cookies_wherever_it_is_said(said, tmp_path):
    assert "cache_ttl" in problems({**PROXY, "PHANTOMGATE__AWS__CACHE_TTL": said})
    (tmp_path / "phantomgate.toml").write_text(f'[aws]\ncache_ttl = "{said}"\n')
    assert "cache_ttl" in problems({**PROXY, "LAMBDA_TASK_ROOT": str(tmp_path)})


@pytest.mark.parametrize(("said", "meant"), [("", True), ("true", True), ("1", True), ("Yes", True), ("FALSE", False)])
def test_allow_token_means_what_it_says(said, meant):
    assert load_function({**PROXY, "ALLOW_TOKEN": said}).settings.aws.bearer_tokens is meant


@pytest.mark.parametrize(("said", "meant"), [("", True), ("false", True), ("No", True), ("TRUE", False), ("1", False)])
def test_without_phantom_tokens_what_is_sealed_goes_on(said, meant):
    function = load_function({**PROXY, "USE_PHANTOM_TOKEN": said})

    assert function.settings.aws.forward_sealed is meant
    assert ("USE_PHANTOM_TOKEN" in [warning.setting for warning in function.warnings]) is (not said)


def test_bearer_tokens_that_nobody_can_be_asked_about_are_warned_of():
    assert "ALLOW_TOKEN" in [warning.setting for warning in load_function(AS_SEALED).warnings]
    for more in ({"ALLOW_TOKEN": "false"}, {"PHANTOMGATE__AWS__KEYS": "https://as.example/jwks"}):
        function = load_function({**AS_SEALED, **more})
        assert ["COOKIE_NAME_PREFIX"] == [warning.setting for warning in function.warnings]


def test_who_is_asked_may_be_said_in_our_words():
    without = {**PROXY, "INTROSPECTION_URL": "", "CLIENT_ID": "", "CLIENT_SECRET": ""}
    settings = load_function({**without, **OURS}).settings

    assert "https://as.example/i" == settings.introspection.endpoint
    assert "example" == settings.session.cookie_prefix


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TRUSTED_WEB_ORIGINS", ""), ("TRUSTED_WEB_ORIGINS", " , ,"), ("TRUSTED_WEB_ORIGINS", "www.example.com")),
        *(("TRUSTED_WEB_ORIGINS", "*"), ("TRUSTED_WEB_ORIGINS", "null"), ("COOKIE_NAME_PREFIX", "")),
        *(("COOKIE_NAME_PREFIX", "ex ample"), ("ENCRYPTION_KEY", ""), ("ALLOW_TOKEN", "maybe")),
        *(("USE_PHANTOM_TOKEN", "on"), ("INTROSPECTION_URL", ""), ("INTROSPECTION_URL", "login.example.com")),
        *(("INTROSPECTION_URL", "http://login.example.com/i"), ("CLIENT_ID", ""), ("CLIENT_SECRET", "")),
    ],
)
def test_a_variable_of_the_oauth_proxy_that_cannot_be_right_is_told_by_its_name(name, value):
    assert name in problems({**PROXY, name: value})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({**PROXY, **OURS}, "INTROSPECTION_URL"),
        ({**PROXY, "PHANTOMGATE__SESSION__KEYS": "env:X"}, "COOKIE_NAME_PREFIX"),
        ({**PROXY, "PHANTOMGATE__AWS__RESOURCE": RESOURCE}, "aws.resource"),
        ({**PROXY, "HOST": "h"}, "HOST"),
        ({**AS_SEALED, "PHANTOMGATE__POLICY__SCOPES": "read"}, "aws.forward_sealed"),
        ({**AS_SEALED, "PHANTOMGATE__ROUTES": '[{"path": "/**", "scopes": ["read"]}]'}, "aws.forward_sealed"),
        ({**AS_SEALED, "PHANTOMGATE__FORWARD__CLAIMS": '{"x-user": "sub"}'}, "aws.forward_sealed"),
    ],
)
def test_what_would_contradict_the_oauth_proxys_variables_is_a_problem(environ, said):
    assert said in problems(environ)


def test_a_key_of_our_own_settings_may_be_called_encryption_key():
    ours = {
        **OURS,
        "PHANTOMGATE__SESSION__KEYS": "env:ENCRYPTION_KEY",
        "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS": "https://www.example.com",
        "PHANTOMGATE__AWS__CACHE_TTL": "0s",
        "ENCRYPTION_KEY": PROXY["ENCRYPTION_KEY"],
        "CLIENT_SECRET": "canary-3d1c",
    }
    settings = load_function(ours).settings

    assert ("Authorization", "session") == (settings.aws.context_key, settings.session.cookie_prefix)


def test_without_their_variables_nothing_is_said():
    assert {} == drop_in({"PATH": "/bin", "AWS_REGION": "eu-west-1"}, dict).variables
    assert "introspection.endpoint" in problems({"PATH": "/bin"})
