"""The table in IAM's words beside the table itself: over generated tables, tokens and paths."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from iam import matches
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers, Request, Route
from phantomgate.gateway.iam import AMBIGUOUS, METHODS, Table
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.gateway.segments import beyond, holds, meets, pattern_parts, patterns_of, template_parts

POLICY = Route("policy")
words = st.sampled_from(["a", "b", "orders", "a.b", "$connect", "urn:x", "caf%c3%A9"])
templates = st.builds(
    lambda before, deep, after: "/" + "/".join([*before, *deep, *after]),
    st.lists(words | st.sampled_from(["*", "{id}"]), max_size=3),
    st.sampled_from([[], ["**"]]),
    st.lists(words | st.just("*"), max_size=1),
)
methods = st.sampled_from([(), ("GET",), ("POST", "PUT"), ("GET", "DELETE")])
scopes = st.frozensets(st.sampled_from(["r", "w", "admin"]), max_size=2)
tables = st.lists(st.tuples(templates, methods, scopes), min_size=1, max_size=5)
odd = st.sampled_from(
    [
        "",
        ".",
        "..",
        "%2f",
        "%2e%2E",
        "a;b",
        "x%5cy",
        "*",
        "?",
        "a*b",
        "z" * 30,
        "%C3%A9",
        "%c0%af",
        "%0a",
        "%61",
        "o%72ders",
        "urn%3Ax",
        "urn%3ax",
        "a%2db",
        "caf%C3%a9",
        "%24connect",
        "me%40x",
    ]
)
paths = st.lists(words | odd, max_size=6).map(lambda segments: "/" + "/".join(segments))
requests = st.lists(st.tuples(st.sampled_from(METHODS), paths), min_size=1, max_size=12)
ADMIN = [("/admin/**", (), frozenset({"admin"})), ("/**", (), frozenset())]


def built(rules):
    table = [Rule(path, methods, Route(str(at))) for at, (path, methods, _) in enumerate(rules)]
    return table, Table(table), [frozenset(("scope", scope) for scope in scopes) for _, _, scopes in rules]


def tokens(rules):
    """The rules that each possible token is granted."""
    known = sorted(frozenset().union(*(scopes for _, _, scopes in rules)))
    every = chain.from_iterable(combinations(known, size) for size in range(len(known) + 1))
    return {frozenset(at for at, (_, _, scopes) in enumerate(rules) if scopes <= set(has)) for has in every}


def judged(table, granted, method, path) -> bool:
    """What `decide` would say: a route is found, and the token is granted it."""
    try:
        return int(route_table(table, POLICY)(Request(method, path, Headers())).name) in granted
    except Refused:
        return False


def allowed(reachable, method, path) -> bool:
    """What IAM would say."""
    resource = method + path
    return any(matches(one, resource) for one in reachable.allow) and not any(
        matches(one, resource) for one in (*reachable.deny, *reachable.anywhere)
    )


@settings(max_examples=300)
@given(tables, requests)
@example(ADMIN, [("GET", "/admin"), ("GET", "/admin/"), ("GET", "/x/../admin"), ("GET", "/"), ("GET", "//admin")])
@example([("/orders/{id}", ("GET",), frozenset())], [("GET", "/orders/"), ("GET", "/orders/1/2"), ("GET", "/orders/1")])
@example([("/a/*/b/**", (), frozenset())], [("GET", "/a/x/y/b"), ("GET", "/a/x/b/b")])
@example([("/orders", (), frozenset())], [("GET", "/x/orders"), ("GET", "/orders")])
@example(ADMIN, [("GET", "/%61dmin"), ("GET", "/adm%69n"), ("GET", "/adm%69n/x")])
@example(
    [("/caf%c3%a9", (), frozenset({"admin"})), ("/**", (), frozenset())], [("GET", "/caf%C3%a9"), ("GET", "/caf%C3%A9")]
)
def test_iam_never_allows_what_the_table_refuses(rules, asked):
    table, said, _ = built(rules)
    for granted in tokens(rules):
        reachable = said.reachable(granted)
        for method, path in asked:
            if allowed(reachable, method, path):
                assert judged(table, granted, method, path), (granted, method, path)


@settings(max_examples=300)
@given(tables, requests)
@example(ADMIN, [("GET", "/admin"), ("GET", "/admin/"), ("GET", "/adminx"), ("GET", "/"), ("PUT", "/a/b/c")])
@example(
    [("/orders/{id}", ("GET",), frozenset())], [("GET", "/orders/a*b"), ("GET", "/orders/urn:x"), ("GET", "/orders/?")]
)
def test_without_a_clash_iam_allows_all_that_the_table_grants(rules, asked):
    table, said, requirements = built(rules)
    assume(said.clashes(requirements) is None)
    for granted in tokens(rules):
        reachable = said.reachable(granted)
        for method, path in asked:
            respelled = any(matches(one, path) for one in set(reachable.anywhere) - set(AMBIGUOUS))
            if judged(table, granted, method, path) and not respelled:
                assert allowed(reachable, method, path), (granted, method, path)


@given(templates, templates, paths)
def test_sets_of_paths_relate_as_their_members_say(left, right, path):
    first, second = template_parts(left), template_parts(right)
    table = [route_table([Rule(one, (), Route("found"))], POLICY) for one in (left, right)]

    def fits(at: int) -> bool:
        try:
            return table[at](Request("GET", path, Headers())).name == "found"
        except Refused:
            return False

    if fits(0) and fits(1):
        assert meets(first, second)
        assert meets(second, first)
    if holds(first, second) and fits(1):
        assert fits(0)
    if fits(0):
        assert any(matches("/" + "/".join(one), path) for one in patterns_of(first))
        assert meets(first, first)


@given(templates, paths)
def test_what_patterns_take_too_much_is_known(template, path):
    parts = template_parts(template)
    if any(matches(one, "GET" + path) for one in AMBIGUOUS):
        return
    taken = any(matches("/" + "/".join(one), path) for one in patterns_of(parts))
    meant = judged([Rule(template, (), Route("0"))], {0}, "GET", path)
    more = any(matches("/" + "/".join(one), path) for one in beyond(parts))
    assert not meant or taken
    assert not (taken and not meant) or more
    if not any(meets(parts, pattern_parts(one)) for one in beyond(parts)):
        assert not (meant and more)


@given(tables, st.sampled_from(["ANY", *METHODS]), templates, requests)
def test_where_one_rule_rules_a_set_of_requests_it_rules_each(rules, method, template, asked):
    table, said, _ = built(rules)
    if not said.is_one_rule(method, template):
        return
    inside = route_table([Rule(template, () if method == "ANY" else (method,), Route("in"))], POLICY)
    found = set()
    for one, path in asked:
        request = Request(one, path, Headers())
        try:
            inside(request)
        except Refused:
            continue
        try:
            found.add(route_table(table, POLICY)(request).name)
        except Refused as no:
            found.add(no.reason)
    assert len(found) <= 1
