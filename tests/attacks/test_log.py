"""LOG: what is written down, counted and told, and what must never be in it."""

from __future__ import annotations

import json
import random

import pytest

from attacks.authority import Answer, as_json, as_jwt, jwt
from attacks.cases import attack
from attacks.harness import TOKEN, assert_allowed, assert_refused
from phantomgate.config.settings import Policy, RouteRule
from phantomgate.core.errors import Reason

NOW = 1_800_000_000
UNTIL = NOW + 300
EVERYTHING = [RouteRule("/**")]

NASTY = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\x7f",
    "\x9b31m",
    '"}\n{"event":"forged',
    "\u2028x",
    "\\",
    "é",
]


@attack("LOG-002")
@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("where", ["path", "method", "host", "authorization", "query", "claim"])
def test_whatever_a_client_sends_is_one_escaped_line_and_no_token(case, nasty, where, serve, authority):
    raw = nasty.encode()
    issued = authority.issue(TOKEN, sub=nasty if where == "claim" else "alice", exp=UNTIL)
    gate = serve(
        routes=[*EVERYTHING] if where != "claim" else [RouteRule("/x", scopes=("missing",))], log={"allows": True}
    )
    fields: list[tuple[str, bytes]] = [
        ("X-Forwarded-Method", b"GET" + (raw if where == "method" else b"")),
        ("X-Forwarded-Uri", b"/x" + (raw if where == "path" else b"?q=" + raw if where == "query" else b"")),
        ("X-Forwarded-Host", raw if where == "host" else b"api.example"),
        ("Authorization", f"Bearer {TOKEN}".encode() + (raw if where == "authorization" else b"")),
    ]
    gate.judged(*fields)  # without a parser in front that would refuse most of it
    gate.ask(*fields)
    assert gate.lines
    for line in gate.lines:
        assert line.endswith(b"\n")
        assert 1 == line.count(b"\n")
        assert line.isascii()
        assert all(0x20 <= byte < 0x7F for byte in line[:-1])
        said = json.loads(line)
        assert "decision" == said["event"]
        assert TOKEN.encode() not in line
        assert issued.encode() not in line
        assert b"alice" not in line


@attack("LOG-002")
def test_nothing_secret_is_in_any_line_whatever_goes_wrong(case, serve, authority):
    canary = "canary-0123456789"
    secrets = (TOKEN, "s3cret", canary, "czNjcmV0")
    gate = serve(routes=EVERYTHING, log={"allows": True, "level": "debug"})
    authority.issue(TOKEN, sub=canary, exp=UNTIL, email=canary)
    says: list[object] = [
        None,
        Answer(500, canary, "text/plain"),
        Answer(401, canary, "application/json"),
        Answer(200, canary, "text/html"),
        Answer(200, canary, canary),
        Answer(200, json.dumps({"active": canary}), "application/json"),
        Answer(200, "{" + canary, "application/json"),
        as_jwt(jwt({"exp": canary})),
        as_jwt(jwt({"exp": UNTIL, "iss": canary, "nbf": canary})),
        as_jwt(jwt({"exp": UNTIL}, {"alg": canary, "typ": canary}).rpartition(".")[0]),
        as_json({"active": True, "phantom_token": canary}),
        f"HTTP/1.1 200 {canary}\r\nX: {canary}".encode(),
        canary.encode(),
    ]
    for number, said in enumerate(says):
        authority.says = said
        gate.bearer(f"{TOKEN}-{number}", target=f"/decide/x?access={canary}&token={TOKEN}")
        gate.bearer(TOKEN, ("Cookie", f"session={canary}"), ("X-Any", canary), target="/decide/x")
        gate.clock.advance(300)
    gate.bearer(TOKEN + "=x", target="/decide/x")
    gate.ask(("Authorization", f"Basic {canary}"), target="/decide/x")
    assert len(gate.lines) > 2 * len(says)
    for line in gate.lines:
        for secret in secrets:
            assert secret.encode() not in line, line
        # the line says what to do about it all the same
        assert {"decision", "time", "level"} <= set(json.loads(line)) | {"decision"}


