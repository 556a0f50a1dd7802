"""INT: what an authorization server may answer, and what becomes of the request when it answers anything else."""

from __future__ import annotations

import json

import pytest

from attacks.authority import NOT_ACTIVE, Answer, Authority, as_json, as_jwt, jwt
from attacks.cases import attack, attacks
from attacks.harness import TOKEN, assert_allowed, assert_refused
from phantomgate.config.settings import Policy
from phantomgate.core.errors import Reason
from phantomgate.core.model import Credential, Refuse, Route

NOW = 1_800_000_000
UNTIL = NOW + 300
GOOD = jwt({"sub": "alice", "scope": "read", "exp": UNTIL})
DIALECTS = ["jwt", "json"]


def in_dialect(dialect: str, claims: dict[str, object]) -> Answer:
    """What a server says of an active token with *claims*, in either dialect."""
    token = jwt(claims)
    return as_jwt(token) if dialect == "jwt" else as_json({"active": True, "phantom_token": token})


def assert_not_remembered(gate, status: int, error: str) -> None:
    """The same refusal again, from a new question: what was no answer is not kept as one. By both families."""
    before = len(gate.authority.asked)
    assert_refused(gate.bearer(), status, error)
    assert_refused(gate.bearer(), status, error)
    assert before + 2 == len(gate.authority.asked)
    assert_refused(gate.blocking(), status, error)


@attacks(
    "answer",
    [
        ("INT-001", Answer(200, "<html>login</html>", "text/html")),
        ("INT-001", Answer(200, GOOD, "text/html")),
        ("INT-001", Answer(200, GOOD, "text/plain")),
        ("INT-001", Answer(200, GOOD, "application/octet-stream")),
        ("INT-001", Answer(200, GOOD, "application/jwtx")),
        ("INT-001", Answer(200, GOOD, "text/html; application/jwt")),
        ("INT-001", Answer(200, GOOD, None)),
        ("INT-001", Answer(200, GOOD, "application/jwt", (("Content-Type", "text/html"),))),
        ("INT-001", Answer(200, "<html>login</html>", "application/jwt")),
        ("INT-001", Answer(201, GOOD, "application/jwt")),
        ("INT-001", Answer(206, GOOD, "application/jwt")),
        ("INT-006", Answer(200, '{"active":true,"active":false}', "application/json")),
        ("INT-006", Answer(200, '{"active":false,"active":true}', "application/json")),
        ("INT-006", Answer(200, f'{{"active":true,"jwt":"{GOOD}","\\u0061ctive":true}}', "application/json")),
        ("INT-006", Answer(200, f'{{"active":true,"jwt":"{GOOD}","jwt":"{GOOD}"}}', "application/json")),
        *(
            ("INT-007", Answer(200, body, "application/json"))
            for body in (
                "[]",
                '"true"',
                "true",
                "null",
                "",
                " ",
                "\n",
                "1",
                f'["{GOOD}"]',
                '[{"active":true}]',
                "{}",
            )
        ),
        *(
            ("INT-007", Answer(200, json.dumps({"active": value, "jwt": GOOD}), "application/json"))
            for value in ("true", 1, None, [True], {"a": 1}, "True")
        ),
        ("INT-007", as_json({"jwt": GOOD})),
        ("INT-007", Answer(200, "", "application/jwt")),
        ("INT-007", Answer(200, " ", "application/jwt")),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"alg": "none"}))),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"alg": "nOnE"}))),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"typ": "at+jwt"}))),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"alg": ""}))),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"alg": ["RS256"]}))),
        ("INT-012", as_jwt(jwt({"sub": "a", "exp": UNTIL}, {"alg": None}))),
        ("INT-012", as_jwt(GOOD.rpartition(".")[0] + ".")),
        ("INT-012", as_json({"active": True, "jwt": jwt({"exp": UNTIL}, {"alg": "none"})})),
        ("INT-024", Answer(400, '{"error":"invalid_request"}', "application/json")),
        ("INT-024", Answer(400, GOOD, "application/jwt")),
        ("INT-024", Answer(422, GOOD, "application/jwt")),
        *(("INT-025", Answer(status, GOOD, "application/jwt")) for status in (404, 405, 410, 406, 415)),
    ],
)
def test_what_is_no_answer_to_our_question_is_502_and_is_not_remembered(answer, serve, authority):
    authority.says = answer
    gate = serve()
    assert_not_remembered(gate, 502, "bad_gateway")
    assert isinstance(gate.last.decision, Refuse)
    assert Reason.BAD_ANSWER is gate.last.decision.reason  # which is logged as an error


