"""The credential in, the headers out."""

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Token
from phantomgate.gateway.find import REMEMBERED_FIELDS, find_bearer
from phantomgate.gateway.forward import forward_jwt, header_value
from phantomgate.testing import each_by_itself  # noqa: F401 - the public fakes import without a framework
from tokens import NOW, jwt


def asked(*authorization, query=""):
    return Request("GET", "/", Headers.of([("Authorization", value) for value in authorization]), query)


def reason(find, request):
    with pytest.raises(Refused) as no:
        find(request)
    return no.value.reason


def test_the_same_field_gives_the_same_credential_object():
    find = find_bearer()

    first = find(asked("Bearer abc"))

    assert first.value == "abc"
    assert find(asked("Bearer abc")) is first
    assert find(asked("bearer abc")) is not first
    assert "abc" not in repr(first)


def test_two_fields_are_malformed_even_when_they_are_equal():
    find = find_bearer()
    find(asked("Bearer abc"))

    assert reason(find, asked("Bearer abc", "Bearer abc")) is Reason.MALFORMED_REQUEST
    assert reason(find, asked("Bearer abc", "Bearer def")) is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "query", ["access_token=x", "a=1&access_token=x", "a;access_token=x", "access%5Ftoken=x", "access_token"]
)
def test_a_token_in_the_query_is_ignored_alone_and_malformed_beside_the_field(query):
    assert reason(find_bearer(), asked(query=query)) is Reason.MISSING_CREDENTIAL
    assert reason(find_bearer(), asked("Bearer abc", query=query)) is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("query", ["x=access_token", "my_access_token=1", "%zz=%", "%", ""])
def test_other_queries_are_nobodys_business(query):
    assert find_bearer()(asked("Bearer abc", query=query)).value == "abc"


def test_what_is_remembered_of_parsing_is_bounded():
    find = find_bearer()
    first = find(asked("Bearer abc"))
    for number in range(REMEMBERED_FIELDS):
        find(asked(f"Bearer t{number}"))

    assert find(asked("Bearer abc")) is not first


def test_other_headers_are_not_looked_at():
    request = Request(
        "GET", "/", Headers.of([("X-Authorization", "Bearer abc"), ("Proxy-Authorization", "Bearer abc")])
    )

    assert reason(find_bearer(), request) is Reason.MISSING_CREDENTIAL


def change(drive, claims, **facts):
    token = Token(jwt(), facts, frozenset(), NOW + 60.0, 60.0)
    return drive(forward_jwt(claims)(Route("r"), token))


def test_the_jwt_and_every_claim_header_are_always_set(drive):
    made = change(drive, {"X-User": "sub", "X-Tenant": "tenant"}, sub="ann")

    assert made.set == (("Authorization", f"Bearer {jwt()}"), ("X-User", "ann"), ("X-Tenant", ""))


def test_what_a_client_sends_under_our_names_or_a_look_alike_is_dropped(drive):
    made = change(drive, {"X-User": "sub"}, sub="ann")

    for name in (
        "X-User",
        "x_user",
        "X.User",
        "x-USER",
        "Authorization",
        "X-Forwarded-Authorization",
        "x_http_method_override",
    ):
        assert made.drops(name), name
    for name in ("X-Users", "Accept", "Cookie", "XUser"):
        assert not made.drops(name), name


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "X-Original-Authorization",
     "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-Method", "X-Original-URI",
     "X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path"],
)  # fmt: skip
def test_what_could_be_taken_for_a_credential_or_for_another_request_is_dropped(drive, name):
    made = change(drive, {})

    assert all(made.drops(spelled) for spelled in (name, name.lower(), name.upper(), name.replace("-", "_")))


def test_the_rendering_is_remembered_by_token(drive):
    forward = forward_jwt({})
    token = Token(jwt(), {}, frozenset(), NOW + 60.0, 60.0)

    assert drive(forward(Route("r"), token)) is drive(forward(Route("other"), token))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("ann", "ann"),
        ("ann b", "ann b"),
        ("", ""),
        (None, ""),
        (7, "7"),
        (True, "true"),
        ({"a": 1}, ""),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("åsa", "%C3%A5sa"),
        ("100%", "100%25"),
        (" a ", "%20a%20"),
        ("   ", "%20%20%20"),
        ("\x7f\x00", "%7F%00"),
        (["a", "b"], "a,b"),
        (["a,admin"], "a%2Cadmin"),
        ([" a", None, 1], "%20a,,1"),
        ([], ""),
        ("a,b", "a,b"),
        ("~ å", "~ %C3%A5"),
    ],
    ids=repr,
)
def test_a_claim_as_a_header_value_can_not_become_anything_else(claim, value):
    assert header_value(claim) == value
