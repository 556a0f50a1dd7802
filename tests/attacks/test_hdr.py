"""HDR: what may stand in the Authorization field, and what may not. Nothing malformed ever reaches the server."""

from __future__ import annotations

import pytest

from attacks.cases import attack, attacks
from attacks.harness import TOKEN, assert_allowed, assert_refused, request_bytes
from phantomgate.config.settings import RouteRule
from phantomgate.servers.listener import Limits

T = TOKEN.encode()
OTHER = "opaque-of-somebody-else"
EVERYTHING = [RouteRule("/**")]
UNTIL = 1_800_000_300  # five minutes after the test clock's start


@pytest.fixture
def gate(serve, authority):
    authority.issue(TOKEN, sub="alice", scope="read", exp=UNTIL)
    authority.issue(OTHER, sub="bob", scope="read", exp=UNTIL)
    return serve()


@pytest.fixture(params=["listener", "adapter"])
def ask(request, gate):
    """Asks over a raw socket, and without HTTP in between: the grammar must not lean on a parser in front of it."""
    return gate.ask if request.param == "listener" else gate.judged


@attacks(
    "value",
    [
        ("HDR-002", b""),
        ("HDR-009", b"Basic dXNlcjpwYXNz"),
        ("HDR-009", b"Basic"),
        ("HDR-009", b"Negotiate abc, Digest def"),
        ("HDR-011", b"XBearer " + T),
        ("HDR-011", b"Bearer2 " + T),
        ("HDR-011", b"X-Bearer " + T),
        ("HDR-011", b"Bearer.x " + T),
        ("HDR-036", b"DPoP " + T),
        ("HDR-036", b"dpop " + T),
    ],
)
def test_no_bearer_credential_is_challenged_without_an_error(value, ask, authority):
    assert_refused(ask((b"Authorization", value)), 401, "missing_credential")
    assert [] == authority.asked


@attacks(
    "name",
    [
        ("HDR-031", "Proxy-Authorization"),
        ("HDR-032", "X-Authorization"),
        ("HDR-032", "X-Forwarded-Authorization"),
        ("HDR-032", "X-Original-Authorization"),
        ("HDR-032", "Authorization2"),
        ("HDR-032", "X-Authorization-Bearer"),
    ],
)
def test_no_other_field_is_looked_at_for_a_credential(name, ask, authority):
    assert_refused(ask((name, f"Bearer {TOKEN}")), 401, "missing_credential")
    assert [] == authority.asked


@attack("HDR-001")
def test_no_credential_at_all_is_challenged_without_an_error(case, ask, authority):
    assert_refused(ask(), 401, "missing_credential")
    assert [] == authority.asked


@attacks(
    "value",
    [
        ("HDR-003", b"Bearer"),
        ("HDR-003", b"bearer"),
        ("HDR-003", b"BEARER"),
        ("HDR-004", b"Bearer "),
        ("HDR-004", b"Bearer  "),
        ("HDR-004", b"Bearer\t"),
        ("HDR-008", b"Bearer\x0b" + T),
        ("HDR-008", b"Bearer\x0c" + T),
        ("HDR-008", b"Bearer\xa0" + T),
        ("HDR-008", b"Bearer\xc2\xa0" + T),
        ("HDR-008", b"Bearer\xe2\x80\x83" + T),
        ("HDR-008", b"Bearer\t" + T),
        ("HDR-008", b"Bearer \x0b" + T),
        ("HDR-008", b"Bearer " + T + b"\x0b"),
        ("HDR-008", b"Bearer " + T + b"\x0c"),
        ("HDR-008", b"Bearer " + T + b"\xa0"),
        ("HDR-008", b"Bearer " + T + b"\x85"),
        ("HDR-010", b"Basic x, Bearer " + T),
        ("HDR-010", b"Basic x,Bearer " + T),
        ("HDR-010", b"Basic x,\tbearer " + T),
        ("HDR-010", b"Bearer " + T + b", Basic x"),
        ("HDR-010", b"Bearer " + T + b", Bearer " + OTHER.encode()),
        ("HDR-015", b"Bearer " + T + b","),
        ("HDR-015", b"Bearer " + T + b" ,"),
        ("HDR-015", b"Bearer ," + T),
        ("HDR-018", b"Bearer abc%26active%3Dtrue"),
        ("HDR-018", b"Bearer abc&active=true"),
        ("HDR-020", b"Bearer abc=def"),
        ("HDR-020", b"Bearer =abc"),
        ("HDR-020", b"Bearer =="),
        ("HDR-021", b"Bearer \x00" + T),
        ("HDR-021", b"Bearer " + T + b"\x00"),
        ("HDR-021", b"Bearer\x00 " + T),
        ("HDR-021", b"Bearer " + T + b"\x00.evil"),
        ("HDR-035", b"Bearer abc\n"),
        ("HDR-035", b"Bearer " + T + b"\n"),
        ("HDR-035", b"Bearer " + T + b"\r\n"),
        ("HDR-035", b"Bearer " + T + b"\r"),
        ("HDR-035", b"Bearer\n" + T),
        ("HDR-016", b"Bearer " + T + b"\r\nX-Admin: 1"),
        ("HDR-016", b"Bearer " + T + b"\rX-Admin: 1"),
        ("HDR-016", b"Bearer " + T + b"\nX-Admin: 1"),
        ("HDR-016", b"Bearer " + T + b"\r\n X-Admin: 1"),
        ("HDR-025", b"Bearer " + b"." * 1_000_000),
        ("HDR-025", b"Bearer " + b"a" * 8193),
        ("HDR-025", b"Bearer" + b" " * 1_000_000 + b"a"),
        ("HDR-025", b"Bearer " + b"=" * 1_000_000),
    ],
)
def test_a_malformed_bearer_credential_is_a_bad_request_to_every_adapter(value, gate, authority):
    assert_refused(gate.judged((b"Authorization", value)), 400, "invalid_request")
    assert [] == authority.asked


