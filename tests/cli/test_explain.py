"""`phantomgate explain`: one decision, every step, nothing secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopback_server import SECRET, TOKEN, active
from phantomgate.cli.explain import judged, read_raw
from phantomgate.cli.main import main
from phantomgate.config.settings import Settings
from processes import python
from refusals import why_not

BEARER = f"Authorization: Bearer {TOKEN}"


def explain(environ, capsys, *words: str) -> tuple[int, str, str]:
    code = main(["explain", *words], environ)
    out, err = capsys.readouterr()
    for canary in (TOKEN, SECRET, "s" * 86):  # the last is the JWT's signature
        assert canary not in out + err
    return code, out, err


def story(environ, capsys, *words: str) -> dict:
    code, out, err = explain(environ, capsys, "--json", *words)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_request_that_is_let_in_is_told_step_by_step(server, capsys):
    environ = server.environ(PHANTOMGATE__FORWARD__CLAIMS='{"X-User": "sub"}')
    told = story(environ, capsys, "--path", "/orders?x=1", "--header", BEARER)
    assert told["request"] == {"method": "GET", "path": "/orders", "host": "", "note": ""}
    match, find, resolve, *judges, forward = told["steps"]
    assert (match["result"], match["needs"]) == ("policy", {"scopes": ["read"]})
    assert find["result"] == "Bearer token, canary... (49 characters)"
    assert (resolve["result"], resolve["source"], resolve["claims"]["sub"]) == ("active", "network", "ann")
    assert 290 <= resolve["expires_in"] <= 300
    assert [(judge["policy"], judge["result"]) for judge in judges] == [("not expired", "good"), ("scopes", "good")]
    assert forward["headers"][0][1].startswith("Bearer eyJhbG... (")
    assert forward["headers"][1] == ["X-User", "ann"]
    assert told["decision"] == {"outcome": "allowed"}
    assert told["answer"]["status"] == 200
    assert [name for name, _ in told["answer"]["headers"]] == [
        "Authorization",
        "X-User",
        "X-Accel-Expires",
        "Cache-Control",
    ]


def test_the_same_for_people(server, capsys):
    code, out, err = explain(server.environ(), capsys, "--path", "/orders", "--header", BEARER)
    assert (code, err) == (0, "")
    for piece in (
        "request   GET /orders",
        "match     policy, which needs scopes read",
        "find      Bearer token, canary... (49 characters)",
        "resolve   active, says the authorization server; expires in ",
        '          sub = "ann"',
        "judge     scopes: good",
        "forward   Authorization: Bearer eyJhbG... (",
        "decision  ALLOWED",
        "answer    200",
    ):
        assert piece in out


def test_a_refusal_is_told_with_its_step_its_reason_and_its_remedy(server, capsys):
    environ = server.environ(PHANTOMGATE__POLICY__SCOPES="admin")
    told = story(environ, capsys, "--path", "/", "--header", BEARER)
    assert told["steps"][-1]["policy"] == "scopes"
    assert told["steps"][-1]["detail"] == "lacks admin"
    assert told["decision"]["reason"] == "insufficient_scope"
    assert told["answer"]["status"] == 403
    assert told["answer"]["body"]["error"] == "insufficient_scope"
    _, out, _ = explain(environ, capsys, "--path", "/", "--header", BEARER)
    assert "judge     scopes: refused: insufficient_scope (lacks admin)" in out
    assert "decision  REFUSED: insufficient_scope (lacks admin)\n          The client must ask for" in out


@pytest.mark.parametrize(
    ("words", "reason", "status", "steps"),
    [
        (["--path", "/"], "missing_credential", 401, ["match", "find"]),
        (["--path", "/", "--header", "Authorization: Basic x"], "missing_credential", 401, ["match", "find"]),
        (["--path", "/", "--header", "Authorization: Bearer"], "malformed_request", 400, ["match", "find"]),
        (["--path", "/", "--header", BEARER, "--header", BEARER], "malformed_request", 400, ["match", "find"]),
        (["--path", "/", "--header", f"{BEARER}x"], "inactive", 401, ["match", "find", "resolve"]),
        (["--path", "/decide", "--header", "X-Original-URI: /"], "malformed_request", 400, []),
    ],
)
def test_every_refusal_is_0_because_it_was_decided(server, capsys, words, reason, status, steps):
    server.answer = lambda form: active() if form.startswith(f"token={TOKEN}&") else (204, "", "")
    told = story(server.environ(), capsys, *words)
    assert (told["decision"]["reason"], told["answer"]["status"]) == (reason, status)
    assert [step["step"] for step in told["steps"]] == steps
    assert told["decision"]["remedy"]


def test_a_server_that_cannot_be_asked_is_explained_too(server, capsys):
    server.answer = lambda form: (503, "", "")
    told = story(server.environ(), capsys, "--path", "/", "--header", BEARER)
    assert (told["decision"]["reason"], told["answer"]["status"]) == ("unavailable", 503)
    assert ["Retry-After", "5"] in told["answer"]["headers"]


def test_with_routes_the_rule_is_named(server, capsys):
    environ = server.environ(PHANTOMGATE__ROUTES='[{"path": "/orders/**", "methods": ["POST"], "scopes": ["write"]}]')
    told = story(environ, capsys, "--method", "POST", "--path", "/orders/7", "--header", BEARER)
    assert told["steps"][0]["result"] == "POST /orders/**"
    assert told["steps"][0]["needs"] == {"scopes": ["read", "write"]}
    assert story(environ, capsys, "--path", "/orders/7", "--header", BEARER)["decision"]["reason"] == "no_route"


def test_a_gateways_own_call_is_read_as_the_listener_reads_it(server, capsys):
    fields = ["--header", "X-Original-Method: POST", "--header", "X-Original-URI: /orders?a=1"]
    told = story(server.environ(), capsys, "--path", "/decide", "--header", BEARER, *fields)
    assert (told["request"]["method"], told["request"]["path"]) == ("POST", "/orders")
    told = story(server.environ(), capsys, "--path", "/decide/orders", "--header", BEARER)
    assert told["request"]["path"] == "/orders"


def test_what_is_typed_is_read_as_the_bytes_it_is(server, capsys):
    told = story(server.environ(), capsys, "--path", "/\u20ac", "--header", "A: \u20ac", "--header", BEARER)
    assert told["request"]["path"] == "/\xe2\x82\xac"
    routed = server.environ(PHANTOMGATE__ROUTES='[{"path": "/**"}]')
    assert story(routed, capsys, "--path", "/\u20ac", "--header", BEARER)["decision"]["reason"] == "malformed_request"


def test_an_exchange_shows_what_comes_back_masked(server, capsys):
    told = story(server.environ(), capsys, "--path", "/exchange", "--header", BEARER)
    body = told["answer"]["body"]
    assert (body["token_type"], body["access_token"][:9]) == ("Bearer", "eyJhbG...")


def test_a_claim_that_repeats_the_token_is_masked_too(server, capsys):
    server.answer = lambda form: active(sub=TOKEN, client_id=f"<{TOKEN}>", azp=[{TOKEN: 1}])
    told = story(server.environ(), capsys, "--path", "/", "--header", BEARER)
    assert told["steps"][2]["claims"]["client_id"] == "<canary... (49 characters)>"


def test_a_short_token_is_not_shown_at_all(server, capsys):
    server.answer = lambda form: active()
    _, out, _ = explain(server.environ(), capsys, "--path", "/", "--header", "Authorization: Bearer zq9")
    assert "Bearer token, (3 characters)" in out
    assert "zq9" not in out


def test_a_claim_cannot_play_with_the_terminal(server, capsys):
    server.answer = lambda form: active(sub="\x1b[2J\u202e\n", **{"\x1b[1m": 1})
    code, out, _ = explain(server.environ(), capsys, "--path", "/", "--header", BEARER)
    assert code == 0
    assert all(line.isprintable() and line.isascii() for line in out.splitlines())


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        (["--path", "orders"], 'does not begin with "/"'),
        (["--path", "/", "--method", "GET POST"], "not one word"),
        (["--path", "/", "--header", TOKEN], 'not "Name: value"'),
        (["--path", "/", "--header", f"A b: {TOKEN}"], 'not "Name: value"'),
        (["--method", "POST"], "need --path"),
    ],
)
def test_a_request_that_cannot_be_read_is_2_and_nobody_is_asked(server, capsys, words, piece):
    code, out, err = explain(server.environ(), capsys, *words)
    assert (code, out) == (2, "")
    assert piece in err
    assert server.asked == []


def test_settings_with_problems_are_2(capsys):
    code, out, err = explain({}, capsys, "--path", "/")
    assert (code, out) == (2, "")
    assert "introspection.endpoint" in err


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_raw_request_on_stdin_is_explained(server, end):
    raw = end.join(["GET /orders?a=1 HTTP/1.1", "Host: api.example", BEARER, "", "a body"])
    done = python("-m", "phantomgate", "explain", "--json", stdin=raw, **server.environ())
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["decision"] == {"outcome": "allowed"}
    assert TOKEN not in done.stdout
    assert SECRET not in done.stdout


def test_nothing_is_logged_besides_the_story(server):
    done = python("-m", "phantomgate", "explain", stdin="GET / HTTP/1.1\n\n", **server.environ())
    assert (done.returncode, done.stderr) == (0, "")
    assert "REFUSED: missing_credential" in done.stdout


def test_an_empty_stdin_is_2(server):
    done = python("-m", "phantomgate", "explain", **server.environ())
    assert (done.returncode, done.stdout) == (2, "")
    assert "the first line is not" in done.stderr


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"GET /", b"GET / HTTP/2", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET http://a/ HTTP/1.1"),
        *(b"G\xc3\xa9T / HTTP/1.1", b"GET / HTTP/1.1\n folded: a", b"GET / HTTP/1.1\na : b", b"GET / HTTP/1.1\na"),
        b"GET / HTTP/1.1\n" + b"a" * (1 << 20),
    ],
)
def test_what_is_no_request_is_refused(head):
    with pytest.raises(ValueError, match=r"not|over"):
        read_raw(head)


@given(st.binary())
def test_reading_a_raw_request_gives_one_or_a_value_error(data):
    for one in (data, b"GET / HTTP/1.1\r\n" + data, b"GET /" + data + b" HTTP/1.1\r\n\r\n"):
        if why_not(read_raw, one) is None:
            judged(read_raw(one), Settings())


def test_every_field_of_a_raw_request_is_kept():
    raw = read_raw(b"GET /a?b=c HTTP/1.1\nA: 1\na:2\nEmpty:\nBytes: \xff\n\nBody: 1")
    assert (raw.method, raw.path, raw.query) == ("GET", "/a", "b=c")
    assert raw.headers.all(b"a") == [b"1", b"2"]
    assert (raw.headers.one(b"empty"), raw.headers.one(b"bytes")) == (b"", b"\xff")
    assert b"body" not in raw.headers


def test_the_calls_that_a_decision_cost_are_told():
    from phantomgate.cli.explain import _how
    from phantomgate.resolvers.guarded import Calls

    assert "2 no_connection, asked once more" == _how(Calls({"no_connection": 2}, retries=1))
    assert "1 answered" == _how(Calls({"answered": 1}))
    assert "" == _how(Calls())
