"""First match wins, no match is refused, and a path with two readings is never matched at all."""

import pytest
from hypothesis import given
from hypothesis.strategies import text

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route
from phantomgate.gateway import routes
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule, policy_only

POLICY, ROUTE = Route("policy"), Route("route")


def found(path, method="GET", rules=(("/orders/**", ()),), routed=True):
    table = route_table([Rule(template, methods, Route(template)) for template, methods in rules], POLICY)
    try:
        return table(Request(method, path, Headers(), routed=routed)).name
    except Refused as no:
        return no.reason


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        ("/orders/**", "/orders", True),
        ("/orders/**", "/orders/", True),
        ("/orders/**", "/orders/1/items", True),
        ("/orders/**", "/ordersheet", False),
        ("/orders/**", "/Orders", False),
        ("/orders/*", "/orders/1", True),
        ("/orders/*", "/orders/", False),
        ("/orders/*", "/orders", False),
        ("/orders/*", "/orders/1/2", False),
        ("/orders/{id}", "/orders/1", True),
        ("/orders/{id}/items", "/orders/1/items", True),
        ("/**/health", "/a/b/health", True),
        ("/**/health", "/health", True),
        ("/**", "/", True),
        ("/", "/", True),
        ("/", "/x", False),
        ("/a.b", "/aXb", False),
        ("/a%c3%a9", "/a%c3%a9", True),
        ("/a%c3%a9", "/a%C3%a9", True),
        ("/a%C3%A9", "/a%c3%a9", True),
        ("/a%c3%a9", "/a%c3%a8", False),
    ],
)
def test_templates(template, path, matches):
    assert found(path, rules=((template, ()),)) == (template if matches else Reason.NO_ROUTE)


def test_the_first_match_wins_and_methods_count():
    rules = (("/orders/**", ("POST", "PUT")), ("/orders/**", ("GET",)), ("/**", ("GET",)))

    assert found("/x", "GET", rules) == "/**"
    assert found("/orders/1", "DELETE", rules) is Reason.NO_ROUTE
    assert found("/orders/1", "post", rules) is Reason.NO_ROUTE
    assert found("/orders/1", "QUERY", rules) is Reason.NO_ROUTE


@pytest.mark.parametrize("method", ["delete", "Delete", "dELETE"])
def test_a_method_that_careless_apis_take_for_another_is_refused_where_that_has_a_rule_of_its_own(method):
    rules = (("/orders/**", ("DELETE",)), ("/**", ()))

    assert found("/orders/1", "DELETE", rules) == "/orders/**"
    assert found("/orders/1", method, rules) is Reason.MALFORMED_REQUEST
    assert found("/%6frders/1", method, rules) is Reason.MALFORMED_REQUEST
    assert found("/x", method, rules) == "/**"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "orders",
        "*",
        "http://x/orders",
        "//orders",
        "/orders//1",
        "/orders/../x",
        "/orders/..",
        "/./orders",
        "/orders/.",
        "/orders%2f1",
        "/orders%2F1",
        "/orders/%2e%2e/x",
        "/orders/%2E",
        "/orders;a=1",
        "/orders/;x",
        "/a;b/../orders",
        "/orders%3b",
        "/orders\\x",
        "/orders%5cx",
        "/orders%252e",
        "/orders%25",
        "/orders%00",
        "/orders%0a",
        "/orders%7f",
        "/orders%20",
        "/orders 1",
        "/orders\t",
        "/orders#x",
        "/orders\x00",
        "/orders\x7f",
        "/orders\xe9",
        "/orders%",
        "/orders%4",
        "/orders%zz",
        "/orders/..;/x",
        "/orders/.%2e/x",
        "/orders%3fx",
        "/orders/%c0%ae",
        "/orders/%C1%9C",
        "/orders/%e0%80%ae",
        "/orders/%F0%80%80%AE",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_malformed(path):
    assert found(path, rules=(("/**", ()),)) is Reason.MALFORMED_REQUEST


GUARDED = [Rule("/admin/**", (), Route("admin")), Rule("/orders:cancel", (), Route("cancel")), Rule("/**", (), ROUTE)]


@pytest.mark.parametrize(
    "path",
    [
        "/%61dmin",
        "/admi%6E/x",
        "/%41dmin/../%61dmin",
        "/orders%3acancel",
        "/orders%3Acancel",
        "/orders:%63ancel",
        "/ad%6din",
    ],
)
def test_a_path_whose_letters_lead_elsewhere_when_decoded_is_malformed(path):
    match = route_table(GUARDED, POLICY)
    with pytest.raises(Refused) as no:
        match(Request("GET", path, Headers()))
    assert no.value.reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("path", ["/users/ann%40as.example", "/users/%61", "/%41dmin", "/orders%2Ccancel", "/a%22b"])
def test_a_path_whose_letters_lead_nowhere_else_is_matched_by_either(path):
    assert route_table(GUARDED, POLICY)(Request("GET", path, Headers())) is ROUTE
    assert route_table([Rule("/admin", (), ROUTE), *GUARDED[2:]], POLICY)(Request("GET", path, Headers())) is ROUTE


def test_what_no_rule_is_for_however_it_is_read_is_no_route():
    with pytest.raises(Refused) as no:
        route_table(GUARDED[:2], POLICY)(Request("GET", "/%41", Headers()))
    assert no.value.reason is Reason.NO_ROUTE


@pytest.mark.parametrize(
    "path", ["/orders/a.b", "/orders/...", "/orders/.x", "/orders/~a_b-c", "/orders/%C3%A9", "/orders/a:b@c,d=e"]
)
def test_a_path_with_one_reading_is_matched(path):
    assert found(path) == "/orders/**"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "orders",
        "/orders//x",
        "/a b",
        "/a?b",
        "/a#b",
        "/{}",
        "/{a",
        "/a*",
        "/***",
        "/..",
        "/a;b",
        "/**/a/**",
        "/é",
        "/%2f",
        "/a%41",
        "/a%3ab",
    ],
)
def test_a_template_that_can_not_be_meant_is_a_clear_error(template):
    with pytest.raises(ValueError, match=r"template|more than one"):
        route_table([Rule(template, (), POLICY)], POLICY)


def test_callers_that_name_no_path_get_the_policy():
    assert found("", routed=False) == "policy"


def test_without_routes_the_policy_rules_every_path():
    assert policy_only(POLICY)(Request("GET", "//../%2f", Headers())) is POLICY


def test_a_long_hostile_path_takes_linear_time():
    table = route_table([Rule("/**/a/{x}/b", (), POLICY)], POLICY)

    with pytest.raises(Refused) as no:
        table(Request("GET", "/a" * 30_000, Headers()))
    assert no.value.reason is Reason.NO_ROUTE


@given(text(alphabet="/a.~%2eF;_*:@", max_size=12))
def test_what_is_plain_at_a_glance_is_never_ambiguous(path):
    assert routes._PLAIN(path) is None or (path.startswith("/") and routes._AMBIGUOUS.search(path) is None)
