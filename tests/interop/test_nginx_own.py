"""The three files in an nginx that somebody already has, with the recipes of docs/how-to/nginx.md taken from there."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.nginx_server import VARIANTS, nginx
from interop.stubbed import JWT, settings_file

pytestmark = pytest.mark.interop

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "nginx.md"
CLAIMS = '[forward]\nclaims = { "X-User" = "sub" }'
SPOILED = """
    proxy_cache_path theirs keys_zone=theirs:1m;
    proxy_cache theirs;
    proxy_cache_key $host;
    proxy_cache_valid any 1h;
    proxy_intercept_errors on;
"""
MORE = """
        error_page 401 403 500 502 503 504 =200 /sorry;
        location = /sorry { return 200 "all is well"; }
        location /forgot/ {
            proxy_pass $phantomgate_http://api;
        }
        location /closed/ {
            deny all;
            include phantomgate-location.conf;
            proxy_pass $phantomgate_http://api;
        }
        location /renamed/ {
            include phantomgate-location.conf;
            rewrite ^/renamed/(.*)$ /v1/$1 break;
            proxy_pass $phantomgate_http://api;
        }
"""


def recipe(word: str) -> str:
    """The one configuration in the guide that has *word* in it."""
    (found,) = [block for block in re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL) if word in block]
    return found.replace("NAME", "api")


def own(example: str) -> str:
    """The example with more in its server, and a cache and an error page that are not meant for us."""
    ours = "include phantomgate-server.conf;"
    return example.replace(ours, ours + MORE + recipe("@preflight")).replace("http {", "http {" + SPOILED, 1)


@pytest.fixture(scope="module", params=[*VARIANTS])
def gateway(request, tmp_path_factory):
    """(decision stub, echo API, port of nginx)."""
    with decision_stub.running() as stub, echo_api.running() as api:
        settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, CLAIMS)
        with nginx(settings, api.port, variant=request.param, own=own) as server:
            yield stub, api, server.port


@pytest.fixture
def everything(gateway):
    """The three, having seen nothing."""
    stub, api, port = gateway
    stub.seen.clear()
    api.requests.clear()
    return stub, api, port


_hosts = itertools.count()


def asked(port, path, *fields, **more):
    """As `ask`, of a host that nobody asked before, so that their cache knows no answer of the API's."""
    return ask(port, path, *fields, host=f"host{next(_hosts)}.example", **more)


def test_a_location_that_forgot_to_ask_passes_nothing(everything):
    stub, api, port = everything
    stub.says(200, ("Authorization", JWT))
    asked(port, "/forgot/", token="opaque")
    assert ([], []) == (stub.seen, api.requests)


def test_an_error_page_of_theirs_makes_no_success_of_a_missing_answer(everything):
    stub, api, port = everything
    stub.closes = True
    answer = asked(port, "/renamed/x", token="opaque")
    assert (503, "temporarily_unavailable", []) == (answer.status, answer.json["error"], api.requests)


def test_a_502_of_phantomgates_is_not_taken_for_its_absence(everything):
    stub, api, port = everything
    stub.says(502)
    answer = asked(port, "/renamed/x", token="opaque")
    assert (502, "bad_gateway", []) == (answer.status, answer.json["error"], api.requests)


def test_a_cache_of_theirs_remembers_no_decision(everything):
    stub, _, port = everything
    stub.says(200, ("Authorization", JWT), ("X-Accel-Expires", "0"))
    ask(port, "/renamed/decided", token="good")
    stub.says(401)
    assert 401 == ask(port, "/renamed/decided", token="bad").status


def test_what_nginx_itself_forbids_has_our_shape(everything):
    stub, api, port = everything
    answer = asked(port, "/closed/", token="opaque")
    assert (403, "access_denied", [], []) == (answer.status, answer.json["error"], stub.seen, api.requests)


def test_a_path_can_be_renamed_and_the_original_is_judged(everything):
    stub, api, port = everything
    stub.says(200, ("Authorization", JWT))
    asked(port, "/renamed/a%2Fb?x=1", token="opaque")
    assert ("x-original-uri", "/renamed/a%2Fb?x=1") in stub.seen[0][2]
    assert api.requests[0][1].startswith("/v1/")


def test_a_preflight_gets_to_the_api_with_nothing_that_it_could_believe(everything):
    stub, api, port = everything
    fields = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
        ("Authorization", "Bearer opaque"),
        ("X-User", "admin"),
        ("Cookie", "a=1"),
    ]
    assert 200 == asked(port, "/orders/1", *fields, method="OPTIONS").status
    ((method, path, arrived, _),) = api.requests
    assert ("OPTIONS", "/orders/1", []) == (method, path, stub.seen)
    names = {name for name, _ in arrived} - {"host", "connection"}
    assert {"origin", "access-control-request-method", "access-control-request-headers"} == names


def test_beside_the_preflight_everything_is_judged(everything):
    stub, api, port = everything
    stub.says(401)
    assert (401, []) == (asked(port, "/orders/1", token="opaque").status, api.requests)
    stub.says(200, ("Authorization", JWT))
    assert 200 == asked(port, "/orders/2", token="opaque").status
