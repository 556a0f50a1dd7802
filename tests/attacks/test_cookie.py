"""COOKIE: browser sessions, as whoever can set a cookie, send a request or has a session of his own attacks them."""

from __future__ import annotations

import ast
import inspect

import pytest

from attacks.cases import attack, attacks
from attacks.harness import TOKEN, assert_allowed, assert_refused, forwarded
from phantomgate.config.checks import problems_between
from phantomgate.config.session import session_keys
from phantomgate.config.session_checks import session_warnings
from phantomgate.config.settings import Introspection, Session, Settings
from phantomgate.core.base64url import base64url, base64url_text
from phantomgate.session import csrf as csrf_module
from phantomgate.session.cookies import CookieNames, clear_cookie, set_cookie
from phantomgate.session.csrf import SessionToken, open_token, seal_token
from sealed import KEY, OLD_KEY, Numbered, ring

UNTIL = 1_800_000_300
ORIGIN = "https://www.example.com"
SESSION = {
    "keys": ("env:KEY", "env:OLD_KEY"),
    "trusted_web_origins": (ORIGIN,),
    "cookie_prefix": "example",
    "issuer": "https://as.example",
}
ISSUER = SESSION["issuer"]
NAMES = CookieNames("example")
AT = NAMES.at
ALICE, EVE = b"a" * 16, b"e" * 16
random = Numbered()


def sealed(kind="at", value=TOKEN, session=ALICE, keys=None, issuer=ISSUER):
    token = SessionToken(session, value)
    return seal_token(keys or ring(KEY, OLD_KEY), NAMES.name(kind), issuer, token, random=random)


def cookies(**values):
    """A Cookie field with *values* by kind of cookie."""
    return "Cookie", "; ".join(f"{NAMES.name(kind)}={value}" for kind, value in values.items())


def page(at=None, csrf="c" * 32, session=ALICE, method="POST", uri="/orders"):
    """What a page of ours sends with a session's request."""
    return [
        *forwarded(method, uri),
        ("Origin", ORIGIN),
        ("X-Example-Csrf", csrf),
        cookies(at=at or sealed(), csrf=sealed("csrf", csrf, session)),
    ]


@pytest.fixture
def jwt(authority):
    return authority.issue(TOKEN, sub="alice", scope="read", exp=UNTIL)


@pytest.fixture
def gate(serve, jwt):
    return serve(session=SESSION)


def refused_as_unreadable(gate, authority, value):
    answer = gate.ask(("Cookie", f"{AT}={value}"))
    assert_refused(answer, 401, "invalid_token", secrets=(TOKEN, value) if len(value) > 4 else (TOKEN,))
    assert [] == answer.all("set-cookie")
    assert "unreadable_session" in gate.lines[-1].decode()
    assert len(value) < 4 or value.encode() not in gate.lines[-1]
    assert [] == authority.asked


def test_a_session_of_a_page_of_ours_is_let_in(gate, jwt, authority):
    assert_allowed(gate.ask(*page()), jwt)
    assert_allowed(gate.ask(cookies(at=sealed())), jwt)
    assert [TOKEN] == authority.tokens


@attacks("value", [("COOKIE-001", ""), ("COOKIE-001", "AA"), ("COOKIE-001", base64url_text(b"\x02" * 33))])
def test_what_is_too_short_is_unreadable(value, gate, authority):
    refused_as_unreadable(gate, authority, value)


@attack("COOKIE-001")
@pytest.mark.parametrize("length", [*range(35), 48, 49])
@pytest.mark.parametrize("version", [1, 2])
def test_every_length_is_looked_at_before_it_is_cut_up(case, length, version, gate, authority):
    key_id = ring(KEY).newest.id
    refused_as_unreadable(gate, authority, base64url_text((bytes([version]) + key_id + b"x" * 60)[:length]))


@attacks("version", [("COOKIE-004", 0), ("COOKIE-004", 3), ("COOKIE-004", 255)])
def test_an_unknown_version_is_unreadable(version, gate, authority):
    refused_as_unreadable(gate, authority, base64url_text(bytes([version]) + base64url(sealed().encode())[1:]))


@attack("COOKIE-004")
def test_a_version_2_that_is_called_1_is_not_downgraded(case, gate, authority):
    data = base64url(sealed().encode())
    refused_as_unreadable(gate, authority, base64url_text(b"\x01" + data[1:]))
    refused_as_unreadable(gate, authority, base64url_text(b"\x01" + data[5:]))


@attack("COOKIE-006")
def test_a_cookie_of_an_old_key_is_let_in_and_is_sealed_anew_by_the_new_one(case, gate, jwt):
    old = sealed(keys=ring(OLD_KEY))
    assert_allowed(gate.ask(cookies(at=old)), jwt)

    found = open_token(ring(KEY, OLD_KEY), AT, ISSUER, old, legacy=False)
    again = seal_token(ring(KEY, OLD_KEY), AT, ISSUER, found, random=random)
    assert (False, True) == (found.newest, open_token(ring(KEY), AT, ISSUER, again, legacy=False).newest)


