"""A session's cookies in, the credential out: who may use them, and in which order that is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.find_session import SessionRules, find_session
from phantomgate.gateway.remembering import LONGEST, REMEMBERED, remembering
from phantomgate.session.cookies import CookieNames, set_cookie
from phantomgate.session.csrf import SessionToken, seal_token
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import seal_v1
from sealed import ISSUER, KEY, OLD_KEY, Numbered, ring

NAMES = CookieNames("example")
ORIGIN = "https://www.example.com"
RULES = SessionRules(NAMES, ring(), ISSUER, frozenset({ORIGIN.encode()}))
ALICE, EVE = b"a" * 16, b"e" * 16
random = Numbered()


def sealed(kind="at", value="opaque-token", session=ALICE, keys=None, issuer=ISSUER, names=NAMES):
    return seal_token(keys or ring(), names.name(kind), issuer, SessionToken(session, value), random=random)


def cookie(at=None, csrf=None):
    pairs = [(NAMES.at, sealed() if at is None else at), (NAMES.csrf, sealed("csrf", "csrf") if csrf is None else csrf)]
    return "; ".join(f"{name}={value}" for name, value in pairs if value)


def asked(method="GET", cookies=None, **fields):
    """A request of a page of ours: everything right unless *fields* say otherwise; None leaves a field out."""
    given = {"cookie": cookie() if cookies is None else cookies}
    if method not in ("GET", "HEAD", "OPTIONS"):
        given |= {"origin": ORIGIN, "x_example_csrf": "csrf"}
    given |= fields
    pairs = [(name.replace("_", "-"), value) for name, value in given.items() if value is not None]
    split = [(name, one) for name, value in pairs for one in (value if isinstance(value, list) else [value])]
    return Request(method, "/", Headers.of(split))


def find(request, **rules):
    return find_session(replace(RULES, **rules), find_bearer())(request)


def refused(request, **rules):
    with pytest.raises(Refused) as no:
        find(request, **rules)
    return no.value.reason


def forged(request, **rules):
    return refused(request, **rules) is Reason.FORGED_REQUEST


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
def test_the_token_of_a_session_is_found(method):
    assert "opaque-token" == find(asked(method)).value
    assert "opaque-token" == find(asked(method, origin=ORIGIN), cors=True).value


def test_the_same_cookie_gives_the_same_credential_object():
    found = find_session(RULES, find_bearer())
    cookies = cookie()

    assert found(asked("GET", cookies)) is found(asked("POST", cookies))
    assert found(asked("GET", cookies)) is not found(asked())


def test_what_is_remembered_of_cookies_is_bounded():
    found = find_session(RULES, find_bearer())
    cookies = cookie(csrf="")
    first = found(asked(cookies=cookies))
    for number in range(REMEMBERED):
        found(asked(cookies=cookie(sealed(value=f"t{number}"), csrf="")))

    assert found(asked(cookies=cookies)) is not first


def test_what_is_parsed_is_remembered_by_its_text_unless_it_is_long_or_bad():
    parsed = []

    def parse(text):
        parsed.append(text)
        if text == "x":
            raise ValueError
        return len(text)

    once = remembering(parse)
    for text in ("1", "1", "1" * (LONGEST + 1), "1" * (LONGEST + 1)):
        assert len(text) == once(text)
    for _ in range(2):
        with pytest.raises(ValueError):
            once("x")
    assert ["1", "1" * (LONGEST + 1), "1" * (LONGEST + 1), "x", "x"] == parsed


def test_without_a_session_cookie_the_bearer_token_is_found():
    assert "abc" == find(asked(cookies="theme=dark", authorization="Bearer abc")).value
    assert "abc" == find(asked("POST", cookies=cookie(at=""), authorization="Bearer abc", origin="https://evil")).value
    assert "abc" == find(Request("GET", "/", Headers.of([("authorization", "Bearer abc")]))).value
    assert Reason.MISSING_CREDENTIAL is refused(asked(cookies="theme=dark"))
    assert Reason.MISSING_CREDENTIAL is refused(asked("POST", cookies=cookie(at="")))


@pytest.mark.parametrize("authorization", ["Bearer abc", "Basic abc", "", "Bearer a, Bearer b"])
def test_a_session_beside_an_authorization_field_is_malformed(authorization):
    assert Reason.MALFORMED_REQUEST is refused(asked(authorization=authorization))
    assert Reason.MALFORMED_REQUEST is refused(asked(cookies=cookie(at="unreadable"), authorization=authorization))


def test_a_session_is_of_no_use_where_nobody_says_which_method_it_is_for():
    request = asked()
    request.routed = False

    assert Reason.MALFORMED_REQUEST is refused(request)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "https://evil.example", "http://www.example.com", "https://www.example.com:8443",
        "https://www.example.com:443", "https://WWW.example.com", "https://www.example.com.evil", "https://example.com",
        "https://www.example.com/", f"{ORIGIN}, https://evil", f" {ORIGIN}", [ORIGIN, ORIGIN], [ORIGIN, "https://evil"],
        "*", f"{ORIGIN}\x00",
    ],
)  # fmt: skip
@pytest.mark.parametrize("cors", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_origin_that_is_not_ours_byte_for_byte_is_refused_on_every_method(origin, cors, method):
    assert forged(asked(method, origin=origin), cors=cors)


def test_an_origin_is_needed_on_unsafe_methods_and_with_cors_on_all():
    assert forged(asked("POST", origin=None))
    assert forged(asked("get", origin=None))  # methods are case-sensitive, so this is none that is safe
    assert forged(asked("GET"), cors=True)
    assert "opaque-token" == find(asked("GET")).value


@pytest.mark.parametrize("site", ["cross-site", "Cross-Site", "", "other", ["same-origin", "same-origin"]])
def test_what_the_browser_calls_cross_site_is_refused_unless_allowed(site):
    for method in ("GET", "POST"):
        request = asked(method, origin=ORIGIN, sec_fetch_site=site)
        assert forged(request)
        assert find(request, allow_cross_site=True)


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_requests_of_the_same_site_pass(site):
    assert find(asked("POST", sec_fetch_site=site))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "post"])
@pytest.mark.parametrize("header", [None, "", "wrong", "CSRF", "csr", "csrf "])
def test_every_method_that_is_not_safe_needs_the_csrf_token_in_its_header(method, header):
    assert forged(asked(method, origin=ORIGIN, x_example_csrf=header))


def test_the_csrf_header_comes_once():
    assert Reason.MALFORMED_REQUEST is refused(asked("POST", x_example_csrf=["csrf", "csrf"]))


def test_the_csrf_cookie_is_needed_and_must_be_readable():
    assert forged(asked("POST", cookie(csrf="")))
    assert forged(asked("POST", cookie(csrf="csrf")))
    assert forged(asked("POST", cookie(csrf=sealed("csrf", "csrf", keys=ring(OLD_KEY)))))
    assert forged(asked("POST", cookie(csrf=sealed("csrf", "csrf", issuer="https://other"))))
    assert forged(asked("POST", cookie(csrf=sealed("at", "csrf"))))


def test_the_csrf_cookie_is_of_the_same_session():
    assert forged(asked("POST", cookie(csrf=sealed("csrf", "csrf", session=EVE))))
    assert forged(asked("POST", cookie(csrf=seal_v1(read_session_key(KEY), b"csrf", random=random))))
    assert forged(asked("POST", cookie(at=seal_v1(read_session_key(KEY), b"opaque-token", random=random))))


@pytest.mark.parametrize(
    "at",
    [
        "x", "AA", sealed("csrf", "csrf"), sealed(keys=ring(OLD_KEY)), sealed(issuer="https://other"), sealed()[:-1],
        sealed(value="no token"), sealed(value="tök"), sealed(value="x" * 8193), f"2.{sealed()}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_that_can_not_be_read_is_refused_as_a_bad_token_is(at, method):
    assert Reason.UNREADABLE_SESSION is refused(asked(method, cookie(at=at)))
    assert 401 == Reason.UNREADABLE_SESSION.status


def test_the_log_is_told_which_cookie_can_not_be_read():
    with pytest.raises(Refused, match="unreadable_session: session cookie: "):
        find(asked("GET", cookie(at="x")))
    with pytest.raises(Refused, match="forged_request: CSRF cookie: "):
        find(asked("POST", cookie(csrf="x")))


def test_an_empty_session_cookie_is_one_that_can_not_be_read():
    assert Reason.UNREADABLE_SESSION is refused(asked(cookies=f"{NAMES.at}="))


def test_format_v1_is_found_unless_it_is_turned_off():
    key = read_session_key(KEY)
    names = CookieNames("example", host_prefix=False)
    cookies = "; ".join(
        f"{name}={seal_v1(key, value, random=random)}"
        for name, value in ((names.at, b"opaque-token"), (names.csrf, b"csrf"))
    )

    assert "opaque-token" == find(asked("POST", cookies), names=names).value
    assert Reason.UNREADABLE_SESSION is refused(asked("GET", cookies), names=names, legacy=False)
    assert forged(asked("POST", cookies, x_example_csrf="other"), names=names)


def test_a_long_token_is_found_in_its_chunks():
    token = "x" * 8000
    fields = set_cookie(NAMES, "at", sealed(value=token))
    chunks = [field.partition(";")[0] for field in fields]

    assert 3 == len(chunks)
    assert token == find(asked(cookies="; ".join(reversed(chunks)))).value
    assert Reason.UNREADABLE_SESSION is refused(asked(cookies="; ".join(chunks[:2])))


def test_it_is_asked_in_this_order_credential_origin_csrf_open():
    """Each request has all later faults too, and the first is the one that is named."""
    bad = cookie(at="unreadable", csrf="unreadable")
    wrong = {"origin": "https://evil", "x_example_csrf": "wrong"}

    assert Reason.MALFORMED_REQUEST is refused(asked("POST", bad, **wrong, authorization="Bearer x"))
    assert Reason.MISSING_CREDENTIAL is refused(asked("POST", cookie(at="", csrf="unreadable"), **wrong))
    assert Reason.FORGED_REQUEST is refused(asked("GET", bad, **wrong))
    assert Reason.FORGED_REQUEST is refused(asked("POST", bad))
    assert Reason.FORGED_REQUEST is refused(asked("POST", cookie(at="unreadable"), x_example_csrf="wrong"))
    assert Reason.UNREADABLE_SESSION is refused(asked("POST", cookie(at="unreadable")))


def test_no_check_is_passed_over_because_the_cookies_are_known():
    found = find_session(RULES, find_bearer())
    cookies = cookie()
    found(asked("POST", cookies))

    for request in (
        asked("POST", cookies, origin="https://evil"),
        asked("POST", cookies, origin=None),
        asked("POST", cookies, x_example_csrf="wrong"),
        asked("POST", cookies, x_example_csrf=None),
        asked("GET", cookies, sec_fetch_site="cross-site"),
        asked("POST", cookie(at=cookies.split("=")[1].split(";")[0], csrf=sealed("csrf", "csrf", session=EVE))),
    ):
        with pytest.raises(Refused) as no:
            found(request)
        assert no.value.reason is Reason.FORGED_REQUEST


def test_a_refusal_repeats_nothing_of_the_cookies():
    for at, csrf in (("unreadable-secret", None), (None, "unreadable-secret"), (sealed(value="secret secret"), None)):
        with pytest.raises(Refused) as no:
            find(asked("POST", cookie(at, csrf)))
        assert "secret" not in no.value.detail
        assert "secret" not in str(no.value.__cause__)