@attacks(
    "value",
    [
        ("HDR-003", b"Bearer"),
        ("HDR-004", b"Bearer "),
        ("HDR-004", b"Bearer \t  "),
        ("HDR-008", b"Bearer\x0b" + T),
        ("HDR-008", b"Bearer\x0c" + T),
        ("HDR-008", b"Bearer\xa0" + T),
        ("HDR-008", b"Bearer\xe2\x80\x83" + T),
        ("HDR-008", b"Bearer " + T + b"\x0b"),
        ("HDR-008", b"Bearer " + T + b"\xa0"),
        ("HDR-010", b"Basic x, Bearer " + T),
        ("HDR-015", b"Bearer " + T + b","),
        ("HDR-018", b"Bearer abc%26active%3Dtrue"),
        ("HDR-020", b"Bearer abc=def"),
        ("HDR-021", b"Bearer \x00" + T),
        ("HDR-021", b"Bearer " + T + b"\x00"),
        ("HDR-035", b"Bearer abc\n"),
        ("HDR-016", b"Bearer " + T + b"\rX-Admin: 1"),
        ("HDR-016", b"Bearer " + T + b"\nX-Admin: 1"),
        ("HDR-016", b"Bearer " + T + b"\r\n X-Admin: 1"),
        ("HDR-025", b"Bearer " + b"." * 1_000_000),
        ("HDR-025", b"Bearer " + b"a" * 8193),
    ],
)
def test_a_malformed_bearer_credential_is_a_bad_request_on_the_wire(value, gate, authority):
    assert_refused(gate.ask((b"Authorization", value)), 400, "invalid_request")
    assert [] == authority.asked


@attack("HDR-016")
def test_a_field_smuggled_behind_the_credential_never_comes_out_of_us(case, gate):
    """On the wire CRLF ends the field, so what follows is a field of the client's own: it stays one, and stays out."""
    reply = gate.ask((b"Authorization", b"Bearer " + T + b"\r\nX-Admin: 1"))
    assert_allowed(reply, gate.authority.active[TOKEN])
    assert [] == reply.all("x-admin")


@attack("HDR-006")
@pytest.mark.parametrize("scheme", ["Bearer   ", "bearer ", "BEARER  ", "bEaReR "])
def test_spaces_after_the_scheme_are_not_part_of_the_token(case, scheme, ask, authority):
    assert_allowed(ask(("Authorization", scheme + TOKEN)), authority.active[TOKEN])
    assert [f"token={TOKEN}&token_type_hint=access_token".encode()] == authority.bodies


@attack("HDR-013")
@pytest.mark.parametrize(
    "pair",
    [
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {OTHER}")],
        [("Authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN}"), ("AUTHORIZATION", "Basic dXNlcjpwYXNz")],
        [("Authorization", "Basic dXNlcjpwYXNz"), ("Authorization", f"Bearer {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN}"), ("X-Other", "1"), ("Authorization", "")],
        [("Authorization", ""), ("Authorization", f"Bearer {TOKEN}")],
    ],
)
def test_two_authorization_fields_are_refused_whatever_they_hold(case, pair, ask, authority):
    assert_refused(ask(*pair), 400, "invalid_request", secrets=(TOKEN, OTHER))
    assert [] == authority.asked


@attack("HDR-013")
def test_a_credential_that_was_let_in_before_does_not_excuse_a_second_one(case, ask, gate):
    assert 200 == gate.bearer().status
    assert_refused(
        ask(("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {OTHER}")), 400, "invalid_request"
    )


@attack("HDR-019")
def test_every_character_of_the_grammar_reaches_the_server_as_itself(case, ask, authority):
    authority.issue("a+b/c~d.e-f_g==", exp=UNTIL)
    assert 200 == ask(("Authorization", "Bearer a+b/c~d.e-f_g==")).status
    assert [b"token=a%2Bb%2Fc~d.e-f_g%3D%3D&token_type_hint=access_token"] == authority.bodies


