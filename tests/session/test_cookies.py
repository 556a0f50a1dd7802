"""Our cookies: their names, how they are read, and how they are set."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.session.cookies import (
    KINDS,
    MAX_COOKIE_BYTES,
    MAX_COOKIES,
    CookieNames,
    clear_cookie,
    read_cookies,
    read_value,
    set_cookie,
    without_ours,
)

NAMES = CookieNames("example")
AT = "__Host-example-at"


def read(*fields, names=NAMES):
    return read_cookies([field if isinstance(field, bytes) else field.encode() for field in fields], names)


def malformed(act):
    with pytest.raises(Refused) as no:
        act()
    assert no.value.reason is Reason.MALFORMED_REQUEST
    return no.value.detail


def sent(fields):
    """The names and values that *fields*, those of Set-Cookie, leave in a browser; None for what they take away."""
    pairs = [re.match(r"([^=]+)=([^;]*)", field).groups() for field in fields]
    return {name: None if "Max-Age=0" in field else value for (name, value), field in zip(pairs, fields, strict=True)}


def test_names_are_those_that_browsers_protect():
    assert {kind: NAMES.name(kind) for kind in KINDS} == {
        "at": "__Host-example-at",
        "auth": "__Secure-example-auth",
        "id": "__Secure-example-id",
        "csrf": "__Host-example-csrf",
        "login": "__Host-example-login",
    }
    assert NAMES.csrf_header == "x-example-csrf"


def test_a_domain_is_at_odds_with_host_prefixes():
    shared = CookieNames("example", domain="example.com")

    assert {shared.name(kind) for kind in KINDS} == {f"__Secure-example-{kind}" for kind in KINDS}
    assert "; Domain=example.com;" in set_cookie(shared, "at", "x")[0]
    assert "Domain" not in set_cookie(NAMES, "at", "x")[0]


def test_names_of_format_v1_have_no_prefix():
    plain = CookieNames("Example", domain="example.com", host_prefix=False)

    assert {plain.name(kind) for kind in KINDS} == {f"Example-{kind}" for kind in KINDS}
    assert plain.csrf_header == "x-example-csrf"


@pytest.mark.parametrize("names", [NAMES, CookieNames("x", "example.com"), CookieNames("x", host_prefix=False)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(names, kind):
    path = "/oauth-agent" if kind in ("auth", "id") else "/"

    for field in (*set_cookie(names, kind, "value"), *clear_cookie(names, kind)):
        attributes = field.split("; ")[1:]
        assert {"Secure", "HttpOnly", "SameSite=Strict", f"Path={path}"} <= set(attributes)
        if field.startswith("__Host-"):
            assert "Path=/" in attributes
            assert "Domain" not in field
    assert "Max-Age" not in set_cookie(names, kind, "value")[0]
    assert "; Max-Age=600" in set_cookie(names, kind, "value", max_age=600)[0]
    assert "; Max-Age=0; Expires=Thu, 01 Jan 1970" in clear_cookie(names, kind)[0]


def test_ours_are_found_among_others_and_in_several_fields():
    assert read(f"a=b; {AT}=one", "__Host-example-csrf=two;c") == {AT: "one", "__Host-example-csrf": "two"}
    assert read(f"a=b;{AT}=one") == {AT: "one"}
    assert read(f"\t  {AT}=a=b ") == {AT: "a=b "}
    assert read() == {}
    assert read("") == {}
    assert read(f"{AT}") == {}


@pytest.mark.parametrize(
    "field",
    [
        "\u2000__Host-example-at=evil",
        "__Host-example-at =evil",
        "__HOST-EXAMPLE-AT=evil",
        "__host-example-at=evil",
        "$Version=1,__Host-example-at=evil",
        "a=1, __Host-example-at=evil",
        '"__Host-example-at"=evil',
        "\x0b__Host-example-at=evil",
        "=__Host-example-at=evil",
        "__Host-example-at\x00=evil",
        "__Host-example-at.x=evil",
        "example-at=evil",
        "__Secure-example-at=evil",
    ],
)
def test_what_a_browser_would_not_call_ours_is_not_ours(field):
    assert read(field).get(AT) is None
    assert AT not in read(field)


def test_one_of_ours_that_came_twice_is_malformed():
    assert "came twice" in malformed(lambda: read(f"{AT}=a; {AT}=a"))
    assert "came twice" in malformed(lambda: read(f"{AT}=a", f"{AT}=b"))
    assert "came twice" in malformed(lambda: read(f"{AT}.1=a; {AT}.1=b"))
    assert read("a=1; a=2; example-x=1; example-x=2") == {}
    assert read(f"{AT}.x=1; {AT}.x=2") == {}


def test_cookies_are_bounded():
    assert read("a=" + "x" * (MAX_COOKIE_BYTES - 2)) == {}
    assert "bytes of cookies" in malformed(lambda: read("a=" + "x" * (MAX_COOKIE_BYTES - 1)))
    assert "bytes of cookies" in malformed(lambda: read(*["a=" + "x" * 998] * 16))
    assert f"{MAX_COOKIES + 1} cookies" in malformed(lambda: read(";".join(["a=b"] * (MAX_COOKIES + 1))))
    assert "181 cookies" in malformed(lambda: read("; ".join(["example=b"] * 180), "a=b"))
    assert read("; ".join(["a=b"] * MAX_COOKIES)) == {}


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_nothing_that_comes_in_a_field_surprises_us(fields):
    with suppress(Refused):
        assert all(name.startswith(("__Host-example-", "__Secure-example-")) for name in read_cookies(fields, NAMES))
    without_ours(fields, "example")


sizes = st.integers(min_value=0, max_value=19_000)


@given(sizes, sizes)
def test_a_long_value_is_parted_and_one_that_replaces_it_leaves_nothing_over(first, second):
    browser = {}
    for size in (first, second):
        value = "x" * (size - 1) + "y" if size else ""
        fields = set_cookie(NAMES, "at", value, had=list(browser))
        assert all(len(field) <= 4096 for field in fields)
        browser = {name: value for name, value in {**browser, **sent(fields)}.items() if value is not None}

        assert read_value(browser, AT) == value

    assert len(browser) == max(1, -(-second // 3800))
    assert sent(clear_cookie(NAMES, "at", had=list(browser))) == dict.fromkeys(sorted(browser))


def test_what_an_older_longer_value_left_behind_is_not_looked_at():
    assert read_value({AT: "2.ab", f"{AT}.1": "c", f"{AT}.2": "old"}, AT) == "abc"
    assert read_value({AT: "ab", f"{AT}.1": "old"}, AT) == "ab"
    assert read_value({f"{AT}.1": "c"}, AT) is None


def test_where_a_chunk_is_missing_there_is_nothing_to_open():
    assert read_value({AT: "3.ab", f"{AT}.2": "d"}, AT) == ""
    assert read_value({AT: "2.ab"}, AT) == ""
    assert read_value({AT: "2.ab", f"{AT}.1": ""}, AT) == ""


@pytest.mark.parametrize("count", ["0", "1", "6", "9", "00", "99999999", "999999999"])
def test_a_number_of_chunks_that_can_not_be_is_malformed_before_anything_is_counted(count):
    assert "want at most 5" in malformed(lambda: read_value({AT: f"{count}.abc"}, AT))


@pytest.mark.parametrize("value", ["", "abc", "9999999999.a", "-1.a", "2", ".", "a.b", "٢.a"])
def test_other_values_are_left_as_they_are(value):
    assert read_value({AT: value}, AT) == value


def test_more_than_five_chunks_are_never_set():
    with pytest.raises(ValueError, match="want at most 19000"):
        set_cookie(NAMES, "at", "x" * 19_001)


@pytest.mark.parametrize(
    "ours",
    [
        "__Host-example-at=x", "__Secure-example-auth=x", "example-id=x", "EXAMPLE-CSRF=x", "__host-Example-login=x",
        "__Host-example-at.1=x", "example-at =x", '"example-at"=x', "\x0bexample-at=x", "example-at",
    ],
)  # fmt: skip
def test_nothing_of_ours_reaches_the_api_and_all_else_does(ours):
    assert without_ours([ours.encode()], "example") == b""
    assert without_ours([f"a=1;{ours};  b=2".encode(), b"", b" c = 3 ;;"], "example") == b"a=1; b=2; c = 3"


@pytest.mark.parametrize(
    "other", [b"example-atx=1", b"example=1", b"my-example-at=1", b"example-theme=1", b"\xe9=\xff"]
)
def test_other_cookies_stay(other):
    assert without_ours([other], "example") == other
