"""The route table beside a matcher that walks segment by segment; and what no table may ever match."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule

POLICY = Route("policy")
words = st.sampled_from(
    ["a", "b", "orders", "v1.0", "x-y", "a+b", "(c)", "é".encode().hex(), "%C3%A9", "$", "~", "A", "ab"]
)
wild = st.sampled_from(["*", "{id}", "{x_1}"])
templates = st.builds(
    lambda before, deep, after: "/" + "/".join([*before, *deep, *after]),
    st.lists(words | wild, max_size=3),
    st.sampled_from([[], ["**"]]),
    st.lists(words | wild, max_size=2),
)
encoded = st.sampled_from(["", "%41", "%61", "%6frders", "%24", "%c3%a9", "x%2Dy"])
paths = st.lists(words | encoded, max_size=6).map(lambda segments: "/" + "/".join(segments))


def fits(template: list[str], path: list[str]) -> bool:
    """Segment by segment, as the contract puts it."""
    if not template:
        return not path
    first, rest = template[0], template[1:]
    if first == "**":
        return any(fits(rest, path[used:]) for used in range(len(path) + 1))
    if not path:
        return False
    if first == "*" or first.startswith("{"):
        return bool(path[0]) and fits(rest, path[1:])
    return first == path[0] and fits(rest, path[1:])


def found(table, path: str, method: str = "GET") -> str | Reason:
    try:
        return table(Request(method, path, Headers())).name
    except Refused as no:
        return no.reason


@given(st.lists(templates, min_size=1, max_size=3), paths)
@example(["/"], "/")
@example(["/**"], "/")
@example(["/a/**"], "/a/")
def test_the_first_template_that_fits_segment_by_segment_is_found(rules, path):
    table = route_table([Rule(template, (), Route(str(at))) for at, template in enumerate(rules)], POLICY)
    if "//" in path:
        assert Reason.MALFORMED_REQUEST is found(table, path)
        return

    def fitting(path):
        segments = path[1:].split("/")
        named = [str(at) for at, template in enumerate(rules) if fits(template[1:].split("/"), segments)]
        return named[0] if named else Reason.NO_ROUTE

    path = path.replace("%c3%a9", "%C3%A9")
    raw, decoded = fitting(path), fitting(quote(unquote(path), safe="/~$+():"))
    assert (raw if raw in (decoded, Reason.NO_ROUTE) else Reason.MALFORMED_REQUEST) == found(table, path)


methods = st.sampled_from(["GET", "POST", "PUT", "get", "FOO", ""])


@given(st.lists(st.tuples(st.lists(methods, max_size=2)), min_size=1, max_size=3), methods)
def test_a_rule_is_for_its_methods_and_no_other(rules, method):
    table = route_table([Rule("/**", tuple(listed), Route(str(at))) for at, (listed,) in enumerate(rules)], POLICY)

    def fitting(method):
        return next((str(at) for at, (listed,) in enumerate(rules) if not listed or method in listed), Reason.NO_ROUTE)

    asked, careless = fitting(method), fitting(method.upper())
    expected = asked if asked in (careless, Reason.NO_ROUTE) else Reason.MALFORMED_REQUEST
    assert expected == found(table, "/x", method)


EVERYTHING = route_table([Rule("/**", (), Route("everything"))], POLICY)
tricks = st.sampled_from(
    ["/", "//", "a", ".", "..", "/..", "/./", "%2e", "%2E%2e", "%2f", "%2F", "\\", "%5c",
    ";", ";x=1", "%3b", "%25", "%252e", "%00", "%0a",
     "%20", "%7f", "#", "%23", "%3f", " ", "\t", "\r\n", "\x00", "\x7f",
     "\x80", "é", "%", "%4", "%zz", "%c0%ae", "%e0%80%af", "admin", "%41"]
)  # fmt: skip
hostile = st.lists(tricks, max_size=8).map(lambda parts: "/" + "".join(parts)) | st.text(max_size=20)


def readings(path: str) -> set[str]:
    """What careless servers make of *path*: decoded once or twice, cut, with backslashes turned and dots resolved."""
    made = {path}
    for _ in range(3):
        more = set()
        for one in made:
            raw = unquote(one, encoding="latin-1")
            more |= {raw, one.replace("\\", "/"), one.split("#")[0].split("?")[0]}
            more.add("/".join(segment.partition(";")[0] for segment in one.split("/")))
            more.add(one.encode("latin-1", "replace").decode("latin-1").split("\x00")[0].rstrip(" \t\r\n"))
        made |= more
    return made


def resolved(path: str) -> str:
    out: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del out[-1:]
        elif segment not in ("", "."):
            out.append(segment)
    return "/".join(out)


@given(hostile)
@example("/public/%2e%2e/admin")
@example("/public/..;/admin")
@example("/a/.")
def test_a_path_that_is_matched_has_one_reading(path):
    """Nobody who decodes, cuts, turns or resolves it gets other segments than the ones that were matched."""
    if found(EVERYTHING, path) != "everything":
        return
    segments = [segment for segment in path.split("/") if segment]
    for reading in readings(path):
        assert len(segments) == len([segment for segment in resolved(reading).split("/") if segment]), reading


@given(
    st.lists(
        st.text(alphabet="abcXYZ019-_~.!$&'()*+,=:@", min_size=1, max_size=8).filter(lambda s: s not in (".", "..")),
        max_size=5,
    )
)
def test_a_plain_path_is_always_matched(segments):
    assert "everything" == found(EVERYTHING, "/" + "/".join(segments))


@given(st.text(alphabet="/*{}ab.%;\\ #?é-_0", max_size=14))
@example("/**/a/**")
@example("/{}")
@example("/%2f")
def test_a_template_is_compiled_or_refused_by_name(template):
    problem = None
    try:
        route_table([Rule(template, (), POLICY)], POLICY)
    except ValueError as no:
        problem = str(no)
    if problem is not None:
        assert template in problem
        return
    assert template.startswith("/")
    assert template.count("**") <= 1
    assert not set(template) & set(";\\ #?é")


@settings(max_examples=20)
@given(
    templates,
    st.sampled_from(["/a", "/", "/orders", "/a/b", "a", "/.a", "/%41", "/%c3%a9", "(", "/a."]),
    st.sampled_from(["", "/", "/x", "%"]),
)
def test_a_long_path_costs_what_its_length_costs(template, piece, end):
    """60 kB through every template: a quadratic one would sit here for minutes."""
    table = route_table([Rule(template, (), Route("found"))] * 20, POLICY)
    assert found(table, "/" + piece * (60_000 // len(piece)) + end) in (
        "found",
        Reason.NO_ROUTE,
        Reason.MALFORMED_REQUEST,
    )


def test_callers_that_name_no_path_are_judged_by_the_policy():
    assert POLICY is EVERYTHING(Request("GET", "/../x", Headers(), routed=False))
    with pytest.raises(Refused):
        EVERYTHING(Request("GET", "/../x", Headers()))