@attack("COOKIE-008")
def test_a_cookie_of_another_environment_with_the_same_key_is_unreadable(case, serve, jwt, authority):
    test_gate = serve(session={**SESSION, "issuer": "https://as.test.example"})
    refused_as_unreadable(test_gate, authority, sealed())


@attacks(
    "key",
    [
        ("COOKIE-011", "0" * 64),
        ("COOKIE-011", "password"),
        ("COOKIE-011", "5f1c9a37e2840bd6613fa9c47be05d2218f7a3c6904e5bd1827364a5f0c9e1"),
        ("COOKIE-011", "XxyaN+KEC9ZhP6nEe+BdIhj3o8aQTlvRgnNkpfDJ4bM=\n"),
        ("COOKIE-011", "4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50"),
    ],
)
def test_a_key_that_is_none_or_known_to_all_stops_the_start(key):
    settings = Settings(introspection=Introspection("https://as/", "c", "env:S"), session=Session(**SESSION))
    found, problems = session_keys(settings, {"KEY": key, "OLD_KEY": OLD_KEY})

    assert found is None
    assert ["session.keys"] == [problem.setting for problem in problems]
    assert key not in problems[0].message


@attacks(
    "field",
    [
        ("COOKIE-016", "\u2000{AT}={V}".encode().decode("latin-1")),
        ("COOKIE-016", "{AT} ={V}"),
        ("COOKIE-016", "__HOST-EXAMPLE-AT={V}"),
        ("COOKIE-016", "$Version=1,{AT}={V}"),
        ("COOKIE-016", "a=1, {AT}={V}"),
        ("COOKIE-016", '"{AT}"={V}'),
        ("COOKIE-016", "\xa0{AT}={V}"),
        ("COOKIE-016", "={AT}={V}"),
    ],
)
def test_no_spelling_that_browsers_keep_apart_is_read_as_our_cookie(field, gate, authority):
    value = field.replace("{AT}", AT).replace("{V}", sealed())

    assert_refused(gate.ask(("Cookie", value)), 401, "missing_credential")
    assert_refused(gate.judged(("Cookie", value)), 401, "missing_credential")
    assert [] == authority.asked


@attack("COOKIE-018")
def test_names_without_a_prefix_are_warned_about_and_are_not_the_default(case):
    plain = Settings(session=Session(**SESSION, host_prefix=False))

    assert "session.host_prefix" in dict(session_warnings(plain))
    assert {} == dict(session_warnings(Settings(session=Session(**SESSION))))
    [field] = set_cookie(NAMES, "at", "x")
    assert field == "__Host-example-at=x; Path=/; Secure; HttpOnly; SameSite=Strict"


@attacks(
    "value",
    [
        ("COOKIE-020", "a=" + "x" * 16_000),
        ("COOKIE-020", "; ".join(["a=b"] * 180)),
        ("COOKIE-020", f"{AT}=99999999.x"),
        ("COOKIE-020", f"{AT}=6.x"),
    ],
)
def test_cookies_are_bounded(value, gate, authority):
    assert_refused(gate.ask(("Cookie", value)), 400, "invalid_request")
    assert [] == authority.asked


@attack("COOKIE-022")
def test_chunks_of_a_value_can_not_be_reordered_mixed_or_left_out(case, serve, authority):
    long = "x" * 8000
    issued = authority.issue(long, sub="alice", exp=UNTIL)
    gate = serve(session=SESSION)
    ours, others = ([field.partition(";")[0] for field in set_cookie(NAMES, "at", sealed(value=long))] for _ in "ab")
    assert_allowed(gate.ask(("Cookie", "; ".join(ours))), issued)
    authority.asked.clear()

    def of(place, chunk):
        return chunk.partition("=")[0].rpartition(".")[0] + f".{place}=" + chunk.partition("=")[2]

    swapped = [ours[0], of(1, ours[2]), of(2, ours[1])]
    for chunks in (swapped, [others[0], *ours[1:]], [*ours[:2], others[2]], ours[:2], [ours[0], ours[2]], ours[:1]):
        answer = gate.ask(("Cookie", "; ".join(chunks)))
        assert_refused(answer, 401, "invalid_token")
    assert_refused(gate.ask(("Cookie", "; ".join([*ours, ours[1]]))), 400, "invalid_request")
    assert [] == authority.asked


@attack("COOKIE-022")
def test_what_a_shorter_value_leaves_behind_is_taken_away_and_harmless_until_then(case, gate, jwt):
    long = [field.partition(";")[0] for field in set_cookie(NAMES, "at", sealed(value="x" * 8000))]
    names = [chunk.partition("=")[0] for chunk in long]
    fields = set_cookie(NAMES, "at", sealed(), had=names)

    assert [f"{name}=" for name in names[1:]] == [field.partition(";")[0] for field in fields[1:]]
    assert all("Max-Age=0" in field for field in fields[1:])
    assert_allowed(gate.ask(("Cookie", "; ".join([fields[0].partition(";")[0], *long[1:]]))), jwt)
    assert len(names) == len(clear_cookie(NAMES, "at", had=names))