@attack("INT-008")
def test_no_content_is_how_a_server_that_was_asked_for_a_jwt_says_inactive(case, serve, authority):
    authority.says = NOT_ACTIVE
    gate = serve(answer="jwt")
    assert_refused(gate.bearer(), 401, "invalid_token")
    assert ["application/jwt"] == authority.asked[0].all("accept")


@attack("INT-009")
def test_no_content_is_no_answer_to_a_question_for_json(case, serve, authority):
    authority.says = NOT_ACTIVE
    gate = serve(answer="json")
    assert_not_remembered(gate, 502, "bad_gateway")
    assert ["application/json"] == authority.asked[0].all("accept")


@attack("INT-013")
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("exp", [NOW, NOW - 1, NOW - 86400, 0])
def test_a_jwt_that_has_expired_is_refused_and_not_remembered(case, dialect, exp, serve, authority):
    authority.says = in_dialect(dialect, {"sub": "alice", "exp": exp})
    assert_not_remembered(serve(answer=dialect), 401, "invalid_token")


@attack("INT-044")
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 1},
        {},
        {"exp": None},
        {"exp": str(UNTIL)},
        {"exp": True},
        {"exp": [UNTIL]},
        {"exp": -1},
        {"exp": 10**18},
        {"exp": UNTIL, "nbf": NOW + 6},
        {"exp": UNTIL, "iat": NOW + 6},
        {"exp": UNTIL, "nbf": "soon"},
        {"exp": UNTIL, "nbf": True},
        {"exp": UNTIL, "iat": True},
        {"exp": UNTIL, "iat": None},
    ],
    ids=repr,
)
def test_times_are_checked_again_whatever_the_server_says_of_them(case, dialect, claims, serve, authority):
    authority.says = in_dialect(dialect, {"sub": "alice", **claims})
    assert_not_remembered(serve(answer=dialect), 401, "invalid_token")


@attack("INT-044")
@pytest.mark.parametrize("said", [{"exp": NOW - 1}, {"exp": "x"}, {"nbf": NOW + 6}, {"iat": NOW + 3600}], ids=repr)
def test_the_times_beside_an_embedded_jwt_count_too(case, said, serve, authority):
    authority.says = as_json({"active": True, "phantom_token": GOOD, **said})
    assert_not_remembered(serve(answer="json"), 401, "invalid_token")


@attack("INT-044")
def test_an_earlier_exp_beside_the_jwt_shortens_what_may_be_remembered(case, serve, authority):
    authority.says = as_json({"active": True, "phantom_token": GOOD, "exp": NOW + 10})
    gate = serve(answer="json")
    assert "10" == gate.bearer().one("x-accel-expires")
    gate.clock.advance(10)
    assert_refused(gate.bearer(), 401, "invalid_token")


@attack("INT-022", "INT-023")
def test_a_server_that_refuses_our_client_is_not_the_callers_fault(case, serve, authority):
    """401 would make callers throw good tokens away; the contract's 502 says where to look."""
    authority.says = Answer(401 if case.id == "INT-022" else 403, '{"error":"invalid_client"}', "application/json")
    gate = serve()
    assert_not_remembered(gate, 502, "bad_gateway")
    assert Reason.CLIENT_REFUSED is gate.last.decision.reason  # which is logged as an error


@attack("INT-026")
@pytest.mark.parametrize(
    ("sent", "told"),
    [("7", "7"), ("0", "1"), ("60", "60"), ("61", "60"), ("99999999999999999999", "60"), ("soon", "5"), ("-3", "5"),
     ("Wed, 21 Oct 2026 07:28:00 GMT", "5"), ("+7", "5"), ("7.5", "5"), ("", "5"), (None, "5")],
)  # fmt: skip
def test_back_pressure_is_passed_on_within_bounds_and_nobody_retries(case, sent, told, serve, authority):
    authority.says = Answer(429, more=() if sent is None else (("Retry-After", sent),))
    reply = serve().bearer()
    assert_refused(reply, 503, "temporarily_unavailable")
    assert told == reply.one("retry-after")
    assert 1 == len(authority.asked)