@attack("HDR-025")
def test_the_longest_token_is_asked_about_and_one_byte_more_is_not(case, ask, authority):
    longest = "." * 8192
    assert_refused(ask(("Authorization", f"Bearer {longest}")), 401, "invalid_token")
    assert [longest] == authority.tokens
    assert_refused(ask(("Authorization", f"Bearer {longest}.")), 400, "invalid_request")
    assert 1 == len(authority.asked)


@attack("HDR-026")
@pytest.mark.parametrize(
    "fields",
    [
        [(f"X-{number}", "1") for number in range(1000)],
        [(f"X-{number}", "1") for number in range(100)],  # with Host and the like one too many
        [("X-Same", "1")] * 1000,
        [("X-Long", "a" * 65536)],
        [(f"X-{number}", "a" * 7000) for number in range(10)],
    ],
    ids=["1000 fields", "101 fields", "1000 repetitions", "one long field", "70 kB together"],
)
def test_a_header_section_over_the_limits_is_refused_whole(case, fields, gate, authority):
    reply = gate.bearer(TOKEN, *fields)
    assert_refused(reply, 400, "invalid_request")
    assert [] == authority.asked


@attack("HDR-026")
def test_a_header_section_that_comes_in_small_pieces_has_the_same_limit(case, serve, authority):
    gate = serve(limits=Limits(max_header_bytes=4096))
    with gate.connect() as connection:
        connection.sendall(b"GET /decide HTTP/1.1\r\nHost: gate.example\r\n")
        answered = b""
        for number in range(200):
            try:
                connection.sendall(f"X-{number}: {'a' * 90}\r\n".encode())
            except ConnectionError:
                break
        while piece := connection.recv(65536):
            answered += piece
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert [] == authority.asked


@attack("HDR-026")
def test_an_endless_request_line_is_refused(case, gate, authority):
    reply = gate.bearer(TOKEN, target="/decide/" + "a" * 100_000)
    assert_refused(reply, 400, "invalid_request")
    assert [] == authority.asked


QUERIES = ["access_token=" + TOKEN, "a=b&access_token=" + TOKEN, "a;access_token=" + TOKEN, "%61ccess_token=" + TOKEN]


@attack("HDR-027")
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("where", ["target", "forwarded", "original"])
def test_a_token_in_the_query_is_no_credential(case, query, where, serve, authority):
    authority.issue(TOKEN, exp=UNTIL)
    gate = serve(routes=EVERYTHING)
    reply = gate.ask(*sent(where, query), target=f"/decide/x?{query}" if where == "target" else "/decide")
    assert_refused(reply, 401, "missing_credential")
    assert [] == authority.asked
    assert TOKEN not in repr(gate.seen)  # what a log line could be made of


@attack("HDR-028")
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("where", ["target", "forwarded", "original"])
@pytest.mark.parametrize("in_field", [TOKEN, OTHER])
def test_a_token_in_the_query_beside_one_in_the_field_is_refused(case, query, where, in_field, serve, authority):
    authority.issue(TOKEN, exp=UNTIL)
    authority.issue(OTHER, exp=UNTIL)
    gate = serve(routes=EVERYTHING)
    fields = [("Authorization", f"Bearer {in_field}"), *sent(where, query)]
    reply = gate.ask(*fields, target=f"/decide/x?{query}" if where == "target" else "/decide")
    assert_refused(reply, 400, "invalid_request", secrets=(TOKEN, OTHER))
    assert [] == authority.asked


def sent(where: str, query: str) -> list[tuple[str, str]]:
    if where == "target":
        return []
    return [(f"X-{where}-Method", "GET"), (f"X-{where}-Uri", f"/x?{query}")]


@attack("HDR-029")
@pytest.mark.parametrize("target", ["/decide", "/exchange"])
def test_a_token_in_a_form_body_is_no_credential(case, target, gate, authority):
    form = ("Content-Type", "application/x-www-form-urlencoded")
    reply = gate.ask(form, target=target, method="POST", body=b"access_token=" + T)
    assert_refused(reply, 401, "missing_credential")
    assert [] == authority.asked


@attack("HDR-029")
def test_a_body_is_passed_over_and_the_next_request_is_read_where_it_ends(case, gate, authority):
    inside = request_bytes("GET", "/decide", [("Authorization", f"Bearer {TOKEN}")])
    first = request_bytes("POST", "/decide", [], inside, closing=False)
    replies = gate.talk(first + request_bytes("GET", "/decide", []))
    assert [401, 401] == [reply.status for reply in replies]
    assert [] == authority.asked


@attack("HDR-037")
@pytest.mark.parametrize("length", [1, 7, len(TOKEN) - 1])
def test_the_beginning_of_a_token_is_another_token(case, length, ask, gate, authority):
    assert 200 == gate.bearer().status  # the whole of it is remembered
    assert_refused(ask(("Authorization", f"Bearer {TOKEN[:length]}")), 401, "invalid_token")
    assert_refused(ask(("Authorization", f"Bearer {TOKEN}x")), 401, "invalid_token")
    assert [TOKEN, TOKEN[:length], TOKEN + "x"] == authority.tokens
