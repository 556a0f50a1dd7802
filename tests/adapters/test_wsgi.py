"""The environ of WSGI as a request, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.adapters.asgi import _PLAIN_NAME
from phantomgate.adapters.caller import Caller
from phantomgate.adapters.wsgi import CALLER, read_environ, write_environ
from phantomgate.core.errors import Reason
from phantomgate.core.model import HeaderChange, plain_name

CHANGE = HeaderChange((("Authorization", "Bearer jwt"), ("X-User", "ann")), frozenset({"authorization", "x-user"}))


def environ(path="/orders", **more):
    return {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", **more}


def test_a_request_is_read():
    request = read_environ(
        environ(
            "/orders/1",
            QUERY_STRING="a=b",
            REMOTE_ADDR="192.0.2.1",
            HTTP_HOST="api.example:8080",
            HTTP_X_USER="eve",
            CONTENT_TYPE="text/plain",
            REQUEST_URI="/orders/1?a=b",
        )
    )

    assert ("GET", "/orders/1", "a=b", "192.0.2.1", "api.example:8080") == (
        request.method, request.path, request.query, request.peer, request.host,
    )  # fmt: skip
    assert [(b"host", b"api.example:8080"), (b"x-user", b"eve"), (b"content-type", b"text/plain")] == list(
        request.headers
    )


PATHS = [
    ({"PATH_INFO": ""}, "/"),
    ({"PATH_INFO": "/caf\xc3\xa9"}, "/caf%C3%A9"),
    ({"PATH_INFO": "/admin", "REQUEST_URI": "/%61dmin"}, "/admin"),
    ({"PATH_INFO": "/a/b", "REQUEST_URI": "/a%2Fb"}, "/a%2Fb"),
    ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb"}, "/a%2Fb"),
    ({"PATH_INFO": "/a", "REQUEST_URI": "http://evil.example/a?x"}, "/a"),
    ({"PATH_INFO": "/", "REQUEST_URI": "http://evil.example"}, "/"),
    ({"PATH_INFO": "/admin", "REQUEST_URI": "/public"}, ""),
    ({"PATH_INFO": "/\xff"}, "/%FF"),
    ({"SCRIPT_NAME": "/api", "PATH_INFO": "/x"}, ""),
    ({"SCRIPT_NAME": "/public", "PATH_INFO": "/admin", "REQUEST_URI": "/public/admin"}, ""),
]


@pytest.mark.parametrize(("said", "path"), PATHS)
def test_what_is_judged_is_what_is_routed(said, path):
    assert path == read_environ({**environ(), **said}).path


@pytest.mark.parametrize("uri", [None, "/api/x", "/x"])
def test_below_a_script_name_that_was_told_rules_are_about_the_whole_path(uri):
    said = {"SCRIPT_NAME": "/api", "PATH_INFO": "/x", **({"REQUEST_URI": uri} if uri else {})}

    assert "/api/x" == read_environ({**environ(), **said}, root_path="/api").path


LOOK_ALIKES = [
    "HTTP_X_USER", "HTTP_X-USER", "HTTP_X.USER", "HTTP_x_user", "http_x_user", "HTTP-X-USER", "REDIRECT_HTTP_X_USER",
    "REDIRECT_REDIRECT_HTTP_X_USER", "HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION", "HTTP_authorization",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_may_pass_for_ours_is_dropped_however_it_is_spelled(name):
    token = object.__new__(Caller)

    written = write_environ(said := environ(**{name: "forged"}), read_environ(said), CHANGE, token)

    assert "forged" not in written.values()
    assert ("Bearer jwt", "ann") == (written["HTTP_AUTHORIZATION"], written["HTTP_X_USER"])
    assert token is written[CALLER]


def test_everything_else_stays_and_the_servers_environ_too():
    given_ = environ(HTTP_ACCEPT="*/*", HTTP_X_USER="eve", **{"wsgi.input": object(), "REMOTE_USER": "server"})
    before = dict(given_)

    written = write_environ(given_, read_environ(given_), CHANGE, object.__new__(Caller))

    assert before == given_
    assert {**before, "HTTP_X_USER": "ann", "HTTP_AUTHORIZATION": "Bearer jwt"} == {
        name: value for name, value in written.items() if name != CALLER
    }


TWICE = [
    {"HTTP_AUTHORIZATION": "Bearer a", "HTTP_authorization": "Bearer b"},
    {"HTTP_AUTHORIZATION": "Bearer a", "HTTP_Authorization": "Bearer a"},
]


@pytest.mark.parametrize("fields", TWICE)
def test_two_credentials_stay_two(fields):
    assert 2 == len(read_environ(environ(**fields)).headers.all(b"authorization"))


@pytest.mark.parametrize("host", ["a/b", "a b", "evil@api", "\xff"])
def test_a_host_that_could_be_taken_for_a_path_is_refused(host):
    assert Reason.MALFORMED_REQUEST is read_environ(environ(HTTP_HOST=host)).problem.reason


def test_a_hop_may_not_be_told_to_drop_the_credential():
    assert read_environ(environ(HTTP_CONNECTION="authorization")).problem.reason is Reason.MALFORMED_REQUEST


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_names_look_alike_to_asgi_as_to_everybody(name):
    assert plain_name(name) == name.encode("ascii").translate(_PLAIN_NAME).decode("ascii")