@attack("INT-027")
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599])
def test_a_server_in_trouble_is_503_and_never_an_opinion_about_the_token(case, status, serve, authority):
    authority.says = Answer(status, GOOD, "application/jwt")
    gate = serve(resilience={"retry": False})
    assert_not_remembered(gate, 503, "temporarily_unavailable")
    authority.says = None
    jwt_of_it = authority.issue(TOKEN, exp=UNTIL)
    assert_allowed(gate.bearer(), jwt_of_it)  # nothing of the trouble was remembered


@attack("INT-028")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_no_redirect_is_followed_so_no_secret_goes_where_it_points(case, status, serve, authority):
    evil = Authority(says=as_jwt(GOOD))
    try:
        authority.says = Answer(status, "", None, (("Location", evil.url),))
        assert_not_remembered(serve(), 502, "bad_gateway")
        assert 0 == evil.connections
    finally:
        evil.close()


@attack("INT-036")
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_break_after_the_jwt_is_forgiven_and_dropped(case, end, serve, authority):
    authority.says = Answer(200, GOOD.encode() + end, "application/jwt")
    assert_allowed(serve().bearer(), GOOD)


@attack("INT-036")
@pytest.mark.parametrize(
    "body",
    [b" %s", b"%s ", b"\t%s", b"%s\r", b"%s\n\n", b"%s\r\n\r\n", b"\r\n%s", b"\xef\xbb\xbf%s", b"%s\r\nX-Admin: 1",
     b"%s\x00", b"%s\xc2\xa0", b'"%s"', b"%s=", b"Bearer %s", b"%s.x", b"%s,%s"],
)  # fmt: skip
def test_anything_else_around_the_jwt_makes_it_none(case, body, serve, authority):
    authority.says = Answer(200, body.replace(b"%s", GOOD.encode()), "application/jwt")
    gate = serve()
    assert_not_remembered(gate, 502, "bad_gateway")


@attack("INT-041")
def test_client_id_and_secret_are_form_encoded_before_they_are_joined(case, serve, authority):
    serve(client_id="a:b", secret="p%ss w+rd:\u00e9").bearer()
    # base64 of a%3Ab:p%25ss+w%2Brd%3A%C3%A9
    assert ["Basic YSUzQWI6cCUyNXNzK3clMkJyZCUzQSVDMyVBOQ=="] == authority.asked[0].all("authorization")


@attack("INT-041")
def test_client_id_and_secret_in_the_body_are_form_encoded_once(case, serve, authority):
    serve(client_id="a:b", secret="p%ss w+rd:\u00e9&x=1", client_auth="post").bearer()
    assert [
        f"token={TOKEN}&token_type_hint=access_token&client_id=a%3Ab&client_secret=p%25ss+w%2Brd%3A%C3%A9%26x%3D1"
    ] == [body.decode() for body in authority.bodies]
    assert [] == authority.asked[0].all("authorization")


@attack("INT-042")
@pytest.mark.parametrize(
    ("token", "sent"),
    [
        ("x&active=true", "x%26active%3Dtrue"),
        ("x+y z", "x%2By+z"),
        ("%26active=true", "%2526active%3Dtrue"),
        ("x;client_id=evil", "x%3Bclient_id%3Devil"),
        ("x\r\n\r\nPOST / HTTP/1.1", "x%0D%0A%0D%0APOST+%2F+HTTP%2F1.1"),
    ],
)
def test_a_token_can_add_no_parameter_to_the_question(case, token, sent, serve, authority):
    """Past the grammar on purpose: the resolver alone must hold, for credentials that come by other ways."""
    gate = serve()
    with pytest.raises(Exception, match="inactive"):
        gate.loop.run(gate.cached.resolve(Credential(token), Route("policy")))
    assert [f"token={sent}&token_type_hint=access_token".encode()] == authority.bodies
    [asked] = authority.asked
    assert ("POST", "/introspect") == (asked.method, asked.target)
    assert ["application/x-www-form-urlencoded"] == asked.all("content-type")
    assert ["identity"] == asked.all("accept-encoding")


@attack("INT-043")
@pytest.mark.parametrize("target", ["/decide", "/exchange"])
def test_no_field_of_the_answer_goes_further_than_us(case, target, serve, authority):
    canary = "canary-of-the-server"
    authority.more = (
        ("Set-Cookie", f"session={canary}"),
        ("Authorization", f"Bearer {canary}"),
        ("X-User", canary),
        ("X-Accel-Redirect", f"/{canary}"),
        ("WWW-Authenticate", canary),
        ("X-Unknown", canary),
    )
    authority.issue(TOKEN, sub="alice", exp=UNTIL)
    gate = serve()
    allowed = gate.bearer(target=target)
    assert 200 == allowed.status
    assert canary.encode() not in allowed.raw
    authority.says = Answer(500, canary, "text/plain", authority.more)
    gate.clock.advance(300)
    assert_refused(gate.bearer(target=target), 503, "temporarily_unavailable", secrets=(canary, TOKEN))
    authority.says = Answer(400, json.dumps({"error": canary}), "application/json", authority.more)
    assert_refused(gate.bearer(target=target), 502, "bad_gateway", secrets=(canary, TOKEN))