@attacks(
    "origins",
    [
        ("COOKIE-025", ["null"]),
        ("COOKIE-028", [ORIGIN, ORIGIN]),
        ("COOKIE-028", [ORIGIN, "https://evil.example"]),
        ("COOKIE-028", ["https://example.com, https://evil.example"]),
        ("COOKIE-028", [f"{ORIGIN}, https://evil.example"]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_origin_that_is_not_exactly_ours_is_forged(origins, method, gate, authority):
    fields = [field for field in page(method=method) if field[0] != "Origin"]

    assert_refused(gate.ask(*fields, *[("Origin", origin) for origin in origins]), 403, "forged_request")
    assert [] == authority.asked


@attack("COOKIE-029")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_cross_site_request_is_forged_whatever_its_cookies(case, method, gate, authority, serve):
    cross = ("Sec-Fetch-Site", "cross-site")

    assert_refused(gate.ask(*page(method=method), cross), 403, "forged_request")
    assert [] == authority.asked
    allowing = serve(session={**SESSION, "allow_cross_site": True})
    assert 200 == allowing.ask(*page(method=method), cross).status


@attack("COOKIE-030")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
@pytest.mark.parametrize("header", [None, "", "wrong", "c" * 31, "C" * 32])
def test_without_the_csrf_token_in_the_header_a_request_is_forged(case, method, header, gate, authority):
    fields = [field for field in page(method=method) if field[0] != "X-Example-Csrf"]
    fields += [] if header is None else [("X-Example-Csrf", header)]

    assert_refused(gate.ask(*fields), 403, "forged_request", secrets=(TOKEN, "c" * 32))
    assert b"cccc" not in b"".join(gate.lines)
    assert [] == authority.asked


@attack("COOKIE-031")
def test_a_pair_of_csrf_cookie_and_header_from_the_attackers_own_session_is_forged(case, gate, authority):
    theirs = "e" * 32

    assert_refused(gate.ask(*page(sealed(session=ALICE), theirs, EVE)), 403, "forged_request")
    assert [] == authority.asked


@attack("HDR-030")
@pytest.mark.parametrize("at", ["good", "unreadable"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bearer_token_beside_a_session_is_malformed_and_neither_is_looked_at(case, at, method, gate, authority):
    other = authority.issue("somebody-elses-token", sub="bob", exp=UNTIL)
    fields = page(sealed() if at == "good" else "AA", method=method)

    for authorization in (f"Bearer {TOKEN}", "Bearer somebody-elses-token", "Basic dXNlcjpwYXNz"):
        answer = gate.ask(*fields, ("Authorization", authorization))
        assert_refused(answer, 400, "invalid_request", secrets=(TOKEN, other))
    assert [] == authority.asked


@attack("LOG-007")
def test_what_is_secret_is_compared_in_constant_time(case):
    for check in (csrf_module.check_repeated, csrf_module.check_same_session):
        tree = ast.parse(inspect.getsource(check))
        called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "hmac.compare_digest" in called
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]


@attack("LOG-007")
def test_no_cookie_and_no_csrf_token_is_ever_written_down(case, serve, authority, jwt):
    gate = serve(session={**SESSION, "cors": True}, log={"allows": True, "level": "debug"})
    at, csrf = sealed(), sealed("csrf", "secret-csrf-token")
    fields = {"Origin": ORIGIN, "X-Example-Csrf": "secret-csrf-token", "Cookie": cookies(at=at, csrf=csrf)[1]}
    for change in (
        {},
        {"X-Example-Csrf": "secret-csrf-wrong"},
        {"Origin": "https://secret-origin.example"},
        {"Cookie": cookies(at=at[:-1], csrf=csrf)[1]},
        {"Cookie": cookies(at=at, csrf=csrf[:-1])[1]},
        {"Cookie": cookies(at=at)[1] + "; " + cookies(at=at)[1]},
        {"Cookie": cookies(at=at)[1] + "; secret-cookie=secret-value"},
        {"Authorization": f"Bearer {TOKEN}"},
    ):
        gate.ask(*forwarded("POST", "/x"), *{**fields, **change}.items())
    written = b"".join(gate.lines)
    assert len(gate.lines) == 8
    for secret in (b"secret-", at[:-1].encode(), csrf[:-1].encode(), TOKEN.encode(), jwt.encode()):
        assert secret not in written


def test_settings_without_pages_or_keys_are_problems():
    asked = Introspection("https://as/", "c", "env:S")

    def blamed(**session):
        return {name for name, _ in problems_between(Settings(introspection=asked, session=Session(**session)))}

    assert {"session.trusted_web_origins"} == {name for name in blamed(keys=("env:K",)) if "session" in name}
    assert {"session.keys"} == {name for name in blamed(cors=True) if "session" in name}