TRACES = [
    [("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")],
    [("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=" + "b" * 3000)],
    [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")] * 2,
    [("traceparent", '"><script>'), ("tracestate", ",,,,")],
]


@attack("LOG-003", "LOG-004")
@pytest.mark.parametrize("fields", [*TRACES, [("baggage", "user=alice,secret=1")]], ids=range(6))
def test_no_trace_or_baggage_changes_a_decision_or_travels_further(case, fields, serve, authority):
    token = authority.issue(TOKEN, exp=UNTIL)
    gate = serve(routes=EVERYTHING)
    reply = gate.bearer(TOKEN, *fields, target="/decide/x")
    assert_allowed(reply, token)
    assert_refused(gate.bearer("unknown", *fields, target="/decide/x"), 401, "invalid_token")
    assert 2 == len(authority.asked)
    for asked in authority.asked:
        assert {"host", "accept", "content-type", "authorization", "accept-encoding", "content-length"} == {
            name for name, _ in asked.headers
        } - {"user-agent", "connection"}
    for name, value in fields:
        assert [] == reply.all(name)
        assert value.encode() not in reply.raw


def without_its_id(reply) -> tuple[object, ...]:
    said = json.loads(reply.body)
    said.pop("decision")
    return reply.status, [pair for pair in reply.headers if pair[0] != "date"], said


@attack("LOG-005")
def test_every_token_that_does_not_work_gets_the_same_answer(case, serve, authority):
    """Unknown, revoked, expired, bound, or meant for others: from outside nobody can tell which."""
    gate = serve(policy=Policy(issuers=("https://as.example",), audiences=("api",)))
    good = {"iss": "https://as.example", "aud": "api", "exp": UNTIL}
    authority.issue("expired", **{**good, "exp": NOW})
    authority.issue("without-exp", **{**good, "exp": None})
    authority.issue("early", **good, nbf=NOW + 60)
    authority.issue("bound", **good, cnf={"jkt": "x"})
    authority.issue("of-another-issuer", **{**good, "iss": "https://evil.example"})
    authority.issue("for-another-audience", **{**good, "aud": "other"})
    authority.issue("odd", **good, scope=1)
    authority.issue("revoked", **good)
    assert 200 == gate.bearer("revoked").status
    authority.active.pop("revoked")
    gate.clock.monotonic += 300
    tokens = [*authority.active, "revoked", "unknown", "revoked", "unknown", "x", "unknown" * 100]
    answers = {repr(without_its_id(gate.bearer(token))) for token in tokens}
    assert 1 == len(answers), answers
    assert 10 <= len({seen.decision.reason for seen in gate.seen if hasattr(seen.decision, "reason")}) + 5


@attack("LOG-006")
def test_no_number_of_tokens_subjects_or_paths_adds_a_label(case, serve, authority):
    gate = serve(routes=[RouteRule("/a/**", scopes=("read",)), RouteRule("/b/{id}")])
    before = shape(gate.wired.metrics.snapshot())
    numbers = random.Random(7)
    for number in range(300):
        token = f"token-{number}"
        if number % 3:
            authority.issue(token, sub=f"subject-{number}", scope="read" if number % 2 else "", exp=UNTIL)
        path = numbers.choice([f"/a/{number}", f"/b/{number}", f"/c/{number}", f"/a/../{number}"])
        gate.judged(
            ("Authorization", f"Bearer {token}"),
            ("X-Forwarded-Method", numbers.choice(["GET", f"M{number}"])),
            ("X-Forwarded-Uri", path),
        )
    snapshot = gate.wired.metrics.snapshot()
    assert before == shape(snapshot)
    assert {reason.label for reason in Reason} == set(snapshot["refused"])
    assert 300 == snapshot["allowed"] + sum(snapshot["refused"].values())
    for secret in ("token-", "subject-", "/a/", "/c/"):
        assert secret not in repr(snapshot)


def shape(value: object) -> object:
    """*value* without its numbers."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return len(value) if isinstance(value, list) else type(value).__name__ in ("int", "float")


def test_trouble_with_the_server_is_logged_as_an_error_with_its_decision(serve, authority):
    gate = serve()
    for answer, level in ((Answer(404), "error"), (Answer(401), "error"), (Answer(500), "warning")):
        authority.says = answer
        reply = gate.bearer()
        said = json.loads(gate.lines[-1])
        assert (level, json.loads(reply.body)["decision"]) == (said["level"], said["decision"])