@attack("INT-046")
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "iss",
    ["https://evil.example", "https://as.example/", "https://as.example.evil.example", "HTTPS://AS.EXAMPLE", 1, None],
)
def test_an_answer_in_the_name_of_another_issuer_is_no_answer(case, dialect, iss, serve, authority):
    authority.says = in_dialect(dialect, {"sub": "alice", "exp": UNTIL, "iss": iss})
    assert_not_remembered(serve(answer=dialect, issuer="https://as.example"), 502, "bad_gateway")


@attack("INT-046")
def test_an_issuer_beside_the_embedded_jwt_must_be_ours_too(case, serve, authority):
    authority.says = as_json({"active": True, "phantom_token": GOOD, "iss": "https://evil.example"})
    assert_not_remembered(serve(answer="json", issuer="https://as.example"), 502, "bad_gateway")


@attack("INT-047")
@pytest.mark.parametrize("facts", [{"token_type": "DPoP"}, {"token_type": "N_A"}, {"token_type": 1},
                                   {"cnf": {"jkt": "x"}}, {"cnf": {"x5t#S256": "x"}}, {"cnf": {}}, {"cnf": False}],
                         ids=repr)  # fmt: skip
@pytest.mark.parametrize("where", ["jwt", "json", "beside"])
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(case, facts, where, serve, authority):
    claims = {"sub": "alice", "exp": UNTIL}
    if where == "beside":
        authority.says = as_json({"active": True, "phantom_token": jwt(claims), **facts})
    else:
        authority.says = in_dialect(where, {**claims, **facts})
    assert_not_remembered(serve(answer="jwt" if where == "jwt" else "json"), 401, "invalid_token")


@attack("INT-048")
@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"scope": "read write"}, 200),
        ({"scope": ["read", "write"]}, 200),
        ({"scp": ["read"]}, 200),
        ({}, 403),
        ({"scope": ""}, 403),
        ({"scope": []}, 403),
        ({"scope": "readwrite"}, 403),
        ({"scope": "read\twrite"}, 403),
        ({"scope": ["read write"]}, 403),
        ({"scope": "", "scp": "read"}, 403),
        ({"scope": None}, 401),
        ({"scope": 1}, 401),
        ({"scope": {"read": True}}, 401),
        ({"scope": [["read"]]}, 401),
        ({"scope": ["read", 1]}, 401),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_scope_is_a_string_or_a_list_and_missing_is_empty(case, scope, status, dialect, serve, authority):
    authority.says = in_dialect(dialect, {"sub": "alice", "exp": UNTIL, **scope})
    reply = serve(answer=dialect, policy=Policy(scopes=("read",))).bearer()
    if status == 403:
        assert_refused(reply, 403, "insufficient_scope", scope="read")
    elif status == 401:
        assert_refused(reply, 401, "invalid_token")
    else:
        assert 200 == reply.status


@pytest.mark.parametrize("names", [("phantom_token", "jwt"), ("jwt", "phantom_token")])
@pytest.mark.parametrize("other", [jwt({"sub": "mallory", "exp": UNTIL}), None, 1, "", GOOD + "x"])
def test_two_different_jwts_are_no_answer(names, other, serve, authority):
    gate = serve(answer="json")
    for first, second in ((GOOD, other), (other, GOOD)):
        authority.says = as_json({"active": True, names[0]: first, names[1]: second})
        assert_not_remembered(gate, 502, "bad_gateway")


def test_a_statement_about_a_token_is_never_forwarded_as_one(serve, authority):
    """RFC 9701 answers another question than ours, by its media type or by its `typ`."""
    statement = jwt({"iss": "https://as.example", "exp": UNTIL}, {"alg": "RS256", "typ": "token-introspection+jwt"})
    gate = serve()
    for answer in (Answer(200, GOOD, "application/token-introspection+jwt"), as_jwt(statement)):
        authority.says = answer
        assert_not_remembered(gate, 502, "bad_gateway")
